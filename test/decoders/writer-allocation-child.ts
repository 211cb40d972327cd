// Run by allocation.test.ts in a process of its own with --expose-gc: writes packets to /dev/null and prints how many octets
// the heap grew per packet.
import { getHeapStatistics } from 'node:v8';
import { PacketFields } from '../../decoders/packet-fields.ts';
import { PcapWriter } from '../../decoders/pcap-writer.ts';
import { PcapngWriter } from '../../decoders/pcapng-writer.ts';

const PACKETS = 500_000;
const gc = globalThis.gc;
if (gc === undefined) throw new Error('run with --expose-gc');

const pcap = new PcapWriter('/dev/null', { linkType: 1 });
const pcapng = new PcapngWriter('/dev/null');
const index = pcapng.addInterface({ linkType: 1 });
const view = new DataView(new ArrayBuffer(4096));
const f = new PacketFields();

function run(count: number): void {
  for (let i = 0; i < count; i++) {
    const length = i % 3 === 0 ? 1514 : 64;
    f.tsSec = 1_790_000_000 + (i >> 12);
    f.tsNsec = Math.imul(i, 7919) & 0x1fffffff;
    f.strippedTci = i % 5 === 0 ? 7 : -1;
    f.strippedTpid = 0x8100;
    f.wireLen = length + 4;
    f.pktType = i % 6 === 5 ? -1 : i % 6;
    pcap.packet(view, i & 7, length, f);
    pcapng.packet(index, view, i & 7, length, f);
  }
}

run(300_000); // until the optimizing compiler has settled
gc();
const before = getHeapStatistics().used_heap_size;
run(PACKETS);
const after = getHeapStatistics().used_heap_size;
process.stdout.write(
  JSON.stringify({ octetsPerPacket: (after - before) / PACKETS, packets: pcapng.packets }),
);
