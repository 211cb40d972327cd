import { resolve } from 'node:path';
import type { DaemonOptions } from './config.ts';
import { checkEngineUser, type EngineUser } from './engine-user.ts';
import { CaptureOpener } from './open-capture.ts';
import { sibling } from './sibling.ts';

/**
 * Finds what would keep the daemon from starting with these options, and changes nothing: the filter, the engine's user,
 * and whether that one can write the database.
 * @returns the user that the engine would run as
 * @throws PcapError when the filter is wrong; Error in one sentence for the others
 */
export function checkDaemon(options: DaemonOptions): { user: EngineUser } {
  new CaptureOpener(options);
  const engine = sibling('./engine', import.meta.url);
  return { user: checkEngineUser(options.user, resolve(options.db), engine) };
}
