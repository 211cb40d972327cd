// Run by allocation.test.ts in a process of its own with --expose-gc: sends packets of many flows through the whole hot
// path (decoders, counters, flow table, route decision and its changes) and prints how many octets the heap grew per packet.
import { getHeapStatistics } from 'node:v8';
import { Meter } from '../../daemon/capture/meter.ts';
import { createPacketTap, TapWord } from '../../daemon/capture/packet-tap-buffer.ts';
import { PacketTaps } from '../../daemon/capture/packet-taps.ts';
import { RouteTagger } from '../../daemon/capture/route-tag.ts';
import { TunnelMeter } from '../../daemon/capture/tunnel-meter.ts';
import { FlowTable } from '../../daemon/flow/table.ts';
import { DEFAULT_TIMEOUTS } from '../../daemon/flow/timeouts.ts';
import { RouteEngine } from '../../daemon/routes/engine.ts';
import { snapshotOfRoutes } from '../../daemon/routes/load-snapshot.ts';
import { FlowBatch } from '../../storage/flow-batch.ts';
import type { CaptureInfo } from '../../storage/messages.ts';
import { frame } from '../support/frames.ts';
import { clientHello, dnsMessage } from '../support/payloads.ts';
import { overUdp, vxlan } from '../support/tunnel-frames.ts';

/** Given "tunnels": every packet is in a VXLAN tunnel, and flows of both levels are kept. */
const isInside = process.argv[2] === 'tunnels';
/** Given "extras": hints and payload are kept. */
const hasExtras = process.argv[2] === 'extras';
/** Given "tap": somebody watches, with a filter, and reads fast enough. */
const isTapped = process.argv[2] === 'tap';
const FLOWS = 1000;
const SLOT = 192;
const PACKETS = 2_000_000;
/** Where the IPv6 TCP packets have their sequence number. */
const SEQ_OFF = 58 + (isInside ? 50 : 0);
/** A packet's own cost must be nothing; every so many packets the tables change, so that all flows are tagged again. */
const CHANGE_EVERY = 100_000;

const gc = globalThis.gc;
if (gc === undefined) throw new Error('run with --expose-gc');

const batch = new FlowBatch(1024, undefined, hasExtras ? 1 << 20 : 0);
let changes = 0;
const sink = {
  batch(): FlowBatch {
    if (batch.isFull) {
      batch.count = 0;
      batch.extraLength = 0;
    }
    return batch;
  },
  changes(): FlowBatch {
    changes++;
    if (batch.changeCount === batch.capacity) batch.changeCount = 0;
    return batch;
  },
};
const tagger = new RouteTagger();
tagger.setCapture(0, 'n', 0);
const routes =
  'default via 10.0.0.254 dev eth0\n10.0.0.0/8 dev eth0 scope link src 10.0.0.1\nlocal 10.0.0.1 dev eth0 table local\n';
// The second one decides otherwise for every flow over IPv4.
const engines = [
  routes,
  routes.replace('scope link', 'scope link metric 7').replace('local ', 'blackhole '),
].map((text) => new RouteEngine(snapshotOfRoutes(text, 'test')));
tagger.setRoutes('n', engines[0]!);
const table = new FlowTable(
  {
    maxFlows: 4096,
    timeouts: DEFAULT_TIMEOUTS,
    checkpointSec: 10,
    seed: 0x7ead_beef,
    tunnels: isInside,
    hints: hasExtras,
    payloadOctets: hasExtras ? 64 : 0,
  },
  sink,
  tagger,
);
const meter = isInside ? new TunnelMeter(table, 'both') : new Meter(table);

const taps = new PacketTaps(meter, (view, fields) => tagger.decide(view, fields));
taps.addCapture({ index: 0, netns: 'n', interface: 'v0' } as CaptureInfo);
const shared = createPacketTap(256);
const control = new Int32Array(shared.control);
if (isTapped) {
  const net = { version: 4 as const, bytes: Uint8Array.of(10, 0, 0, 0), prefixLen: 8 };
  taps.add(1, {
    shared,
    selection: { netns: '', interface: '' },
    filter: {
      kind: 'or',
      nodes: [
        {
          kind: 'and',
          nodes: [
            { kind: 'net', side: 'src', nets: [net] },
            { kind: 'flags', mask: 16 },
          ],
        },
        { kind: 'port', side: 'dst', comparator: '=', values: [53, 80] },
        { kind: 'route', field: 'verdict', values: ['drop'] },
      ],
    },
  });
}
const target = isTapped ? taps : meter;

const ascii = (text: string): Uint8Array => Uint8Array.from(text, (letter) => letter.charCodeAt(0));
/** With hints, those of each kind, and one that has none: all are short enough for SLOT. */
const PAYLOADS = hasExtras
  ? [
      new Uint8Array(20),
      dnsMessage('www.example.org', 1),
      clientHello({ sni: 'a.example' }),
      ascii('GET / HTTP/1.1\r\nHost: a.example\r\n\r\n'),
      ascii('SSH-2.0-x\r\n'),
    ]
  : [new Uint8Array(20)];

const view = new DataView(new ArrayBuffer(SLOT * FLOWS));
const lengths = new Int32Array(FLOWS);
for (let i = 0; i < FLOWS; i++) {
  const v6 = i % 5 === 0;
  const inner = frame({
    proto: i % 2 === 0 ? 'tcp' : 'udp',
    flags: 'PA',
    src: v6 ? `fd00::${i.toString(16)}` : `10.0.${i >> 8}.${i & 255}`,
    dst: v6 ? 'fd00::ffff' : '10.0.0.1',
    sport: 1024 + i,
    dport: i % 4 === 1 ? 53 : 80,
    payload: PAYLOADS[i % PAYLOADS.length]!,
  });
  const bytes = isInside ? overUdp(4789, vxlan(i & 7, inner)) : inner;
  new Uint8Array(view.buffer, i * SLOT, bytes.length).set(bytes);
  lengths[i] = bytes.length;
}

function run(from: number, count: number): void {
  const f = meter.fields;
  for (let i = from; i < from + count; i++) {
    const flow = Math.imul(i, 0x9e3779b1) >>> 22; // 0..1023
    const k = flow < FLOWS ? flow : 0;
    const off = k * SLOT;
    if (k % 10 === 0) view.setInt32(off + SEQ_OFF, Math.imul(i, 0x9e3779b1)); // sequence numbers over all 32 bits
    f.linkType = 1;
    f.captureIndex = 0;
    f.wireLen = lengths[k]!;
    f.tsSec = 1_800_000_000 + ((i / 20_000) | 0);
    f.tsNsec = Math.imul(i, 7919) & 0x1fffffff;
    f.pktType = 0;
    f.strippedTci = -1;
    target.packet(view, off, lengths[k]!);
    // The reader.
    if (isTapped && i % 500 === 0) control[TapWord.read] = control[TapWord.written]!;
    if (i % CHANGE_EVERY === 0) tagger.setRoutes('n', engines[(i / CHANGE_EVERY) & 1]!);
  }
}

run(1, 1_500_000); // until the optimizing compiler has settled
gc();
const before = getHeapStatistics().used_heap_size;
run(1_500_001, PACKETS);
const after = getHeapStatistics().used_heap_size;
const { packets } = meter.counters.read(0);
process.stdout.write(
  JSON.stringify({
    octetsPerPacket: (after - before) / PACKETS,
    packets,
    live: table.live,
    changes,
    matched: control[TapWord.matched],
    skipped: control[TapWord.skipped],
  }),
);
