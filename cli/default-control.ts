import { existsSync } from 'node:fs';
import { join } from 'node:path';

/** Of the daemon that root runs. */
const SYSTEM = '/run/nstap/control.sock';

/**
 * The control socket of a daemon when `--control` is not given: `$NSTAP_CONTROL`, else /run/nstap/control.sock for root or
 * where there is no `$XDG_RUNTIME_DIR`, else nstap/control.sock in that.
 */
export function defaultControl(env: NodeJS.ProcessEnv = process.env, uid = process.getuid!()): string {
  if (env.NSTAP_CONTROL) return env.NSTAP_CONTROL;
  if (uid === 0 || !env.XDG_RUNTIME_DIR) return SYSTEM;
  return join(env.XDG_RUNTIME_DIR, 'nstap', 'control.sock');
}

/** The control socket for a client: the user's own daemon where there is one, else that of root. */
export function controlToAsk(): string {
  const own = defaultControl();
  return process.env.NSTAP_CONTROL || existsSync(own) ? own : SYSTEM;
}
