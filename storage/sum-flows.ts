import type { FlowDatabase } from './database.ts';
import { toStorageError } from './errors.ts';
import type { SqlValue } from './flow-columns.ts';
import { type FlowSelection, selectedFlows } from './flow-arms.ts';
import { holdSnapshot } from './partition-views.ts';
import type { GroupRow } from './query-by.ts';
import { toNs } from './time.ts';

/** What flows add up to. */
export type FlowSums = Omit<GroupRow, 'keys'>;

const COLUMNS = ['packets_fwd', 'packets_rev', 'bytes_fwd', 'bytes_rev', 'start_ns', 'end_ns'];

/** Adds up all flows of a selection, each once; null when there are none. @throws StorageError */
export function sumFlows(db: FlowDatabase, selection: FlowSelection): FlowSums | null {
  const release = holdSnapshot(db);
  try {
    const { sql, params } = selectedFlows(db, selection, COLUMNS);
    const row = db
      .prepare<SqlValue[], number[]>(
        `SELECT count(*), sum(f.packets_fwd), sum(f.packets_rev), sum(f.bytes_fwd), sum(f.bytes_rev),
                min(f.start_ns) / 1000000000, min(f.start_ns) % 1000000000,
                max(f.end_ns) / 1000000000, max(f.end_ns) % 1000000000 FROM ${sql}`,
      )
      .raw()
      .get(...params)!;
    const [flows, packetsFwd, packetsRev, bytesFwd, bytesRev, startSec, startNsec, endSec, endNsec] = row as [
      number,
      ...[number, number, number, number, number, number, number, number],
    ];
    if (flows === 0) return null;
    return {
      flows,
      packets: packetsFwd + packetsRev,
      bytes: bytesFwd + bytesRev,
      packetsFwd,
      packetsRev,
      bytesFwd,
      bytesRev,
      startNs: toNs(startSec, startNsec),
      endNs: toNs(endSec, endNsec),
    };
  } catch (error) {
    throw toStorageError('query', db.name, error);
  } finally {
    release();
  }
}

/** Both together; null is nothing. */
export function addSums(a: FlowSums | null, b: FlowSums): FlowSums {
  if (a === null) return { ...b };
  const sums = {
    flows: a.flows + b.flows,
    packets: a.packets + b.packets,
    bytes: a.bytes + b.bytes,
    packetsFwd: a.packetsFwd + b.packetsFwd,
    packetsRev: a.packetsRev + b.packetsRev,
    bytesFwd: a.bytesFwd + b.bytesFwd,
    bytesRev: a.bytesRev + b.bytesRev,
    startNs: a.startNs,
    endNs: a.endNs,
  };
  if (b.startNs < sums.startNs) sums.startNs = b.startNs;
  if (b.endNs > sums.endNs) sums.endNs = b.endNs;
  return sums;
}
