import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type FlowDatabase, openForReading } from '../storage/database.ts';
import { experimentReader } from '../storage/experiment-flows.ts';
import { sumExperiments } from '../storage/experiment-sums.ts';
import { changeExperiment, readExperiments } from '../storage/experiments.ts';
import { queryFlows } from '../storage/query.ts';
import { FlowWriter } from '../storage/writer.ts';
import { addRecord, batchOf, captureInfo } from '../test/storage/records.ts';
import { median, printTable } from './support.ts';

const BATCH = 2048;
/** A day of six new flows a second, each 20 s long. */
const FLOWS = 512 * 1024;
const PER_SEC = 6;
const BEGIN_SEC = 1_700_000_000;
const DAY_SEC = Math.floor(FLOWS / PER_SEC);
const ROUNDS = 7;

/** Experiments: what it costs to find their flows by time, by where in a day they were, and to name those of every flow. */
export async function run(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'nstap-bench-'));
  try {
    const path = join(folder, 'flows.db');
    fill(path);
    const db = openForReading(path);
    try {
      measure(db);
    } finally {
      db.close();
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function fill(path: string): void {
  const writer = new FlowWriter(path, { kind: 'daemon', version: '0', commandLine: 'bench' }, true);
  const channel = writer.channel();
  writer.write([[channel, { type: 'capture', info: captureInfo(0) }]]);
  const batch = batchOf(...Array.from({ length: BATCH }, () => ({})));
  for (let seq = 0; seq < FLOWS; ) {
    batch.count = 0;
    for (let i = 0; i < BATCH; i++, seq++) {
      const sec = BEGIN_SEC + Math.floor(seq / PER_SEC);
      addRecord(batch, { seq, start: [sec, 0], end: [sec + 20, 0], ports: [1024 + (seq % 60_000), 80] });
    }
    writer.write([[channel, { type: 'batch', batch }]]);
    if (seq === FLOWS / 2) writer.partitions?.begin();
  }
  const at = (sec: number): bigint => BigInt(BEGIN_SEC + sec) * 1_000_000_000n;
  const mark = (name: string, from: number, to: number): void => {
    changeExperiment(writer.db, { type: 'start', name, netns: null }, at(from));
    changeExperiment(writer.db, { type: 'stop', name, id: null }, at(to));
  };
  mark('first minute', 0, 60);
  const noon = Math.floor(DAY_SEC / 2);
  mark('minute at noon', noon, noon + 60);
  mark('last minute', DAY_SEC - 60, DAY_SEC);
  for (let i = 0; i < 1000; i++) mark('many', i * 80, i * 80 + 40);
  writer.close();
}

function measure(db: FlowDatabase): void {
  const rows: string[][] = [];
  const time = (what: string, work: () => number): void => {
    let flows = 0;
    const ms = Array.from({ length: ROUNDS }, () => {
      const begin = performance.now();
      flows = work();
      return performance.now() - begin;
    });
    rows.push([what, String(flows), median(ms).toFixed(1)]);
  };
  const newest = (name: string): number => {
    const filter = { kind: 'experiment' as const, names: [name] };
    const page = { sort: 'start', descending: true, limit: 50, offset: 0, since: null, until: null };
    return [...queryFlows(db, { ...page, filter })].length;
  };
  const all = readExperiments(db);
  for (const name of ['first minute', 'minute at noon', 'last minute']) {
    const own = all.filter((each) => each.name === name);
    time(`sum of the ${name}`, () => sumExperiments(db, own)[0]!.flows);
    time(`newest 50 of the ${name}`, () => newest(name));
  }
  time('newest 50 of 1,000 experiments of one name', () => newest('many'));
  const experimentsOf = experimentReader(db);
  time('name the experiments of each flow of the day', () => {
    for (let seq = 0; seq < FLOWS; seq++) {
      const ns = BigInt(BEGIN_SEC + Math.floor(seq / PER_SEC)) * 1_000_000_000n;
      experimentsOf(ns, ns + 20_000_000_000n, 'blue');
    }
    return FLOWS;
  });
  printTable(['query', 'flows', 'ms'], rows);
}
