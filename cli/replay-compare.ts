import { setImmediate as turn } from 'node:timers/promises';
import type { ReplayTotals } from '../daemon/replay.ts';
import type { RouteSnapshot } from '../daemon/routes/snapshot.ts';
import { type FlowPair, pairRuns, RunsDifferError } from '../storage/compare-runs.ts';
import { type FlowDatabase, openForReading } from '../storage/database.ts';
import { UsageError } from './errors.ts';
import {
  CHANGE_COLUMNS,
  type ChangedDirection,
  changedDirections,
  changeJson,
  sizeOf,
  verdictChange,
} from './format/change.ts';
import { formatColumns } from './format/columns.ts';
import { counted } from './format/count.ts';
import { stdoutColors, terminalWidth } from './output.ts';
import { checkReadTwice } from './scratch-database.ts';

/** The table shows so many directions, those with most octets. */
const TABLE_LIMIT = 50;
const FLOWS_A_TURN = 10_000;

/**
 * Says what cannot be compared before anything is read.
 * @param snapshot what there is to compare with
 * @throws UsageError without one, and for files that can be read once only
 */
export function checkComparable(files: readonly string[], snapshot: RouteSnapshot | null): void {
  if (snapshot === null) throw new UsageError('--compare needs --snapshot or --routes, to compare with');
  checkReadTwice(files, '--compare');
}

/** What differs, added up. Packets and frame octets are those of the directions that go another way. */
interface CompareTotals {
  flows: number;
  differ: number;
  packets: number;
  bytes: number;
}

/** Two replays of the same files, to be compared. Close it: it holds both databases open. */
export class ReplayComparison {
  readonly totals: CompareTotals = { flows: 0, differ: 0, packets: 0, bytes: 0 };
  readonly #runs: { db: FlowDatabase; runId: number }[] = [];
  readonly #largest: ChangedDirection[] = [];
  #changed = 0;
  readonly #verdicts = new Map<string, CompareTotals>();

  /**
   * @param dbs paths of the databases: with the first snapshot, and with the second
   * @throws RunsDifferError when the two did not count the same; StorageError
   */
  constructor(dbs: readonly [string, string], replays: readonly [ReplayTotals, ReplayTotals]) {
    const [first, second] = replays.map(({ counters }) => counters);
    for (const name of Object.keys(first!) as (keyof typeof first)[])
      if (first![name] !== second![name])
        throw new RunsDifferError(`${name}: ${first![name]} and ${second![name]}`);
    try {
      for (const [i, path] of dbs.entries())
        this.#runs.push({ db: openForReading(path), runId: replays[i]!.runId });
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /**
   * Reads both runs and adds up.
   * @param signal aborted, it stops
   * @throws RunsDifferError, StorageError
   */
  async read(signal: AbortSignal): Promise<void> {
    for (const pair of this.#pairs()) {
      this.#count(pair);
      if (this.totals.flows % FLOWS_A_TURN !== 0) continue;
      await turn(); // so that Ctrl-C is heard
      if (signal.aborted) return;
    }
  }

  #pairs(): Iterable<FlowPair> {
    return pairRuns(this.#runs[0]!, this.#runs[1]!);
  }

  #count(pair: FlowPair): void {
    this.totals.flows++;
    const changes = changedDirections(pair);
    if (changes.length > 0) this.totals.differ++;
    const seen = new Set<string>();
    for (const change of changes) {
      const { packets, bytes } = sizeOf(change);
      const verdict = verdictChange(change);
      let sum = this.#verdicts.get(verdict);
      if (sum === undefined) {
        sum = { flows: 0, differ: 0, packets: 0, bytes: 0 };
        this.#verdicts.set(verdict, sum);
      }
      if (!seen.has(verdict)) sum.differ++;
      seen.add(verdict);
      for (const total of [this.totals, sum]) {
        total.packets += packets;
        total.bytes += bytes;
      }
      this.#changed++;
      this.#largest.push(change);
    }
    // Sorted once in a while: a table of some rows does not need all of a million flows in memory.
    if (this.#largest.length > TABLE_LIMIT * 20) this.#cut();
  }

  #cut(): void {
    this.#largest.sort((a, b) => sizeOf(b).bytes - sizeOf(a).bytes);
    this.#largest.length = Math.min(this.#largest.length, TABLE_LIMIT);
  }

  /** The value of `compare` in JSON, in pieces: the changes may be as many as the flows. */
  *json(before: string, after: string): Iterable<string> {
    yield `${JSON.stringify({ before, after, ...this.totals }).slice(0, -1)},"changes":[`;
    let separator = '';
    for (const pair of this.#pairs()) {
      if (!pair.fwd && !pair.rev) continue;
      yield `${separator}${JSON.stringify(changeJson(pair))}`;
      separator = ',';
    }
    yield ']}';
  }

  /** For people: the changes with most octets in a table, and what they add up to. */
  text(): string {
    const { flows, differ, packets, bytes } = this.totals;
    if (differ === 0) return `no flow's decision differs (${counted(flows, 'flow')})\n`;
    this.#cut();
    const lines = [formatColumns(CHANGE_COLUMNS, this.#largest, terminalWidth(), stdoutColors().bold)];
    const more = this.#changed - this.#largest.length;
    if (more > 0) lines.push(`… and ${more.toLocaleString('en-US')} more; --json lists all\n`);
    const size = (sum: { packets: number; bytes: number }): string =>
      `${counted(sum.packets, 'packet')}, ${counted(sum.bytes, 'byte')}`;
    lines.push(
      `\n${differ.toLocaleString('en-US')} of ${counted(flows, 'flow')} ${differ === 1 ? 'differs' : 'differ'}: ${size({ packets, bytes })}\n`,
    );
    for (const [verdict, sum] of [...this.#verdicts].sort(([, a], [, b]) => b.bytes - a.bytes))
      lines.push(`  ${verdict}: ${counted(sum.differ, 'flow')}, ${size(sum)}\n`);
    return lines.join('');
  }

  /** Idempotent. */
  close(): void {
    for (const { db } of this.#runs) db.close();
  }
}
