import { randomInt } from 'node:crypto';
import { resolveMetering } from '../daemon/options/resolve.ts';
import type { GivenMetering } from '../daemon/options/spec.ts';
import { carve, type ReadTotals, replay } from '../daemon/replay.ts';
import { loadSnapshot } from '../daemon/routes/load-snapshot.ts';
import { version } from '../daemon/version.ts';
import { openForReading } from '../storage/database.ts';
import type { FilterNode } from '../storage/filter-ast.ts';
import { type MatchingFlows, matchingFlows } from '../storage/matching-flows.ts';
import { AtomicFile } from './atomic-file.ts';
import { UsageError } from './errors.ts';
import { readFilter } from './filter/read.ts';
import { counted } from './format/count.ts';
import { Interruption } from './interruption.ts';
import { ReplayProgressBar, warnOf } from './replay-progress.ts';
import { checkReadTwice, ScratchDatabase } from './scratch-database.ts';

/** Flags of `nstap export --carve` as they were given. */
export interface CarveFlags extends GivenMetering {
  carve?: string;
  write?: string;
  routes?: string;
  rules?: string;
  addrs?: string;
  snapshot?: string;
  netns?: string;
  resolve?: boolean;
  json?: boolean;
}

/** What came of it. */
interface Carved {
  counts: NonNullable<ReadTotals['carved']>;
  flows: number;
  matching: number;
  totals: ReadTotals;
}

/**
 * Writes the packets of the flows that match to a pcapng file. The files are read twice: once for their flows, which are known
 * whole only at the end, and once for the packets of those that match.
 * @returns exit status: 1 when a file could not be read whole, 130 when interrupted, of which nothing is left
 * @throws UsageError, StorageError, Error of the output
 */
export async function carveCommand(files: string[], flags: CarveFlags): Promise<number> {
  const filter = await readFilter(flags.carve ?? '', flags.resolve === true);
  const output = checked(files, flags, filter);
  const metering = resolveMetering(flags, 0);
  const snapshot = loadSnapshot(flags);
  const target = output === '-' ? null : new AtomicFile(output, files);
  const scratch = new ScratchDatabase();
  let bar = new ReplayProgressBar(files.length);
  const interruption = new Interruption(() => {
    bar.close();
    target?.discard();
    scratch.close();
  }, 'nothing is carved');
  const reading = {
    files,
    netns: flags.netns ?? snapshot?.netns ?? null,
    filter: null,
    snapshot,
    ...metering,
    // The same flows in both readings, also where fragments of many datagrams push each other out of their table.
    seed: randomInt(2 ** 31),
    onProgress: (now: Parameters<ReplayProgressBar['show']>[0]) => bar.show(now),
    signal: interruption.signal,
  };
  try {
    const first = await replay({
      ...reading,
      db: scratch.path,
      commandLine: 'nstap export --carve',
      // As in the second reading: numbers of flows depend on it.
      threads: 1,
      onTrouble: (message) => process.stderr.write(`nstap: warning: ${message}\n`),
    });
    interruption.signal.throwIfAborted();
    const matching = matchesOf(scratch.path, filter);
    scratch.close();
    bar.close();
    bar = new ReplayProgressBar(files.length);
    const totals = await carve(reading, {
      file: target?.path ?? '-',
      wanted: matching.bits,
      hasRoutes: snapshot !== null,
      application: `nstap ${version()}`,
      comment: `packets of flows that match: ${flags.carve ?? ''}`,
    });
    interruption.signal.throwIfAborted();
    checkSame(first, totals);
    interruption.ending(false);
    bar.close();
    warnOf(totals);
    // None could be read: an empty file is no use, and one that was there would be lost for it.
    if (totals.errors.length > 0 && totals.counters.packets === 0) return 1;
    target?.commit();
    report({ counts: totals.carved!, flows: totals.flows, matching: matching.count, totals }, output, flags);
    return totals.errors.length > 0 ? 1 : 0;
  } catch (error) {
    if (!interruption.signal.aborted) throw ofOutput(error, output);
    interruption.ending(true);
    bar.close();
    process.stderr.write(
      `nstap: interrupted: ${target === null ? 'what was written is not whole' : `${output} is as it was before`}\n`,
    );
    return interruption.status ?? 130;
  } finally {
    bar.close();
    target?.discard();
    scratch.close();
    interruption.close();
  }
}

/** Says what cannot be before anything is read. @returns the file to write @throws UsageError */
function checked(files: readonly string[], flags: CarveFlags, filter: FilterNode | null): string {
  const { write } = flags;
  if (write === undefined) throw new UsageError('--carve needs -w FILE, the pcapng file to write');
  if (files.length === 0) throw new UsageError('--carve needs the capture files to take packets from');
  if (write === '-' && process.stdout.isTTY)
    throw new UsageError('pcapng is binary, and stdout is a terminal: name a file with -w');
  if (write === '-' && flags.json)
    throw new UsageError('--json prints a summary, and the packets go to stdout: name a file with -w');
  if (filter !== null && asksForExperiment(filter))
    throw new UsageError('capture files know of no experiments; name the flows by their time or addresses');
  checkReadTwice(files, '--carve');
  return write;
}

/** The error as the user knows the output: what was written has another name, and is not kept. */
function ofOutput(error: unknown, output: string): unknown {
  const { code, cause } = (error ?? {}) as { code?: unknown; cause?: { code?: unknown; message?: string } };
  if (code !== 'SAVEFILE_WRITE') return error;
  // A reader that has seen enough: no failure.
  if (cause?.code === 'EPIPE') return cause;
  const reason = cause?.message?.replace(/, \w+$/, '') ?? 'it cannot be written';
  return new Error(`carve to ${output}: ${reason}; nothing is kept of it`, { cause: error });
}

function asksForExperiment(node: FilterNode): boolean {
  switch (node.kind) {
    case 'and':
    case 'or':
      return node.nodes.some(asksForExperiment);
    case 'not':
      return asksForExperiment(node.node);
    default:
      return node.kind === 'experiment';
  }
}

function matchesOf(path: string, filter: FilterNode | null): MatchingFlows {
  const db = openForReading(path);
  try {
    return matchingFlows(db, { filter, since: null, until: null });
  } finally {
    db.close();
  }
}

/** @throws Error when the files were not the same the second time */
function checkSame(first: ReadTotals, second: ReadTotals): void {
  const isSame =
    first.flows === second.flows &&
    first.counters.packets === second.counters.packets &&
    first.counters.bytes === second.counters.bytes;
  if (!isSame)
    throw new Error(
      `carve: the files were not the same when they were read again (${first.counters.packets} packets in ${first.flows} flows, then ${second.counters.packets} in ${second.flows}); copy what is still being written, and carve the copy`,
    );
}

function report({ counts, flows, matching, totals }: Carved, output: string, flags: CarveFlags): void {
  const { packets } = totals.counters;
  if (flags.json) {
    const summary = {
      file: output,
      packets,
      ...counts,
      flows,
      flows_carved: matching,
      errors: totals.errors,
    };
    process.stdout.write(`${JSON.stringify(summary)}\n`);
    return;
  }
  const count = (n: number): string => n.toLocaleString('en-US');
  const rest = [
    `${count(counts.others)} of other flows`,
    `${count(counts.flowless)} of no flow (ARP and the like)`,
    `${count(counts.undecoded)} undecodable`,
    ...(counts.refused > 0 ? [`${count(counts.refused)} of a time that pcapng cannot have`] : []),
  ];
  process.stderr.write(
    `nstap: ${counted(counts.carved, 'packet')} of ${counted(matching, 'flow')} in ${output === '-' ? 'stdout' : output}\n` +
      `nstap: read ${counted(packets, 'packet')} = ${count(counts.carved)} carved + ${rest.join(' + ')}\n`,
  );
}
