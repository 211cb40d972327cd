import { PacketFields } from '../decoders/packet-fields.ts';
import { PcapWriter } from '../decoders/pcap-writer.ts';
import { PcapngWriter } from '../decoders/pcapng-writer.ts';
import { median, printTable } from './support.ts';

const PACKETS = 1_000_000;
const ROUNDS = 5;

/** Cost of putting a packet into a savefile that goes to /dev/null: the writer's own work, and one system call in 256 KiB. */
export async function run(): Promise<void> {
  const rows: string[][] = [];
  for (const length of [64, 1514]) {
    const view = new DataView(new ArrayBuffer(1 << 20));
    const costs: number[][] = [[], []];
    for (let round = 0; round <= ROUNDS; round++) {
      using pcap = new PcapWriter('/dev/null', { linkType: 1 });
      using pcapng = new PcapngWriter('/dev/null');
      const index = pcapng.addInterface({ linkType: 1 });
      const a = perPacket((off, f) => pcap.packet(view, off, length, f), length);
      const b = perPacket((off, f) => pcapng.packet(index, view, off, length, f), length);
      if (round === 0) continue; // the compiler's warm-up
      costs[0]!.push(a);
      costs[1]!.push(b);
    }
    rows.push([`${length} octets`, ...costs.map((each) => median(each).toFixed(0))]);
  }
  printTable(['ns CPU a packet', 'pcap', 'pcapng'], rows);
}

function perPacket(packet: (off: number, f: PacketFields) => unknown, length: number): number {
  const f = new PacketFields();
  f.wireLen = length;
  f.pktType = 0;
  const before = process.cpuUsage();
  for (let i = 0; i < PACKETS; i++) {
    f.tsSec = 1_790_000_000 + ((i / 1e5) | 0);
    f.tsNsec = (i * 997) % 1e9;
    packet((i * 2048) & 0xf_f000, f);
  }
  const { user, system } = process.cpuUsage(before);
  return ((user + system) * 1000) / PACKETS;
}
