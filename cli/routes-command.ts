import { liveSnapshot } from '../daemon/routes/live-snapshot.ts';
import { loadSnapshot } from '../daemon/routes/load-snapshot.ts';
import { snapshotLines } from '../daemon/routes/snapshot-file.ts';
import { formatTables } from './format/tables.ts';
import { writeLines } from './output.ts';

/** Flags of `nstap routes` as they were given. */
export interface RoutesFlags {
  netns: string;
  routes?: string;
  rules?: string;
  addrs?: string;
  snapshot?: string;
  json?: boolean;
}

/** Runs `nstap routes`. @returns exit status @throws SyscallError, NetlinkError, RouteTextError */
export async function routesCommand(flags: RoutesFlags): Promise<number> {
  const snapshot = loadSnapshot(flags) ?? liveSnapshot(flags.netns);
  await writeLines(flags.json ? snapshotLines(snapshot) : [formatTables(snapshot)]);
  return 0;
}
