// Run by allocation.test.ts in a process of its own with --expose-gc: decodes packets of every kind and prints how many
// octets the heap grew per packet, with nothing collected in between.
import { getHeapStatistics } from 'node:v8';
import { decodePacket } from '../../decoders/packet.ts';
import { PacketFields } from '../../decoders/packet-fields.ts';
import { frame } from './bytes.ts';

const FRAMES = [
  ['eth-ipv4-tcp-syn', 1],
  ['eth-qinq-ipv6-udp', 1],
  ['eth-snap-ipv4-icmp', 1],
  ['eth-ipv6-ext-fragment', 1],
  ['eth-pppoe-ipv4-udp', 1],
  ['eth-mpls-pw-arp', 1],
  ['eth-ipv4-tso', 1],
  ['eth-ipv4-fragment-2', 1],
  ['sll2-ipv4-tcp-rst', 276],
] as const;
const SLOT = 128;
const PACKETS = 1_000_000;

const gc = globalThis.gc;
if (gc === undefined) throw new Error('run with --expose-gc');

const view = new DataView(new ArrayBuffer(SLOT * FRAMES.length));
const lengths = new Int32Array(FRAMES.length);
const linkTypes = new Int32Array(FRAMES.length);
for (const [i, [name, linkType]] of FRAMES.entries()) {
  const bytes = frame(name);
  new Uint8Array(view.buffer, i * SLOT, bytes.length).set(bytes);
  lengths[i] = bytes.length;
  linkTypes[i] = linkType;
}

const f = new PacketFields();
let checksum = 0;

/** Every packet differs: sequence numbers over the whole 32 bits, cut at every length. */
function run(count: number): void {
  for (let i = 0; i < count; i++) {
    const kind = i % FRAMES.length;
    const off = kind * SLOT;
    const length = lengths[kind]!;
    if (kind === 0) view.setInt32(off + 38, Math.imul(i, 0x9e3779b1));
    f.linkType = linkTypes[kind]!;
    f.wireLen = length;
    f.tsSec = 1_800_000_000 + (i >> 10);
    f.tsNsec = Math.imul(i, 7919) & 0x1fffffff;
    f.strippedTci = i % 5 === 0 ? i & 0xfff : -1;
    decodePacket(view, off, off + (i % 7 === 0 ? i % length : length), f);
    checksum = (checksum + f.srcPort + f.tcpSeq + f.ipLen) | 0;
  }
}

run(500_000); // until the optimizing compiler has settled
run(500_000);
gc();
const before = getHeapStatistics().used_heap_size;
run(PACKETS);
const after = getHeapStatistics().used_heap_size;
process.stdout.write(JSON.stringify({ octetsPerPacket: (after - before) / PACKETS, checksum }));
