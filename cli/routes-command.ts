import { existsSync } from 'node:fs';
import { HOST_NETNS } from '../daemon/kernel/netns.ts';
import { findNetns } from '../daemon/netns/discovery.ts';
import { LiveRoutes } from '../daemon/routes/live-snapshot.ts';
import type { RouteSnapshot } from '../daemon/routes/snapshot.ts';
import { snapshotLines } from '../daemon/routes/snapshot-file.ts';
import { withResource } from '../daemon/kernel/dispose.ts';
import type { ExperimentFlags } from './asked-experiment.ts';
import { defaultDb } from './default-db.ts';
import { UsageError } from './errors.ts';
import type { UseSort } from './format/use-sorts.ts';
import { formatTables } from './format/tables.ts';
import { stdoutColors, terminalWidth } from './output.ts';
import { pageLines } from './pager.ts';
import { netnsFile } from './netns-file.ts';
import { namedSnapshot, type SnapshotFlags } from './snapshot-source.ts';
import type { CountedTables } from './counted-tables.ts';

/** Flags of `nstap routes` as they were given. */
export interface RoutesFlags extends SnapshotFlags, ExperimentFlags {
  json?: boolean;
  /** undefined: where stdout is a terminal. */
  counters?: boolean;
  since?: string;
  until?: string;
  sort?: UseSort;
}

/** A terminal that did not ask for counters gets those of so short a time that nobody waits for them. */
const GLANCE = '1h';

/** Tables, and the namespace that they are of where they are the kernel's own. */
interface Source {
  snapshot: RouteSnapshot;
  /** Names by which a daemon may know the namespace. */
  names: string[];
  /** "dev:inode"; null: not of the live kernel. */
  netnsId: string | null;
}

/**
 * Runs `nstap routes`.
 * @returns exit status
 * @throws as `namedSnapshot`; SyscallError, NetlinkError; StorageError where counters were asked for
 */
export async function routesCommand(flags: RoutesFlags): Promise<number> {
  const { counters, since, until, experiment, lastExperiment, sort, db } = flags;
  const isSelected = [since, until, experiment, lastExperiment, sort].some((flag) => flag !== undefined);
  if (flags.tz !== undefined && [since, until, flags.at].every((flag) => flag === undefined))
    throw new UsageError('--tz is the zone of --at, --since and --until, and needs one of them beside it');
  const isAsked = counters === true || isSelected || (db !== undefined && flags.at === undefined);
  if (counters === false && isAsked)
    throw new UsageError(
      '--no-counters cannot stand beside --since, --until, --experiment, --last-experiment, --sort or --db',
    );
  const source = await readSource(flags);
  const tables = counters === false ? null : await countersOf(source, flags, isAsked);
  if (tables === null) {
    await pageLines(flags.json ? snapshotLines(source.snapshot) : formatTables(source.snapshot));
    return 0;
  }
  const { bold, dim } = stdoutColors();
  await pageLines(flags.json ? tables.json() : tables.text({ width: terminalWidth(), sort, bold, dim }));
  for (const note of tables.notes) process.stderr.write(`nstap: ${note}\n`);
  return 0;
}

/** @returns null: tables alone */
async function countersOf(
  { snapshot, names, netnsId }: Source,
  flags: RoutesFlags,
  isAsked: boolean,
): Promise<CountedTables | null> {
  const isFile = [flags.routes, flags.rules, flags.addrs, flags.snapshot].some((flag) => flag !== undefined);
  if (!isAsked && (isFile || flags.json === true || process.stdout.isTTY !== true)) return null;
  const path = flags.db ?? defaultDb();
  // Where nothing was ever captured there is nothing to say.
  if (!isAsked && !existsSync(path)) return null;
  const { countTables } = await import('./counted-tables.ts');
  try {
    return countTables({
      snapshot,
      names,
      netnsId,
      path,
      since: flags.since ?? (isAsked ? undefined : GLANCE),
      until: flags.until ?? flags.at,
      at: flags.at,
      tz: flags.tz,
      experiment: flags.experiment,
      lastExperiment: flags.lastExperiment,
    });
  } catch (error) {
    if (isAsked) throw error;
    process.stderr.write(`nstap: without counters: ${(error as Error).message}\n`);
    return null;
  }
}

async function readSource(flags: RoutesFlags): Promise<Source> {
  const { netns, db, tz, ...others } = flags;
  const rest = flags.at === undefined || tz === undefined ? others : { ...others, tz };
  // Without --at it is the database of the flows alone.
  const named = await namedSnapshot(
    flags.at === undefined || db === undefined ? { netns, ...rest } : { netns, db, ...rest },
  );
  if (named !== null)
    return { snapshot: named, names: [netns === HOST_NETNS ? (named.netns ?? netns) : netns], netnsId: null };
  return withResource(new LiveRoutes(netns, netnsFile(netns)), (live) => ({
    snapshot: live.read(),
    names: namesOf(netns, live.netnsId),
    netnsId: live.netnsId,
  }));
}

/** A namespace that is given by a path or a process has another name in the flows. */
function namesOf(netns: string, id: string): string[] {
  if (!/[/:]|^\d+$/.test(netns)) return [netns];
  const found = findNetns(['all']).find((each) => each.id === id);
  return [...new Set([netns, ...(found === undefined ? [] : [found.name, found.label ?? found.name])])];
}
