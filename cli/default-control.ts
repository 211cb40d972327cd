import { existsSync } from 'node:fs';
import { join } from 'node:path';

/** Of the daemon that root runs. */
const SYSTEM = '/run/nstap/control.sock';

/**
 * The control socket of a daemon when `--control` is not given: `$NSTAP_CONTROL`, else /run/nstap/control.sock for root, else
 * nstap/control.sock in `$XDG_RUNTIME_DIR`; null where there is no such folder: another one that is this user's alone is not known.
 */
export function defaultControl(env: NodeJS.ProcessEnv = process.env, uid = process.getuid!()): string | null {
  if (env.NSTAP_CONTROL) return env.NSTAP_CONTROL;
  if (uid === 0) return SYSTEM;
  return env.XDG_RUNTIME_DIR ? join(env.XDG_RUNTIME_DIR, 'nstap', 'control.sock') : null;
}

/** The control socket for a client: the user's own daemon where there is one, else that of root. */
export function controlToAsk(): string {
  const own = defaultControl();
  return own !== null && (process.env.NSTAP_CONTROL || existsSync(own)) ? own : SYSTEM;
}
