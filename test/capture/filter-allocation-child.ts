// Run by allocation.test.ts in a process of its own with --expose-gc: asks filters of packets, and of records of flows, and prints
// how many octets the heap grew for each, and how long one took.
import { getHeapStatistics } from 'node:v8';
import { parseFilter } from '../../cli/filter/parse.ts';
import { packetTest } from '../../daemon/capture/packet-subject.ts';
import { decodePacket } from '../../decoders/packet.ts';
import { PacketFields } from '../../decoders/packet-fields.ts';
import { matcher } from '../../storage/filter-match.ts';
import { FlowSubject } from '../../storage/flow-subject.ts';
import { frame } from '../support/frames.ts';
import { overUdp, vxlan } from '../support/tunnel-frames.ts';
import { batchOf, decision } from '../storage/records.ts';

/** Of packets or of flows: what is asked, and how many times. */
const isOfFlows = process.argv[2] === 'flows';
const TIMES = 2_000_000;
const HOSTS = Array.from({ length: 500 }, (_, i) => `10.9.${i >> 8}.${i & 255}`).join(' ');
const FILTERS = [
  'tcp port 443',
  'not port 22 and (net 10.0.0.0/8 or fd00::/8) and bytes > 100 and netns in [blue red]',
  `host in [${HOSTS}] or port in [1 2 3 4 5] or flags S and not flags A`,
  'route verdict drop or route rule in [1 2 3] or vlan 5',
  isOfFlows
    ? 'duration > 1s and retransmits > 0 or state SF and bps > 10M or pps > 3 or tunnel outer 900719925474099'
    : 'tunnel vxlan and tunnel id in [4000000000 3000000000] and host 10.0.0.1',
];

const gc = globalThis.gc;
if (gc === undefined) throw new Error('run with --expose-gc');

const PLACE = { netns: 'blue', interface: 'veth0' };
const DECISION = decision();
const decide = (): typeof DECISION => DECISION;
const tests = FILTERS.map((text) => parseFilter(text)!);

function packets(): (i: number) => boolean {
  const wanted = tests.map((node) => packetTest(node, () => PLACE, decide));
  const inner = frame({ src: '10.0.0.1', dst: '10.9.1.7' });
  const views = [
    frame({ src: '10.0.0.1', dst: '10.9.1.7', dport: 443 }),
    frame({ src: 'fd00::1', dst: 'fd00::2', proto: 'udp', payload: 200 }),
    overUdp(4789, vxlan(16_000_000, inner)),
    frame({ vlan: [5, 6], proto: 'icmp' }),
  ].map((bytes) => new DataView(Uint8Array.from(bytes).buffer));
  const fields = views.map((view) => {
    const f = new PacketFields();
    f.wireLen = view.byteLength;
    decodePacket(view, 0, view.byteLength, f);
    return f;
  });
  return (i) => wanted[i % wanted.length]!(views[i & 3]!, fields[i & 3]!);
}

function flows(): (i: number) => boolean {
  const matches = tests.map((node) => matcher(node));
  const batch = batchOf(
    { bytes: [3e9, 5e9], end: [1_700_000_009, 1], retransmits: [1, 3_000_000_000] },
    { version: 6, proto: 17, src: [0xfd, ...new Array(15).fill(1)], dst: [0xfd, ...new Array(15).fill(2)] },
    { proto: 50, ports: null, tunnel: [7, 4_000_000_000, 1], vlan: [5] },
    { start: [-5, 1], end: [9e9, 5], connState: 3, route: [0, 1] },
  );
  const subject = new FlowSubject();
  return (i) => {
    subject.setRecord(batch.columns, i & 3, PLACE, 7 + (i & 3), 2 ** 41, decide);
    return matches[i % matches.length]!(subject);
  };
}

const ask = isOfFlows ? flows() : packets();
let yes = 0;
function run(from: number, count: number): void {
  for (let i = from; i < from + count; i++) if (ask(i)) yes++;
}

run(0, 1_000_000); // until the optimizing compiler has settled
gc();
const before = getHeapStatistics().used_heap_size;
const startedMs = performance.now();
run(1_000_000, TIMES);
const ns = ((performance.now() - startedMs) * 1e6) / TIMES;
const after = getHeapStatistics().used_heap_size;
process.stdout.write(JSON.stringify({ octetsPerPacket: (after - before) / TIMES, ns, yes }));
