import { Meter } from '../daemon/capture/meter.ts';
import type { PacketSink } from '../daemon/capture/packet-source.ts';
import { createPacketTap, TapWord } from '../daemon/capture/packet-tap-buffer.ts';
import { PacketTaps } from '../daemon/capture/packet-taps.ts';
import { RouteTagger } from '../daemon/capture/route-tag.ts';
import { FlowTable } from '../daemon/flow/table.ts';
import { DEFAULT_TIMEOUTS } from '../daemon/flow/timeouts.ts';
import { RouteEngine } from '../daemon/routes/engine.ts';
import { snapshotOfRoutes } from '../daemon/routes/load-snapshot.ts';
import type { FilterNode } from '../storage/filter-ast.ts';
import { FlowBatch } from '../storage/flow-batch.ts';
import type { CaptureInfo } from '../storage/messages.ts';
import { frame } from '../test/support/frames.ts';
import { median, printTable } from './support.ts';

const FLOWS = 1000;
const SLOT = 128;
const PACKETS = 2_000_000;
const ROUNDS = 5;

const RARE: FilterNode = { kind: 'port', side: 'any', comparator: '=', values: [9999] };
const NET: FilterNode = {
  kind: 'net',
  side: 'src',
  nets: [{ version: 4, bytes: Uint8Array.of(192, 168, 0, 0), prefixLen: 16 }],
};
const DROPPED: FilterNode = { kind: 'route', field: 'verdict', values: ['drop'] };

/** What `nstap tail` costs the capture thread a packet: nobody watches, a filter that takes nothing, every packet copied. */
export function run(): void {
  const cases: [string, FilterNode | null | undefined | 'before'][] = [
    ['nobody watches', undefined],
    ['nobody watches any more', 'before'],
    ['tail port 9999 (none)', RARE],
    ['tail port 9999 or src net 192.168.0.0/16 (none)', { kind: 'or', nodes: [RARE, NET] }],
    ['tail route verdict drop (none)', DROPPED],
    ['tail (all copied)', null],
  ];
  const runs = cases.map(([name, filter]) => ({ name, once: scene(filter), ns: [] as number[] }));
  for (const { once } of runs) once(); // until the optimizing compiler has settled
  for (let round = 0; round < ROUNDS; round++) for (const { once, ns } of runs) ns.push(once());
  const base = median(runs[0]!.ns);
  printTable(
    ['tap', 'ns CPU a packet', 'more than nobody'],
    runs.map(({ name, ns }) => [name, median(ns).toFixed(0), (median(ns) - base).toFixed(0)]),
  );
}

/** @param filter undefined: nobody watches; 'before': nobody any more @returns one run, which gives nanoseconds a packet */
function scene(filter: FilterNode | null | undefined | 'before'): () => number {
  const batch = new FlowBatch(1024, undefined, 0);
  const sink = {
    batch: () => {
      if (batch.isFull) batch.count = 0;
      return batch;
    },
    changes: () => null,
  };
  const tagger = new RouteTagger();
  tagger.setCapture(0, 'n', 0);
  const routes = 'default via 10.0.0.254 dev eth0\n10.0.0.0/8 dev eth0 scope link src 10.0.0.1\n';
  tagger.setRoutes('n', new RouteEngine(snapshotOfRoutes(routes, 'bench')));
  const options = { maxFlows: 4096, timeouts: DEFAULT_TIMEOUTS, checkpointSec: 10, seed: 7, tunnels: false };
  const table = new FlowTable({ ...options, hints: false, payloadOctets: 0 }, sink, tagger);
  const meter = new Meter(table);
  const taps = new PacketTaps(meter, (view, fields) => tagger.decide(view, fields));
  taps.addCapture({ index: 0, netns: 'n', interface: 'v0' } as CaptureInfo);
  const shared = createPacketTap(256);
  const control = new Int32Array(shared.control);
  const selection = { netns: '', interface: '' };
  const watch = (by: FilterNode | null): void => taps.add(1, { shared, selection, filter: by });
  if (filter === 'before') watch(null);
  else if (filter !== undefined) watch(filter);
  let target: PacketSink = taps.size > 0 ? taps : meter;

  const view = new DataView(new ArrayBuffer(SLOT * FLOWS));
  const lengths = Array.from({ length: FLOWS }, (_, i) => {
    const octets = frame({
      proto: i % 2 === 0 ? 'tcp' : 'udp',
      src: `10.0.${i >> 8}.${i & 255}`,
      payload: 20,
    });
    new Uint8Array(view.buffer, i * SLOT, octets.length).set(octets);
    return octets.length;
  });
  const f = meter.fields;
  let at = 0;
  let isFirst = true;
  return () => {
    if (filter === 'before' && !isFirst) {
      taps.remove(1);
      target = meter;
    }
    isFirst = false;
    const before = process.cpuUsage().user;
    for (let n = 0; n < PACKETS; n++, at++) {
      const flow = at % FLOWS;
      const length = lengths[flow]!;
      f.linkType = 1;
      f.captureIndex = 0;
      f.wireLen = length;
      f.tsSec = 1_800_000_000 + ((at / 500_000) | 0);
      f.tsNsec = Math.imul(at, 7919) & 0x1fff_ffff;
      f.pktType = 0;
      f.strippedTci = -1;
      target.packet(view, flow * SLOT, length);
      // The reader.
      if (n % 500 === 0) control[TapWord.read] = control[TapWord.written]!;
    }
    return ((process.cpuUsage().user - before) * 1000) / PACKETS;
  };
}
