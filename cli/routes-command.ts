import { liveSnapshot } from '../daemon/routes/live-snapshot.ts';
import { snapshotLines } from '../daemon/routes/snapshot-file.ts';
import { formatTables } from './format/tables.ts';
import { writeLines } from './output.ts';
import { netnsFile } from './netns-file.ts';
import { namedSnapshot, type SnapshotFlags } from './snapshot-source.ts';

/** Flags of `nstap routes` as they were given. */
export interface RoutesFlags extends SnapshotFlags {
  json?: boolean;
}

/** Runs `nstap routes`. @returns exit status @throws as `namedSnapshot`; SyscallError, NetlinkError */
export async function routesCommand(flags: RoutesFlags): Promise<number> {
  const snapshot = (await namedSnapshot(flags)) ?? liveSnapshot(flags.netns, netnsFile(flags.netns));
  await writeLines(flags.json ? snapshotLines(snapshot) : formatTables(snapshot));
  return 0;
}
