import { mkdirSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';

/** Others may not even list it: names of files say what was captured. */
const FOLDER_MODE = 0o750;

/**
 * The database when `--db` is not given: `$NSTAP_DB`, else /var/lib/nstap/flows.db for root, else nstap/flows.db in
 * `$XDG_STATE_HOME` (~/.local/state by the XDG Base Directory Specification).
 */
export function defaultDb(env: NodeJS.ProcessEnv = process.env, uid = process.getuid!()): string {
  // An empty variable is as good as none: XDG Base Directory Specification.
  if (env.NSTAP_DB) return env.NSTAP_DB;
  if (uid === 0) return '/var/lib/nstap/flows.db';
  return join(env.XDG_STATE_HOME || join(env.HOME || homedir(), '.local', 'state'), 'nstap', 'flows.db');
}

/** The default database, with its folder made: only this one is; a folder that the user names must exist. */
export function ensureDefaultDb(uid = process.getuid!()): string {
  const path = defaultDb(process.env, uid);
  if (!process.env.NSTAP_DB) mkdirSync(dirname(path), { recursive: true, mode: FOLDER_MODE });
  return path;
}
