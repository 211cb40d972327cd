import { liveSnapshot } from '../daemon/routes/live-snapshot.ts';
import type { RouteSnapshot } from '../daemon/routes/snapshot.ts';
import { snapshotLines, writeSnapshot } from '../daemon/routes/snapshot-file.ts';
import { checkApart } from './atomic-file.ts';
import { defaultDb } from './default-db.ts';
import { counted } from './format/count.ts';
import { Interruption } from './interruption.ts';
import { netnsFile } from './netns-file.ts';
import { writeLines } from './output.ts';
import { namedSnapshot, type SnapshotFlags } from './snapshot-source.ts';

/** Flags of `nstap snapshot save` as they were given. */
export type SnapshotSaveFlags = Pick<SnapshotFlags, 'netns' | 'at' | 'db'>;

/**
 * Runs `nstap snapshot save`: reads a live namespace, or the history of one, and writes its snapshot; says on stderr what was saved.
 * @param file path, or "-" for stdout
 * @returns exit status: 130 (or as the signal says) when interrupted, and nothing was written then
 * @throws as `namedSnapshot`; UsageError when FILE is the database with the history; SyscallError, NetlinkError, AtomicFileError
 */
export async function snapshotSaveCommand(file: string, flags: SnapshotSaveFlags): Promise<number> {
  if (flags.at !== undefined) {
    const db = flags.db ?? defaultDb();
    checkApart(file, [db, `${db}-wal`, `${db}-shm`]);
  }
  const snapshot = (await namedSnapshot(flags)) ?? liveSnapshot(flags.netns, netnsFile(flags.netns));
  if (file === '-') {
    await writeLines(snapshotLines(snapshot));
    say(snapshot, 'to stdout');
    return 0;
  }
  const interruption = new Interruption(() => {}, 'the snapshot is not saved');
  try {
    await writeSnapshot(file, snapshot, interruption.signal);
  } catch (error) {
    if (!interruption.signal.aborted) throw error;
    interruption.ending(true);
    process.stderr.write('nstap: interrupted: the snapshot is not saved\n');
    return interruption.status!;
  } finally {
    interruption.close();
  }
  say(snapshot, `to ${file}`);
  return 0;
}

function say(snapshot: RouteSnapshot, where: string): void {
  const parts = [
    counted(snapshot.routes.length, 'route'),
    counted(snapshot.rules.length, 'rule'),
    counted(snapshot.links.length, 'interface'),
  ];
  process.stderr.write(`nstap: saved ${snapshot.netns}: ${parts.join(', ')} ${where}\n`);
}
