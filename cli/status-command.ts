import { defaultDb } from './default-db.ts';
import { formatStatus } from './format/status.ts';
import { stdoutColors, terminalWidth, writeLines } from './output.ts';
import { readStatus } from './status.ts';

/** Flags of `nstap status` as they were given. */
export interface StatusFlags {
  db?: string;
  json?: boolean;
}

/** Runs `nstap status`. @returns exit status @throws StorageError, also when no run is in the database */
export async function statusCommand(flags: StatusFlags): Promise<number> {
  const status = readStatus(flags.db ?? defaultDb());
  await writeLines([
    flags.json ? `${JSON.stringify(status)}\n` : formatStatus(status, terminalWidth(), stdoutColors()),
  ]);
  return 0;
}
