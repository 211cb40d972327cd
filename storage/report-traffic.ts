import type { FlowDatabase } from './database.ts';
import { toStorageError } from './errors.ts';
import type { SqlValue } from './flow-columns.ts';
import { type FlowSelection, selectedFlows } from './flow-arms.ts';
import { SERIES_SEC } from './series.ts';

/** Equal parts of a span of time. Seconds since the epoch. */
export interface TimeParts {
  fromSec: number;
  stepSec: number;
  count: number;
}

/** Octets and packets of each part, by group. */
export interface Traffic {
  /** One a group. */
  bytes: Float64Array[];
  packets: Float64Array[];
  /** Octets that came from interval counters, and octets of flows that have none, which are spread over their life. */
  countedBytes: number;
  spreadBytes: number;
}

/** What is read of each flow. */
const COLUMNS = [
  'flow_id',
  'proto',
  'dst_port',
  'start_ns',
  'end_ns',
  'packets_fwd',
  'packets_rev',
  'bytes_fwd',
  'bytes_rev',
];

type Row = [
  proto: number,
  port: number | null,
  startSec: number,
  startNsec: number,
  endSec: number,
  endNsec: number,
  bytes: number,
  packets: number,
];

/**
 * Traffic over time. A flow with interval counters (`--timeseries`) has its octets where they were counted, to 10 s; those of
 * another are spread evenly over its life. What lies outside of the parts is not counted.
 * @param groupOf the group of a flow by protocol and responder's port, from 0
 * @throws StorageError
 */
export function trafficOver(
  db: FlowDatabase,
  selection: FlowSelection,
  parts: TimeParts,
  groups: number,
  groupOf: (proto: number, port: number | null) => number,
): Traffic {
  const { sql, params } = selectedFlows(db, selection, COLUMNS);
  const spread = new Spread(parts, groups);
  const take = (statement: string): number => {
    let octets = 0;
    for (const row of db
      .prepare<SqlValue[], Row>(statement)
      .raw()
      .iterate(...params)) {
      const [proto, port, startSec, startNsec, endSec, endNsec, bytes, packets] = row;
      octets += bytes;
      spread.add(groupOf(proto, port), startSec + startNsec / 1e9, endSec + endNsec / 1e9, bytes, packets);
    }
    return octets;
  };
  try {
    const hasSeries = db.prepare('SELECT EXISTS (SELECT 1 FROM flow_series)').pluck().get() === 1;
    const without = hasSeries
      ? ' WHERE NOT EXISTS (SELECT 1 FROM flow_series s WHERE s.flow_id = f.flow_id)'
      : '';
    const spreadBytes = take(
      `SELECT f.proto, f.dst_port, ${time('f.start_ns')}, ${time('f.end_ns')},
              f.bytes_fwd + f.bytes_rev, f.packets_fwd + f.packets_rev
       FROM ${sql}${without}`,
    );
    const end = `min(s.at_ns + ${SERIES_SEC}000000000, f.end_ns)`;
    const countedBytes = hasSeries
      ? take(
          `SELECT f.proto, f.dst_port, ${time('max(s.at_ns, f.start_ns)')}, ${time(end)},
                  s.bytes_fwd + s.bytes_rev, s.packets_fwd + s.packets_rev
           FROM ${sql} JOIN flow_series s ON s.flow_id = f.flow_id`,
        )
      : 0;
    return { ...spread.sums(), countedBytes, spreadBytes };
  } catch (error) {
    throw toStorageError('report', db.name, error);
  }
}

function time(ns: string): string {
  return `${ns} / 1000000000, ${ns} % 1000000000`;
}

/**
 * Adds amounts that are spread over spans of time. A span that covers many parts costs no more than one: what the parts have in
 * full is noted where it begins and where it ends, and added up at last.
 */
class Spread {
  readonly #parts: TimeParts;
  readonly #whole: Float64Array[][];
  readonly #ends: Float64Array[][];

  constructor(parts: TimeParts, groups: number) {
    this.#parts = parts;
    const rows = (): Float64Array[] =>
      Array.from({ length: groups }, () => new Float64Array(parts.count + 1));
    this.#whole = [rows(), rows()];
    this.#ends = [rows(), rows()];
  }

  add(group: number, startSec: number, endSec: number, ...amounts: [bytes: number, packets: number]): void {
    const { fromSec, stepSec, count } = this.#parts;
    const start = (startSec - fromSec) / stepSec;
    const end = Math.max(start, (endSec - fromSec) / stepSec);
    if (end < 0 || start >= count) return;
    const from = Math.max(0, start);
    const to = Math.min(count, end);
    const first = Math.floor(from);
    const last = Math.min(count - 1, Math.floor(to));
    for (const [i, amount] of amounts.entries()) {
      const ends = this.#ends[i]![group]!;
      if (end === start || first === last) {
        ends[first]! += end === start ? amount : (amount * (to - from)) / (end - start);
        continue;
      }
      const whole = this.#whole[i]![group]!;
      const rate = amount / (end - start);
      ends[first]! += rate * (first + 1 - from);
      ends[last]! += rate * (to - last);
      whole[first + 1]! += rate;
      whole[last]! -= rate;
    }
  }

  sums(): { bytes: Float64Array[]; packets: Float64Array[] } {
    const { count } = this.#parts;
    const [bytes, packets] = this.#whole.map((rows, i) =>
      rows.map((whole, group) => {
        let rate = 0;
        return Float64Array.from({ length: count }, (_, k) => {
          rate += whole[k]!;
          return Math.max(0, this.#ends[i]![group]![k]! + rate);
        });
      }),
    ) as [Float64Array[], Float64Array[]];
    return { bytes, packets };
  }
}
