import { once } from 'node:events';
import { parentPort, workerData } from 'node:worker_threads';
import type { FlowDatabase } from '../../storage/database.ts';
import { holdSnapshot } from '../../storage/partition-views.ts';
import type { Cell, SqlReply, SqlThreadData } from './messages.ts';
import { explainMistake, refusal } from './mistake.ts';
import { openSqlSession } from './session.ts';

/** Rows are handed over so many at a time, fewer when they are long. */
const ROWS = 500;
const CELLS = 20_000;

function reply(message: SqlReply): void {
  parentPort!.postMessage(message);
}

async function main({ path, sql, now }: SqlThreadData): Promise<void> {
  const refused = refusal(sql);
  if (refused !== null) return reply({ type: 'error', message: refused, isMistake: true });
  const db = openSqlSession(path, now);
  try {
    await ask(db, sql);
  } finally {
    db.close();
  }
}

async function ask(db: FlowDatabase, sql: string): Promise<void> {
  const release = holdSnapshot(db);
  try {
    const statement = prepare(db, sql);
    if (typeof statement === 'string') return reply({ type: 'error', message: statement, isMistake: true });
    const names = statement.columns().map(({ name }) => name);
    const atOnce = Math.max(1, Math.min(ROWS, Math.floor(CELLS / names.length)));
    let rows: Cell[][] = [];
    let isBegun = false;
    // A statement that fails at its first row has printed nothing.
    const begin = (): void => {
      if (!isBegun) reply({ type: 'columns', names });
      isBegun = true;
    };
    for (const row of statement.iterate()) {
      rows.push(row);
      if (rows.length < atOnce) continue;
      begin();
      reply({ type: 'rows', rows });
      rows = [];
      await once(parentPort!, 'message');
    }
    begin();
    reply({ type: 'rows', rows });
    reply({ type: 'end' });
  } finally {
    release();
  }
}

/** @returns the statement, or what is wrong with it */
function prepare(db: FlowDatabase, sql: string) {
  try {
    const statement = db.prepare<[], Cell[]>(sql);
    if (!statement.reader || !statement.readonly) return 'SQL: only statements that read are possible here';
    return statement.raw().safeIntegers();
  } catch (error) {
    if (error instanceof RangeError) return 'SQL: one statement at a time';
    return explainMistake(db, sql, (error as Error).message);
  }
}

try {
  await main(workerData as SqlThreadData);
} catch (error) {
  reply({ type: 'error', message: `sql: ${(error as Error).message}`, isMistake: false });
}
parentPort!.close();
