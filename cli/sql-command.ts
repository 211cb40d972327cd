import { writeSync } from 'node:fs';
import { text } from 'node:stream/consumers';
import { Worker } from 'node:worker_threads';
import { exitNow } from '../daemon/kernel/exit.ts';
import { parseDuration } from '../daemon/options/units.ts';
import { sibling } from '../daemon/sibling.ts';
import { nowNs } from '../storage/time.ts';
import { defaultDb } from './default-db.ts';
import { ExitStatus, UsageError } from './errors.ts';
import { stdoutColors, terminalWidth, writeLines } from './output.ts';
import { pageLines } from './pager.ts';
import type { RowFormat } from './row-formats.ts';
import type { SqlReply, SqlThreadData } from './sql/messages.ts';
import { csvText, jsonText, ndjsonText, tableText, uniqueNames } from './sql/rows.ts';
import type { Cell } from './sql/messages.ts';
import { schemaJson, schemaText } from './sql/schema-text.ts';

/** Flags of `nstap sql` as they were given. */
export interface SqlFlags {
  db?: string;
  format?: RowFormat;
  json?: boolean;
  schema?: boolean;
  timeout?: string;
}

/** Rows that a table may have: its columns are as wide as their widest cell, so all are kept until the last one is there. */
const TABLE_MAX = 100_000;

/**
 * Asks the database in SQL and prints the rows. The thread that asks is in SQLite until there is a row: this one stays free for
 * Ctrl-C and the time limit, which end the process at once.
 * @param statement "-": from stdin; undefined only with --schema: all views
 * @throws UsageError for a mistake in the statement, Error for a failure while it runs
 */
export async function sqlCommand(statement: string | undefined, flags: SqlFlags): Promise<void> {
  const format = flags.json ? 'json' : (flags.format ?? (process.stdout.isTTY ? 'table' : 'csv'));
  if (flags.schema) {
    const isTable = flags.format === undefined || flags.format === 'table';
    await pageLines(
      format === 'json' || !isTable ? [schemaJson(statement)] : schemaText(statement, stdoutColors().bold),
    );
    return;
  }
  if (statement === undefined)
    throw new UsageError(
      'a statement is needed, such as "SELECT src, bytes_fwd FROM flows LIMIT 5"; --schema lists what there is',
    );
  const timeoutMs = flags.timeout === undefined ? null : readTimeout(flags.timeout);
  const sql = statement === '-' ? await text(process.stdin) : statement;
  const data: SqlThreadData = { path: flags.db ?? defaultDb(), sql, now: nowNs() };
  const worker = new Worker(sibling('./sql/session-thread', import.meta.url), { workerData: data });
  // Neither this thread's end nor terminate() reaches a thread that is in SQLite.
  const interrupt = (): never => exitNow(ExitStatus.Interrupted);
  const timer = timeoutMs === null ? null : setTimeout(() => outOfTime(flags.timeout!), timeoutMs);
  process.on('SIGINT', interrupt);
  try {
    const rows = new RowStream(worker);
    const names = uniqueNames(await rows.names());
    if (format === 'table') {
      const all: Cell[][] = [];
      for await (const batch of rows.batches()) {
        all.push(...batch);
        if (all.length > TABLE_MAX)
          throw new Error(
            `a table of more than ${TABLE_MAX} rows: add LIMIT, or take --format csv or ndjson`,
          );
      }
      await pageLines(tableText(names, all, terminalWidth(), stdoutColors().bold));
      return;
    }
    const write = { csv: csvText, ndjson: ndjsonText, json: jsonText }[format](names);
    await writeLines(write.head);
    for await (const batch of rows.batches()) await writeLines(batch.map(write.row));
    await writeLines(write.foot());
  } finally {
    if (timer !== null) clearTimeout(timer);
    await worker.terminate();
    process.removeListener('SIGINT', interrupt);
  }
}

function readTimeout(text: string): number {
  const ns = parseDuration(text);
  if (ns === null || ns === 0n || ns > 86_400_000_000_000n)
    throw new UsageError(`cannot read the time limit "${text}": expected 500ms, 30s, 5m, at most 1d`);
  return Math.max(1, Number(ns / 1_000_000n));
}

function outOfTime(limit: string): never {
  writeSync(
    2,
    `nstap: sql: not done after ${limit}; \`nstap sql --help\` says what is answered from an index\n`,
  );
  exitNow(ExitStatus.Failed);
}

/** What the thread sends. */
class RowStream {
  readonly #worker: Worker;
  readonly #queue: SqlReply[] = [];
  #failure: Error | null = null;
  #wake: (() => void) | null = null;

  constructor(worker: Worker) {
    this.#worker = worker;
    worker.on('message', (message: SqlReply) => {
      this.#queue.push(message);
      this.#wake?.();
    });
    worker.on('error', (error: Error) => {
      this.#failure = error;
      this.#wake?.();
    });
  }

  /** Names of the columns. @throws UsageError, Error */
  async names(): Promise<string[]> {
    const message = await this.#next();
    if (message.type !== 'columns') throw new Error(`sql: ${message.type} before the columns`);
    return message.names;
  }

  /** The rows in pieces; the next one is asked for when the last one is done with. */
  async *batches(): AsyncGenerator<Cell[][]> {
    for (;;) {
      const message = await this.#next();
      if (message.type !== 'rows') return;
      yield message.rows;
      this.#worker.postMessage(null);
    }
  }

  async #next(): Promise<SqlReply> {
    while (this.#queue.length === 0) {
      if (this.#failure !== null) throw this.#failure;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    const message = this.#queue.shift()!;
    if (message.type !== 'error') return message;
    throw message.isMistake ? new UsageError(message.message) : new Error(message.message);
  }
}
