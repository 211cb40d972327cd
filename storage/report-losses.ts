import { COUNTER_COLUMNS } from './counter-columns.ts';
import type { FlowDatabase } from './database.ts';
import { toStorageError } from './errors.ts';
import { type CaptureCounters, zeroCounters } from './messages.ts';
import type { CaptureGap } from './captures.ts';
import { clampNs } from './time.ts';

/** A run that flows of a report come from. */
export interface ReportRun {
  kind: string;
  version: string;
  commandLine: string;
  host: string;
}

/** What the captures behind a report counted, over the whole of their lives: counters are not kept by time. */
export interface ReportLosses {
  captures: number;
  counters: CaptureCounters;
  /** In the time of the report. */
  gaps: CaptureGap[];
  runs: ReportRun[];
}

/**
 * What was lost where flows were captured.
 * @param ids    captures that have flows of the report
 * @param fromNs and toNs: captures that were under way in this time count as well, whether they saw a flow or not
 * @throws StorageError
 */
export function reportLosses(
  db: FlowDatabase,
  ids: readonly number[],
  fromNs: bigint | null,
  toNs: bigint | null,
): ReportLosses {
  const from = clampNs(fromNs ?? -(2n ** 63n));
  const to = clampNs(toNs ?? 2n ** 63n - 1n);
  // As JSON: there may be more than a statement has places for.
  const list = JSON.stringify(ids);
  const those = `SELECT capture_id FROM captures WHERE capture_id IN (SELECT value FROM json_each(?))
                 OR (opened_ns < ? AND coalesce(last_ns, first_ns, opened_ns) >= ?)`;
  const params = [list, to, from];
  try {
    const sums = COUNTER_COLUMNS.map(([key, column]) => `coalesce(sum(${column}), 0) AS ${key}`);
    const { captures, ...counters } = db
      .prepare<unknown[], CaptureCounters & { captures: number }>(
        `SELECT count(*) AS captures, ${sums.join(', ')} FROM captures WHERE capture_id IN (${those})`,
      )
      .get(...params)!;
    const gaps = db
      .prepare<unknown[], CaptureGap>(
        `SELECT netns, interface, from_ns AS fromNs, to_ns AS toNs, reason FROM capture_gaps
         WHERE to_ns >= ? AND coalesce(from_ns, to_ns) < ? ORDER BY to_ns`,
      )
      .safeIntegers()
      .all(from, to);
    const runs = db
      .prepare<unknown[], ReportRun>(
        `SELECT r.kind, r.version, r.command_line AS commandLine, h.name AS host FROM runs r JOIN hosts h USING (host_id)
         WHERE run_id IN (SELECT run_id FROM captures WHERE capture_id IN (${those})) ORDER BY run_id`,
      )
      .all(...params);
    return { captures, counters: { ...zeroCounters(), ...counters }, gaps, runs };
  } catch (error) {
    throw toStorageError('report', db.name, error);
  }
}
