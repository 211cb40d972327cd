import type { FlowDatabase } from './database.ts';
import { toStorageError } from './errors.ts';
import type { SqlValue } from './flow-columns.ts';
import { type FlowSelection, selectedFlows } from './flow-arms.ts';

/** What a selection has of a database. */
export interface MatchingFlows {
  /** A bit for each flow, by its number less 1, the lowest one first. */
  bits: SharedArrayBuffer;
  count: number;
}

/**
 * Notes which flows a selection has: an eighth of an octet a flow of the database, however many.
 * @throws StorageError
 */
export function matchingFlows(db: FlowDatabase, selection: FlowSelection): MatchingFlows {
  try {
    const last = db.prepare<[], number | null>('SELECT max(flow_id) FROM flows').pluck().get() ?? 0;
    const bits = new SharedArrayBuffer(Math.ceil(last / 8));
    const octets = new Uint8Array(bits);
    const { sql, params } = selectedFlows(db, selection, ['flow_id']);
    const ids = db.prepare<SqlValue[], number>(`SELECT f.flow_id FROM ${sql}`).pluck();
    let count = 0;
    for (const id of ids.iterate(...params)) {
      octets[Math.floor((id - 1) / 8)]! |= 1 << ((id - 1) % 8);
      count++;
    }
    return { bits, count };
  } catch (error) {
    throw toStorageError('query', db.name, error);
  }
}
