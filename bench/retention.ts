import { mkdtempSync, rmSync, statfsSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { parseFilter } from '../cli/filter/parse.ts';
import { openForReading } from '../storage/database.ts';
import type { FlowBatch } from '../storage/flow-batch.ts';
import type { RetentionNotice } from '../storage/messages.ts';
import { databaseFiles, partitionPath } from '../storage/partition-files.ts';
import { queryFlows } from '../storage/query.ts';
import { queryBy } from '../storage/query-by.ts';
import { Retention } from '../storage/retention.ts';
import { FlowWriter } from '../storage/writer.ts';
import type { WriterChannel } from '../storage/writer-channel.ts';
import { addRecord, batchOf, captureInfo } from '../test/storage/records.ts';
import { median, printTable } from './support.ts';

/** As the daemon's capture thread hands them over. */
const BATCH = 2048;
/** A day of 58 new flows a second. */
const DAY_FLOWS = 5_000_000;
/** Of which that many are really written. */
const SAMPLE_FLOWS = 100_000;
const QUERY_FLOWS = 450_000;
const RATE_FLOWS = 200_000;
const FILES = 9;
const HOSTS = 50_000;

/**
 * Partitions: what they cost the writer and a query, and how long the writer waits while a day is dropped. Writer and retention
 * share one thread, as in the daemon.
 */
export async function run(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'nstap-bench-'));
  try {
    rates(folder);
    await drop(folder);
    queries(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** One writer with one capture, whose flows have new numbers and addresses in each batch. */
class Filler {
  readonly writer: FlowWriter;
  readonly #channel: WriterChannel;
  readonly #batch: FlowBatch = batchOf();
  #seq = 0;
  #seed = 1;

  constructor(path: string, isPartitioned: boolean) {
    this.writer = new FlowWriter(path, { kind: 'daemon', version: '0', commandLine: 'bench' }, isPartitioned);
    this.#channel = this.writer.channel();
    this.#batch = batchOf(...Array.from({ length: BATCH }, () => ({})));
    this.writer.write([[this.#channel, { type: 'capture', info: captureInfo(0) }]]);
  }

  write(flows: number): void {
    for (let left = flows; left > 0; left -= BATCH) this.batch();
  }

  batch(): void {
    this.#batch.count = 0;
    for (let i = 0; i < BATCH; i++) {
      const [src, dst] = [this.#random(HOSTS), this.#random(HOSTS)];
      const sec = 1_700_000_000 + Math.floor(this.#seq / 58);
      addRecord(this.#batch, {
        seq: this.#seq++,
        start: [sec, this.#random(1e9)],
        end: [sec + 5, 0],
        src: [10, 1, src >> 8, src & 255],
        dst: [10, 2, dst >> 8, dst & 255],
        ports: [1024 + this.#random(60_000), 1 + this.#random(500)],
      });
    }
    this.writer.write([[this.#channel, { type: 'batch', batch: this.#batch }]]);
  }

  #random(below: number): number {
    this.#seed = (Math.imul(this.#seed, 1_103_515_245) + 12_345) >>> 0;
    return Math.floor((this.#seed / 2 ** 32) * below);
  }
}

function rates(folder: string): void {
  const rows: string[][] = [];
  for (let round = 1; round <= 3; round++) {
    const cells = [0, 1, FILES].map((files) => {
      const path = join(folder, `rate-${round}-${files}.db`);
      const filler = new Filler(path, files > 0);
      for (let n = 1; n < files; n++) {
        filler.batch();
        filler.writer.partitions!.begin();
      }
      const before = process.cpuUsage();
      filler.write(RATE_FLOWS);
      const { user, system } = process.cpuUsage(before);
      filler.writer.close();
      for (const file of databaseFiles(path)) rmSync(file, { force: true });
      return ((user + system) / RATE_FLOWS).toFixed(1);
    });
    rows.push([`round ${round}`, ...cells]);
  }
  printTable([`us CPU a flow written, ${RATE_FLOWS}`, 'one file', 'a partition', 'the ninth'], rows);
}

/**
 * Makes the flows of the first partition so many times as many, with other ids, times and addresses: without its indexes at first,
 * which is many times faster than writing them one by one, and gives the same file.
 */
function multiply({ db }: FlowWriter, times: number): void {
  const names = db.prepare("SELECT name FROM pragma_table_info('flows', 'p1')").pluck().all() as string[];
  const values: Record<string, string> = {
    flow_id: `flow_id + :n * ${SAMPLE_FLOWS * 2}`,
    start_ns: 'start_ns + :n * 1700000000000',
    end_ns: 'end_ns + :n * 1700000000000',
    src: "CAST(x'0a01' || randomblob(2) AS BLOB)",
    dst: "CAST(x'0a02' || randomblob(2) AS BLOB)",
  };
  const indexes = db
    .prepare("SELECT name, sql FROM p1.sqlite_schema WHERE type = 'index' AND sql IS NOT NULL")
    .all() as { name: string; sql: string }[];
  for (const { name } of indexes) db.exec(`DROP INDEX p1.${name}`);
  const copy = db.prepare(
    `INSERT INTO p1.flows (${names.join(', ')}) SELECT ${names.map((name) => values[name] ?? name).join(', ')}
     FROM p1.flows WHERE flow_id < ${SAMPLE_FLOWS * 2}`,
  );
  for (let n = 1; n < times; n++) copy.run({ n });
  for (const { sql } of indexes) db.exec(sql.replace('CREATE INDEX ', 'CREATE INDEX p1.'));
  db.prepare('UPDATE partitions SET flows = flows * ? WHERE number = 1').run(times);
  db.prepare("UPDATE meta SET value = ? WHERE name = 'next_flow_id'").run(SAMPLE_FLOWS * 2 * times);
}

async function drop(folder: string): Promise<void> {
  const path = join(folder, 'drop.db');
  const filler = new Filler(path, true);
  filler.write(SAMPLE_FLOWS);
  multiply(filler.writer, DAY_FLOWS / SAMPLE_FLOWS);
  const file = partitionPath(path, 1);
  const octets = statSync(file).size;
  const beginMs = timed(() => filler.writer.partitions!.begin());
  const quiet = await gaps(filler, 400);
  const freeBefore = freeOctets(folder);
  const notices: RetentionNotice[] = [];
  // All flows are of 2023; nothing is begun within an hour, so this is the drop alone.
  const retention = new Retention(filler.writer, { ageSec: 1, size: null, free: null }, (notice) =>
    notices.push(notice),
  );
  let isOver = false;
  const started = performance.now();
  let droppedMs = 0;
  const dropping = retention.check().then(() => {
    droppedMs = performance.now() - started;
    isOver = true;
  });
  // The check itself ran until its first wait by now.
  const firstMs = performance.now() - started;
  const during = await gaps(filler, 400, () => isOver);
  await dropping;
  const after = freeOctets(folder);
  filler.writer.close();
  printTable(
    ['dropping a partition', ''],
    [
      ['flows in it', String(notices[0]?.flows)],
      ['its file, MiB', mib(octets)],
      ['beginning the next one, ms', beginMs.toFixed(1)],
      ['writer waits for the drop, ms', firstMs.toFixed(1)],
      ['until the file is gone and forgotten, ms', droppedMs.toFixed(0)],
      ['longest commit of 2048 flows while nothing is dropped, ms', Math.max(...quiet).toFixed(1)],
      ['median, ms', median(quiet).toFixed(1)],
      ['longest commit while it is dropped, ms', Math.max(...during).toFixed(1)],
      ['median, ms', median(during).toFixed(1)],
      ['file system has more free, MiB', mib(after - freeBefore)],
    ],
  );
}

/** Milliseconds from one commit to the next. */
async function gaps(filler: Filler, batches: number, isOver = (): boolean => false): Promise<number[]> {
  const found: number[] = [];
  let last = performance.now();
  for (let n = 0; n < batches && !(isOver() && n > 20); n++) {
    filler.batch();
    await setImmediate();
    const now = performance.now();
    found.push(now - last);
    last = now;
  }
  return found;
}

function queries(folder: string): void {
  const paths = [join(folder, 'one.db'), join(folder, 'nine.db')];
  for (const [i, path] of paths.entries()) {
    const filler = new Filler(path, i === 1);
    for (let part = 0; part < FILES; part++) {
      if (part > 0) filler.writer.partitions?.begin();
      filler.write(QUERY_FLOWS / FILES);
    }
    filler.writer.close();
  }
  const page = { since: null, until: null, descending: true, offset: 0 };
  const newest = { ...page, sort: 'start', limit: 50 };
  const asked: [string, (db: ReturnType<typeof openForReading>) => unknown][] = [
    ['newest 50', (db) => [...queryFlows(db, { ...newest, filter: null })]],
    ['newest 50 of a host', (db) => [...queryFlows(db, { ...newest, filter: parseFilter('host 10.1.7.7') })]],
    [
      'newest 50 of a /24',
      (db) => [...queryFlows(db, { ...newest, filter: parseFilter('net 10.1.7.0/24') })],
    ],
    ['50 with most bytes', (db) => [...queryFlows(db, { ...newest, filter: null, sort: 'bytes' })]],
    [
      'all of ten minutes',
      (db) => {
        const since = 1_700_003_600n * 1_000_000_000n;
        const until = since + 600n * 1_000_000_000n;
        return [...queryFlows(db, { ...newest, filter: null, since, until, limit: null })];
      },
    ],
    [
      '--by dst_port',
      (db) => [...queryBy(db, { ...page, filter: null, by: ['dst_port'], sort: 'bytes', limit: 10 })],
    ],
    [
      '--by host',
      (db) => [...queryBy(db, { ...page, filter: null, by: ['host'], sort: 'bytes', limit: 10 })],
    ],
    [
      '--by src of a port',
      (db) => [
        ...queryBy(db, {
          ...page,
          filter: parseFilter('dst port 53'),
          by: ['src'],
          sort: 'bytes',
          limit: 10,
        }),
      ],
    ],
  ];
  const rows = asked.map(([name, ask]) => [name, ...paths.map((path) => askedMs(path, ask).toFixed(1))]);
  const opened = paths.map((path) => askedMs(path, () => null).toFixed(1));
  printTable(
    [`ms with opening, ${QUERY_FLOWS} flows`, 'one file', `${FILES} partitions`],
    [['opening alone', ...opened], ...rows],
  );
}

/** Median of five, each with a connection of its own. */
function askedMs(path: string, ask: (db: ReturnType<typeof openForReading>) => unknown): number {
  const times = Array.from({ length: 5 }, () =>
    timed(() => {
      const db = openForReading(path);
      ask(db);
      db.close();
    }),
  );
  return median(times);
}

function timed(work: () => void): number {
  const before = performance.now();
  work();
  return performance.now() - before;
}

function freeOctets(folder: string): number {
  const { bavail, bsize } = statfsSync(folder);
  return bavail * bsize;
}

function mib(octets: number): string {
  return (octets / 2 ** 20).toFixed(0);
}
