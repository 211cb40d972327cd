import { existsSync, rmSync } from 'node:fs';
import { openForReading } from '../storage/database.ts';
import type { FlowBatch } from '../storage/flow-batch.ts';
import { databaseFiles } from '../storage/partition-files.ts';
import type { RouteDecision } from '../storage/route-decision.ts';
import { FlowWriter } from '../storage/writer.ts';
import type { WriterChannel } from '../storage/writer-channel.ts';
import { addRecord, batchOf, captureInfo, decision } from '../test/storage/records.ts';

/** As the daemon's capture thread hands them over. */
export const BATCH = 2048;
/** As many as retention makes of `--retain-size`, and one that is begun. */
const PARTITIONS = 8;
/** In one transaction, as a writer takes them that is never at leisure: all that arrived while it wrote the last ones. */
export const SUSTAINED_BATCHES = 16;
/** Flows from one word on the progress to the next. */
const PROGRESS = BATCH * SUSTAINED_BATCHES * 3;
/** The day that the flows are of: 2026-11-25, UTC. */
export const DAY_BEGIN_SEC = 1_795_564_800;
export const DAY_SEC = 86_400;
/** Of the 60,000 hosts those that are asked; the others ask. */
const SERVERS = 10_000;
const CLIENTS = 50_000;
/** The usual ones; behind them any. */
const PORTS = [443, 80, 53, 22, 123, 8080, 25, 3306, 5432, 6379, 993, 389, 9092, 2049, 5060];
const PORT_RANKS = 2000;
const NETNS = 8;
/** A namespace of the first eighth of the day. */
export const SHORT_NETNS = 'morning';
const ROUTES = 240;
const BLACKHOLES = 8;

/** Random numbers that are the same in every run: xorshift32. */
export class Random {
  #state = 0x9e37_79b9;

  /** In [0, 1). */
  next(): number {
    let x = this.#state;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.#state = x >>> 0;
    return this.#state / 2 ** 32;
  }

  below(end: number): number {
    return Math.floor(this.next() * end);
  }

  /** From 0, each as likely as 1 / (rank + 1): Zipf's law. */
  rank(end: number): number {
    return Math.floor(end ** this.next()) - 1;
  }
}

/**
 * Writes a day of flows through the daemon's own writer, into partitions; the same flows for the same number. A database that
 * is there with that many is taken as it is.
 * @param progress called with the flows written so far, now and then
 * @returns seconds in the writer, without what making the records took; null: the database was there
 */
export function makeFlowsDb(path: string, flows: number, progress: (written: number) => void): number | null {
  if (existsSync(path)) {
    if (countFlows(path) === flows) return null;
    for (const file of databaseFiles(path)) rmSync(file, { force: true });
  }
  const filler = new FlowFiller(path, flows, SUSTAINED_BATCHES);
  for (let part = 0; part < PARTITIONS; part++) {
    if (part > 0) filler.begin();
    const end = Math.floor((flows / PARTITIONS) * (part + 1));
    while (filler.written < end) {
      filler.write(Math.min(PROGRESS, end - filler.written), true);
      progress(filler.written);
    }
  }
  filler.close();
  return filler.writeSec;
}

/** Writes flows of a day through the daemon's own writer into a partition. */
export class FlowFiller {
  readonly #writer: FlowWriter;
  readonly #channel: WriterChannel;
  readonly #day: number;
  readonly #batches: FlowBatch[];
  #random = new Random();
  #seq = 0;
  /** Microseconds of CPU and of the clock that the writer took so far; making the records is not counted. */
  readonly spent = { cpuUs: 0, wallUs: 0 };

  /**
   * @param day flows of the whole day
   * @param batches in one transaction: what has arrived while the last one was written, 1 of a writer at leisure
   */
  constructor(path: string, day: number, batches = 1) {
    this.#batches = Array.from({ length: batches }, () =>
      batchOf(...Array.from({ length: BATCH }, () => ({}))),
    );
    this.#day = day;
    this.#writer = new FlowWriter(path, { kind: 'daemon', version: '0', commandLine: 'bench' }, true);
    this.#channel = this.#writer.channel();
    announce(this.#writer, this.#channel);
  }

  get written(): number {
    return this.#seq;
  }

  /** Seconds in the writer so far. */
  get writeSec(): number {
    return this.spent.wallUs / 1e6;
  }

  /** Begins the next partition. */
  begin(): void {
    this.#writer.partitions!.begin();
  }

  /** The next flows; or, when they are not new, the first ones once more, as a later record of each has them. */
  write(flows: number, isNew: boolean): void {
    if (!isNew) {
      this.#random = new Random();
      this.#seq = 0;
    }
    const end = this.#seq + flows;
    while (this.#seq < end) {
      let used = 0;
      for (; used < this.#batches.length && this.#seq < end; used++) {
        const batch = this.#batches[used]!;
        batch.count = 0;
        for (let i = 0; i < BATCH && this.#seq < end; i++) {
          add(batch, this.#random, this.#seq++, this.#day);
          batch.columns.isNew[i] = isNew ? 1 : 0;
        }
      }
      const requests = this.#batches
        .slice(0, used)
        .map((batch) => [this.#channel, { type: 'batch', batch }] as const);
      const [cpu, began] = [process.cpuUsage(), performance.now()];
      this.#writer.write(requests);
      const { user, system } = process.cpuUsage(cpu);
      this.spent.cpuUs += user + system;
      this.spent.wallUs += (performance.now() - began) * 1000;
    }
  }

  close(): void {
    const begin = performance.now();
    this.#writer.close();
    this.spent.wallUs += (performance.now() - begin) * 1000;
  }
}

/** Writes the captures and route decisions that the flows have. */
export function announce(writer: FlowWriter, channel: WriterChannel): void {
  const names = [...Array.from({ length: NETNS }, (_, n) => `lab-${n}`), SHORT_NETNS];
  for (const [index, netns] of names.entries())
    writer.write([
      [
        channel,
        { type: 'capture', info: captureInfo(index, { netns, netnsId: `4:${index}`, interface: 'eth0' }) },
      ],
    ]);
  writer.write([[channel, { type: 'decisions', base: 0, list: decisions() }]]);
}

/** Routes, then blackholes, then one unreachable, then what is local. */
function decisions(): RouteDecision[] {
  const drop = { verdict: 'drop', gateway: null, dev: null } as const;
  return [
    ...Array.from({ length: ROUTES }, (_, n) => {
      const gateway = `10.255.${n >> 4}.${n & 15}`;
      const prefix = `172.${16 + (n >> 4)}.${(n & 15) << 4}.0/20`;
      return decision({
        prefix,
        gateway,
        dev: `eth${n & 7}`,
        text: `${prefix} via ${gateway} dev eth${n & 7}`,
      });
    }),
    ...Array.from({ length: BLACKHOLES }, (_, n) =>
      decision({ ...drop, type: 'blackhole', prefix: `192.0.${n}.0/24`, text: `blackhole 192.0.${n}.0/24` }),
    ),
    decision({ ...drop, type: 'unreachable', prefix: '203.0.113.0/24', text: 'unreachable 203.0.113.0/24' }),
    decision({
      type: 'local',
      verdict: 'deliver',
      table: 'local',
      gateway: null,
      stage: 'input',
      text: 'local',
    }),
  ];
}

/** Puts the record of a flow at the end of a batch. @param flows of the whole day */
export function add(batch: FlowBatch, random: Random, seq: number, flows: number): void {
  const at = (seq / flows) * DAY_SEC;
  const lasted = 10 ** (random.next() * 5 - 3) * (random.next() < 0.01 ? 30 : 1);
  const [client, server] = [random.below(CLIENTS), random.rank(SERVERS)];
  const isIPv6 = server % 10 === 3;
  const proto = random.next() < 0.7 ? 6 : random.next() < 0.93 ? 17 : isIPv6 ? 58 : 1;
  const port = random.rank(PORT_RANKS);
  const isMorning = at < DAY_SEC / 8 && random.next() < 0.08;
  const packets = Math.ceil(10 ** (random.next() * 3));
  const isAnswered = random.next() < 0.95;
  addRecord(batch, {
    seq,
    start: time(at - lasted),
    end: time(at),
    version: isIPv6 ? 6 : 4,
    proto,
    src: isIPv6 ? v6(0, client) : [10, 1 + (client & 7), client >> 8, client & 255],
    dst: isIPv6 ? v6(1, server) : [172, 16 + (server % 16), server >> 8, server & 255],
    ports:
      proto === 1
        ? [8, 0]
        : proto === 58
          ? [128, 129]
          : [1024 + random.below(60_000), PORTS[port] ?? 1024 + port],
    capture: isMorning ? NETNS : client % NETNS,
    packets: [packets, isAnswered ? packets : 0],
    bytes: [packets * 90, isAnswered ? packets * (60 + random.below(1400)) : 0],
    ipBytes: [packets * 76, isAnswered ? packets * 800 : 0],
    flags: [0x1b, isAnswered ? 0x1b : 0],
    connState: isAnswered ? 3 : 1,
    endReason: isAnswered ? 1 : 3,
    history: isAnswered ? 'ShADadFf' : 'S',
    rttNs: isAnswered && proto === 6 ? 100_000 + random.below(50_000_000) : -1,
    route: [routeOf(random, server, seq), isAnswered ? ROUTES + BLACKHOLES + 1 : -1],
  });
}

/** One in 500 flows meets a blackhole, 20 of all flows the unreachable route. */
function routeOf(random: Random, server: number, seq: number): number {
  if (seq % 500_000 === 77) return ROUTES + BLACKHOLES;
  return random.next() < 0.002 ? ROUTES + random.below(BLACKHOLES) : server % ROUTES;
}

function v6(net: number, host: number): number[] {
  return [0x20, 1, 0xd, 0xb8, 0, net, 0, 0, 0, 0, 0, 0, 0, 0, host >> 8, host & 255];
}

function time(sec: number): [number, number] {
  const whole = Math.floor(sec);
  return [DAY_BEGIN_SEC + whole, Math.floor((sec - whole) * 1e9)];
}

function countFlows(path: string): number {
  const db = openForReading(path);
  try {
    return db.prepare('SELECT count(*) FROM flows').pluck().get() as number;
  } catch {
    return 0;
  } finally {
    db.close();
  }
}
