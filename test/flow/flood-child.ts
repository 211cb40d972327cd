// Run by flood.test.ts in a process of its own: a SYN flood from 10 million sources through decoder, meter and a table of
// the default size, with connections before and during it. Prints what became of them, and the memory, as JSON.
import { defaultMetering } from '../../daemon/config.ts';
import { Meter } from '../../daemon/capture/meter.ts';
import { FlowTable } from '../../daemon/flow/table.ts';
import { END_REASONS, FlowBatch } from '../../storage/flow-batch.ts';
import { type FrameSpec, frame } from '../support/frames.ts';
import { noRoutes } from '../support/no-routes.ts';

const SOURCES = Number(process.argv[2]);
/** SYNs a second: the flood lasts 20 s, in which every timer of the wheel comes round. */
const RATE = SOURCES / 20;
const BEFORE = 10_000;
const DURING = 2_000;
/** SYNs between two packets of one handshake: some milliseconds. */
const HANDSHAKE_GAP = 5_000;
const START = 1_800_000_000;
const SERVER_PORT = 443;

const before = process.memoryUsage();
const batch = new FlowBatch(1024);
const ended = new Map<number, string>();
const reasons: Record<string, number> = {};
let rows = 0;
let packets = 0;
function take(): void {
  const c = batch.columns;
  for (let i = 0; i < batch.count; i++) {
    const reason = END_REASONS[c.endReason[i]!]!;
    if (c.dstPort[i] !== SERVER_PORT) {
      if (reason === 'active') continue;
      reasons[reason] = (reasons[reason] ?? 0) + 1;
      packets += c.packetsFwd[i]! + c.packetsRev[i]!;
      continue;
    }
    if (reason === 'active') continue;
    rows++;
    ended.set(
      c.srcPort[i]! + c.src[i * 16 + 1]! * 65_536,
      `${reason} ${c.packetsFwd[i]}/${c.packetsRev[i]} ${c.bytesFwd[i]}/${c.bytesRev[i]}`,
    );
    packets += c.packetsFwd[i]! + c.packetsRev[i]!;
  }
  batch.count = 0;
}
const sink = {
  batch(): FlowBatch {
    if (batch.count === batch.capacity) take();
    return batch;
  },
  changes: () => null,
};
const { maxFlows, timeouts, checkpointSec } = defaultMetering();
const table = new FlowTable({ maxFlows, timeouts, checkpointSec, seed: 0x1357_9bdf }, sink, noRoutes());
const meter = new Meter(table);
let fed = 0;
function feed(view: DataView, sec: number, nsec: number): void {
  const f = meter.fields;
  f.linkType = 1;
  f.captureIndex = 0;
  f.tsSec = sec;
  f.tsNsec = nsec;
  f.wireLen = view.byteLength;
  f.pktType = 0;
  f.strippedTci = -1;
  meter.packet(view, 0, view.byteLength);
  fed++;
}
function viewOf(spec: FrameSpec): DataView {
  return new DataView(frame(spec).buffer);
}

/** Connection k: its packets from both ends, and what its record must say. */
function connection(k: number) {
  const client = {
    src: `10.${k >> 15}.0.1`,
    sport: 1024 + (k & 0x7fff),
    dst: '10.255.0.1',
    dport: SERVER_PORT,
  };
  const server = { src: client.dst, sport: SERVER_PORT, dst: client.src, dport: client.sport };
  return {
    id: client.sport + (k >> 15) * 65_536,
    syn: viewOf({ ...client, flags: 'S', seq: 1 }),
    synAck: viewOf({ ...server, flags: 'SA', seq: 1, ack: 2 }),
    ack: viewOf({ ...client, flags: 'A', seq: 2, ack: 2 }),
    request: viewOf({ ...client, flags: 'PA', seq: 2, ack: 2, payload: 10 }),
    answer: viewOf({ ...server, flags: 'PA', seq: 2, ack: 2, payload: 100 }),
    rounds: 0,
  };
}
const connections: ReturnType<typeof connection>[] = [];
for (let k = 0; k < BEFORE; k++) {
  const c = connection(k);
  feed(c.syn, START, 1);
  feed(c.synAck, START, 2);
  feed(c.ack, START, 3);
  connections.push(c);
}

const syn = viewOf({ src: '11.0.0.0', sport: 4000, dst: '10.255.0.1', dport: 80, flags: 'S' });
const SRC_OFF = 26;
const EVERY = SOURCES / DURING;
const opening: { c: ReturnType<typeof connection>; at: number; step: number }[] = [];
let next = 0;
let peak = 0;
for (let i = 0; i < SOURCES; i++) {
  const sec = START + Math.floor(i / RATE);
  const nsec = Math.floor(((i % RATE) / RATE) * 1e9);
  syn.setUint32(SRC_OFF, 0x0b00_0000 + i);
  feed(syn, sec, nsec);
  if (i % EVERY === 0) {
    const c = connection(connections.length + opening.length);
    feed(c.syn, sec, nsec);
    opening.push({ c, at: i + HANDSHAKE_GAP, step: 0 });
  }
  if (opening.length > 0 && i >= opening[0]!.at) {
    const first = opening.shift()!;
    feed(first.step === 0 ? first.c.synAck : first.c.ack, sec, nsec);
    if (first.step === 0) opening.push({ ...first, at: i + HANDSHAKE_GAP, step: 1 });
    else connections.push(first.c);
    opening.sort((a, b) => a.at - b.at);
  }
  if (i % 100 === 0) {
    const c = connections[next++ % connections.length]!;
    feed(c.request, sec, nsec);
    feed(c.answer, sec, nsec);
    c.rounds++;
  }
  if (i % 1_000_000 === 0) peak = Math.max(peak, process.memoryUsage.rss());
}
const live = table.live;
const lastSec = START + 20;
table.tick(lastSec);
peak = Math.max(peak, process.memoryUsage.rss());
table.endAll('shutdown');
take();

let wrong = 0;
for (const c of connections) {
  const fwd = 2 + c.rounds;
  const rev = 1 + c.rounds;
  const want = `shutdown ${fwd}/${rev} ${fwd * 54 + c.rounds * 10}/${rev * 54 + c.rounds * 100}`;
  if (ended.get(c.id) !== want) wrong++;
}
process.stdout.write(
  JSON.stringify({
    fed,
    inRecords: packets,
    connections: connections.length,
    stillOpening: opening.length,
    rows,
    wrong,
    live,
    created: table.created,
    evicted: table.evicted[0],
    reasons,
    visits: table.victimVisits,
    tableMiB: (table.words.buffer.byteLength + maxFlows * 8) / 2 ** 20,
    rssMiB: Math.round((peak - before.rss) / 2 ** 20),
  }),
);
