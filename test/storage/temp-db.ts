import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { type FlowDatabase, openForReading } from '../../storage/database.ts';
import { type FlowQuery, type FlowRow, queryFlows } from '../../storage/query.ts';

/** A folder that goes when the test ends. */
export function tempFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'nstap-test-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Path of a database that does not exist yet, in a folder that goes when the test ends. */
export function tempDb(): string {
  return join(tempFolder(), 'flows.db');
}

/** A query for everything, oldest first. */
export const EVERYTHING: FlowQuery = {
  filter: null,
  since: null,
  until: null,
  sort: 'flow_id',
  descending: false,
  limit: null,
  offset: 0,
};

/** All flows of a database. */
export function readFlows(path: string, query: Partial<FlowQuery> = {}): FlowRow[] {
  return withDb(path, (db) => [...queryFlows(db, { ...EVERYTHING, ...query })]);
}

/** Opens a database for reading, and closes it. */
export function withDb<T>(path: string, work: (db: FlowDatabase) => T): T {
  const db = openForReading(path);
  try {
    return work(db);
  } finally {
    db.close();
  }
}
