import { existsSync } from 'node:fs';
import { ControlError } from '../daemon/control/errors.ts';
import { type Finding, ok, warn } from '../daemon/finding.ts';
import { version } from '../daemon/version.ts';
import { controlToAsk } from './default-control.ts';
import { isUtf8 } from './format/glyphs.ts';

/** Whether a daemon runs that this user may ask. @param control its socket; undefined: the default one */
export async function daemonCheck(control: string = controlToAsk()): Promise<Finding> {
  const check = 'daemon';
  if (control === 'none') return ok(check, 'not asked, as --control or $NSTAP_CONTROL has it');
  if (!existsSync(control)) return ok(check, `none runs here (no ${control})`);
  const { ControlClient } = await import('../daemon/control/client.ts');
  try {
    const client = await ControlClient.connect(control, `nstap ${version()}`);
    const { nstap, pid } = client.welcome;
    client.close();
    if (nstap === version()) return ok(check, `runs (pid ${pid}) and answers on ${control}`);
    return warn(
      check,
      `nstap ${nstap} runs (pid ${pid}), and this is ${version()}`,
      'sudo systemctl restart nstap, or start the daemon anew',
    );
  } catch (error) {
    if (!(error instanceof ControlError)) throw error;
    const advice =
      error.code === 'CONTROL_NO_DAEMON'
        ? 'it was left behind by a daemon that is gone; start one: sudo systemctl start nstap, or sudo nstap daemon'
        : 'see group; sudo nstap status asks as root';
    return warn(check, error.message, advice);
  }
}

/** Whether the terminal shows what is printed for people. */
export function terminalCheck(env: NodeJS.ProcessEnv = process.env): Finding {
  const check = 'terminal';
  const { columns, isTTY } = process.stdout;
  const size = isTTY ? `${env.TERM ?? 'no TERM'}, ${columns} columns` : 'stdout is none';
  if (!isUtf8(env))
    return warn(
      check,
      `${size}; the locale is not UTF-8: trees and ticks are drawn in ASCII`,
      'export LC_ALL=C.UTF-8, or another locale of `locale -a` that ends in UTF-8',
    );
  return ok(check, `${size}, UTF-8${env.NO_COLOR ? ', no colours (NO_COLOR)' : ''}`);
}
