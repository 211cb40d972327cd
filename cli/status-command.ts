import { daemonStatus, isSameFile } from './daemon-status.ts';
import { defaultDb } from './default-db.ts';
import { formatStatus } from './format/status.ts';
import { stdoutColors, terminalWidth, writeLines } from './output.ts';
import { askRunningDaemon } from './running-daemon.ts';
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
  const asked = await askRunningDaemon(flags.control, daemonStatus);
  const path = flags.db ?? asked?.database ?? defaultDb();
  const daemon = asked !== null && isSameFile(asked.database, path) ? asked.daemon : null;
  const status = { ...readStatus(path), daemon };
  await writeLines([
    flags.json ? `${JSON.stringify(status)}\n` : formatStatus(status, terminalWidth(), stdoutColors()),
  ]);
  return 0;
}
