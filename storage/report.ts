import type { FlowDatabase } from './database.ts';
import { toStorageError } from './errors.ts';
import type { SqlValue } from './flow-columns.ts';
import { type FlowSelection, selectedFlows } from './flow-arms.ts';
import { toNs } from './time.ts';

/** What the flows of a selection add up to. Octets are those of frames. */
export interface ReportTotals {
  flows: number;
  packetsFwd: number;
  packetsRev: number;
  bytesFwd: number;
  bytesRev: number;
  /** Of TCP flows alone. */
  tcpFlows: number;
  tcpPackets: number;
  retransmits: number;
  retransmitFlows: number;
  outOfOrder: number;
  zeroWindows: number;
  /** Nanoseconds since the epoch; null where there are no flows. */
  firstNs: bigint | null;
  lastNs: bigint | null;
}

/** What went by one route. */
export interface RouteShare {
  verdict: string | null;
  type: string;
  table: string | null;
  prefix: string | null;
  gateway: string | null;
  dev: string | null;
  reason: string | null;
  /** Directions of flows: a flow with packets both ways counts for the decision of each. */
  directions: number;
  packets: number;
  bytes: number;
}

/** Columns that the totals are made of. */
const TOTALS_OF = [
  'proto',
  'packets_fwd',
  'packets_rev',
  'bytes_fwd',
  'bytes_rev',
  'retransmits_fwd',
  'retransmits_rev',
  'out_of_order_fwd',
  'out_of_order_rev',
  'zero_windows_fwd',
  'zero_windows_rev',
  'start_ns',
  'end_ns',
];
const ROUTES_OF = ['route_fwd', 'route_rev', 'packets_fwd', 'packets_rev', 'bytes_fwd', 'bytes_rev'];

/** Adds up a selection. @throws StorageError */
export function reportTotals(db: FlowDatabase, selection: FlowSelection): ReportTotals {
  const { sql, params } = selectedFlows(db, selection, TOTALS_OF);
  const columns = [
    'count(*)',
    'sum(f.packets_fwd)',
    'sum(f.packets_rev)',
    'sum(f.bytes_fwd)',
    'sum(f.bytes_rev)',
    'sum(f.proto = 6)',
    'sum(iif(f.proto = 6, f.packets_fwd + f.packets_rev, 0))',
    'sum(f.retransmits_fwd + f.retransmits_rev)',
    'sum(f.retransmits_fwd + f.retransmits_rev > 0)',
    'sum(f.out_of_order_fwd + f.out_of_order_rev)',
    'sum(f.zero_windows_fwd + f.zero_windows_rev)',
    'min(f.start_ns) / 1000000000',
    'min(f.start_ns) % 1000000000',
    'max(f.end_ns) / 1000000000',
    'max(f.end_ns) % 1000000000',
  ];
  return asked(db, () => {
    const row = db
      .prepare<SqlValue[], (number | null)[]>(`SELECT ${columns.join(', ')} FROM ${sql}`)
      .raw()
      .get(...params)!;
    const [flows, packetsFwd, packetsRev, bytesFwd, bytesRev, ...rest] = row.map((value) => value ?? 0);
    const [tcpFlows, tcpPackets, retransmits, retransmitFlows, outOfOrder, zeroWindows, ...times] = rest;
    const hasFlows = row[0] !== 0;
    return {
      flows: flows!,
      packetsFwd: packetsFwd!,
      packetsRev: packetsRev!,
      bytesFwd: bytesFwd!,
      bytesRev: bytesRev!,
      tcpFlows: tcpFlows!,
      tcpPackets: tcpPackets!,
      retransmits: retransmits!,
      retransmitFlows: retransmitFlows!,
      outOfOrder: outOfOrder!,
      zeroWindows: zeroWindows!,
      firstNs: hasFlows ? toNs(times[0]!, times[1]!) : null,
      lastNs: hasFlows ? toNs(times[2]!, times[3]!) : null,
    };
  });
}

/**
 * What went by each route, drops first, then by octets; both directions of flows. Decisions that differ in nothing that is
 * shown are one.
 * @throws StorageError
 */
export function routeShares(db: FlowDatabase, selection: FlowSelection): RouteShare[] {
  const { sql, params } = selectedFlows(db, selection, ROUTES_OF);
  const side = (way: 'fwd' | 'rev'): string =>
    `SELECT f.route_${way} AS decision_id, count(*) AS directions, sum(f.packets_${way}) AS packets,
            sum(f.bytes_${way}) AS bytes
     FROM ${sql} WHERE f.route_${way} IS NOT NULL GROUP BY f.route_${way}`;
  return asked(db, () =>
    db
      .prepare<SqlValue[], RouteShare>(
        `SELECT d.verdict, d.type, d.table_name AS "table", d.prefix, d.gateway, d.dev, d.reason,
                sum(s.directions) AS directions, sum(s.packets) AS packets, sum(s.bytes) AS bytes
         FROM (${side('fwd')} UNION ALL ${side('rev')}) s JOIN route_decisions d USING (decision_id)
         GROUP BY d.verdict, d.type, d.table_name, d.prefix, d.gateway, d.dev, d.reason
         ORDER BY d.verdict IS 'drop' DESC, bytes DESC`,
      )
      .all(...params, ...params),
  );
}

/** Numbers of the captures that flows of a selection come from. @throws StorageError */
export function captureIds(db: FlowDatabase, selection: FlowSelection): number[] {
  const { sql, params } = selectedFlows(db, selection, ['capture_id']);
  return asked(db, () =>
    db
      .prepare<SqlValue[], number>(`SELECT DISTINCT f.capture_id FROM ${sql}`)
      .pluck()
      .all(...params),
  );
}

/** Bins a decade: two neighbours are 1.2 % apart. */
const BINS_A_DECADE = 200;
/** 1 ns to 1,000 s. */
const DECADES = 12;

/** Round-trip times, by their size: what quantiles need, in the memory of some thousand numbers. */
export class RttHistogram {
  readonly #bins = new Float64Array(BINS_A_DECADE * DECADES);
  count = 0;

  add(ns: number): void {
    const bin = Math.round(Math.log10(Math.max(1, ns)) * BINS_A_DECADE);
    this.#bins[Math.min(bin, this.#bins.length - 1)]!++;
    this.count++;
  }

  /** The time in nanoseconds below which a share of them is, to 1 %; null when there are none. */
  quantile(share: number): number | null {
    if (this.count === 0) return null;
    const rank = Math.max(1, Math.ceil(share * this.count));
    let sum = 0;
    for (const [bin, n] of this.#bins.entries()) {
      sum += n;
      if (sum >= rank) return 10 ** (bin / BINS_A_DECADE);
    }
    return null;
  }

  /** How many there are in each part of a decade. @param parts of a decade @returns from the first part that has any to the last */
  parts(parts: number): { fromNs: number; toNs: number; count: number }[] {
    const width = BINS_A_DECADE / parts;
    const counts = Array.from({ length: DECADES * parts }, (_, i) =>
      this.#bins.subarray(i * width, (i + 1) * width).reduce((sum, n) => sum + n, 0),
    );
    const first = counts.findIndex((n) => n > 0);
    const last = counts.findLastIndex((n) => n > 0);
    return counts.slice(Math.max(0, first), last + 1).map((count, i) => ({
      fromNs: 10 ** ((first + i) / parts),
      toNs: 10 ** ((first + i + 1) / parts),
      count,
    }));
  }
}

/** Round-trip times of the TCP handshakes of a selection. @throws StorageError */
export function rttHistogram(db: FlowDatabase, selection: FlowSelection): RttHistogram {
  const { sql, params } = selectedFlows(db, selection, ['rtt_ns']);
  return asked(db, () => {
    const histogram = new RttHistogram();
    const rows = db
      .prepare<SqlValue[], number>(`SELECT f.rtt_ns FROM ${sql} WHERE f.rtt_ns IS NOT NULL`)
      .pluck();
    for (const ns of rows.iterate(...params)) histogram.add(ns);
    return histogram;
  });
}

function asked<T>(db: FlowDatabase, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw toStorageError('report', db.name, error);
  }
}
