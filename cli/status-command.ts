import { ControlError } from '../daemon/control/errors.ts';
import { askDaemon, type DaemonStatus, isSameFile } from './daemon-status.ts';
import { controlToAsk } from './default-control.ts';
import { defaultDb } from './default-db.ts';
import { formatStatus } from './format/status.ts';
import { stdoutColors, terminalWidth, writeLines } from './output.ts';
import { readStatus } from './status.ts';

/** Flags of `nstap status` as they were given. */
export interface StatusFlags {
  db?: string;
  control?: string;
  json?: boolean;
}

/**
 * Runs `nstap status`: what the database says, and beside it what the daemon says that writes it.
 * @returns exit status
 * @throws StorageError, also when no run is in the database; ControlError when the daemon that `--control` names cannot be asked
 */
export async function statusCommand(flags: StatusFlags): Promise<number> {
  const asked = await runningDaemon(flags.control);
  const path = flags.db ?? asked?.database ?? defaultDb();
  const daemon = asked !== null && isSameFile(asked.database, path) ? asked.daemon : null;
  const status = { ...readStatus(path), daemon };
  await writeLines([
    flags.json ? `${JSON.stringify(status)}\n` : formatStatus(status, terminalWidth(), stdoutColors()),
  ]);
  return 0;
}

/** The daemon that runs here, or null: there is none, or this user may not ask it. */
async function runningDaemon(
  control: string | undefined,
): Promise<{ database: string; daemon: DaemonStatus } | null> {
  if (control === 'none') return null;
  try {
    return await askDaemon(control ?? controlToAsk());
  } catch (error) {
    if (control !== undefined || !(error instanceof ControlError)) throw error;
    if (error.code !== 'CONTROL_NO_DAEMON')
      process.stderr.write(`nstap: the daemon was not asked: ${error.message}\n`);
    return null;
  }
}
