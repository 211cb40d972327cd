import { existsSync } from 'node:fs';
import type { ControlClient } from '../daemon/control/client.ts';
import { ControlError } from '../daemon/control/errors.ts';
import { version } from '../daemon/version.ts';
import { controlToAsk } from './default-control.ts';

/**
 * Asks the daemon that runs here. That there is none, or that this user may not ask it (which is told on stderr), is an error
 * only when the user has named its socket.
 * @param control `--control`, or undefined; "none": nobody is asked
 * @param ask     what to ask; the connection ends with it
 * @returns null when nobody was asked
 * @throws ControlError
 */
export async function askRunningDaemon<T>(
  control: string | undefined,
  ask: (client: ControlClient) => Promise<T>,
): Promise<T | null> {
  if (control === 'none') return null;
  // Where no daemon has ever been, nobody waits for the codec to be loaded.
  if (control === undefined && !existsSync(controlToAsk())) return null;
  const { ControlClient } = await import('../daemon/control/client.ts');
  try {
    const client = await ControlClient.connect(control ?? controlToAsk(), `nstap ${version()}`);
    try {
      return await ask(client);
    } finally {
      client.close();
    }
  } catch (error) {
    if (control !== undefined || !(error instanceof ControlError)) throw error;
    if (error.code !== 'CONTROL_NO_DAEMON')
      process.stderr.write(`nstap: the daemon was not asked: ${error.message}\n`);
    return null;
  }
}
