import { existsSync, readdirSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { decodePacket } from '../../decoders/packet.ts';
import { IpProto, PacketFields } from '../../decoders/packet-fields.ts';
import { SavefileReader } from '../../decoders/savefile.ts';
import { SavefileError } from '../../decoders/savefile-error.ts';
import type { SavefileInterface } from '../../decoders/savefile-sink.ts';
import { Status } from '../../decoders/status.ts';

/** Development captures beside the checkout; not part of the repository. */
export const CORPUS = fileURLToPath(new URL('../../../shared/pcaps/', import.meta.url));
/** Reason for skipping, or null. */
export const corpusMissing = existsSync(join(CORPUS, 'truth')) ? null : `no captures in ${CORPUS}`;

/** Paths of the captures, relative to the corpus: those that have a truth file. */
export function corpusFiles(): string[] {
  if (corpusMissing !== null) return [];
  const root = join(CORPUS, 'truth');
  return readdirSync(root, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.json'))
    .map((entry) => relative(root, join(entry.parentPath, entry.name)).replace(/\.json$/, ''))
    .sort();
}

/** "seconds.nanoseconds" with nine digits. */
export function timeText(sec: number, nsec: number): string {
  return `${sec}.${String(nsec).padStart(9, '0')}`;
}

/** What reading a capture and decoding its packets adds up to, named as in the truth files. */
export interface Tally {
  error: SavefileError | null;
  interfaces: SavefileInterface[];
  packets: number;
  bytes: number;
  captured_bytes: number;
  truncated_packets: number;
  packets_without_ts: number;
  first_ts: string | null;
  last_ts: string | null;
  ipv4: number;
  ipv6: number;
  arp: number;
  other: number;
  undecoded: number;
  tcp: number;
  udp: number;
  sctp: number;
  icmp: number;
  icmpv6: number;
  fragments: number;
  nonfirst_fragments: number;
  no_ports: number;
  ah: number;
  /** Packets by upper-layer number. */
  by_proto: Record<string, number>;
}

const PORT_PROTOCOLS: readonly number[] = [IpProto.TCP, IpProto.UDP, IpProto.SCTP];

/** Reads and decodes a whole savefile. A SavefileError lands in `error`, everything else is thrown. */
export async function tally(
  path: string,
  onPacket?: (f: PacketFields, view: DataView) => void,
): Promise<Tally> {
  const t: Tally = {
    error: null,
    interfaces: [],
    packets: 0,
    bytes: 0,
    captured_bytes: 0,
    truncated_packets: 0,
    packets_without_ts: 0,
    first_ts: null,
    last_ts: null,
    ipv4: 0,
    ipv6: 0,
    arp: 0,
    other: 0,
    undecoded: 0,
    tcp: 0,
    udp: 0,
    sctp: 0,
    icmp: 0,
    icmpv6: 0,
    fragments: 0,
    nonfirst_fragments: 0,
    no_ports: 0,
    ah: 0,
    by_proto: {},
  };
  const f = new PacketFields();
  let firstNs = 0n;
  let lastNs = 0n;
  try {
    using reader = new SavefileReader(path, {
      onInterface: (info) => {
        t.interfaces.push(info);
      },
      onPacket: (index, view, off, capLen, wireLen, tsSec, tsNsec, timeKnown, pktType) => {
        t.packets++;
        t.bytes += wireLen;
        t.captured_bytes += capLen;
        if (capLen < wireLen) t.truncated_packets++;
        if (timeKnown) {
          const ns = BigInt(tsSec) * 1_000_000_000n + BigInt(tsNsec);
          if (t.first_ts === null || ns < firstNs) [firstNs, t.first_ts] = [ns, timeText(tsSec, tsNsec)];
          if (t.last_ts === null || ns > lastNs) [lastNs, t.last_ts] = [ns, timeText(tsSec, tsNsec)];
        } else t.packets_without_ts++;
        f.linkType = t.interfaces[index]!.linkType;
        f.captureIndex = index;
        f.wireLen = wireLen;
        f.tsSec = tsSec;
        f.tsNsec = tsNsec;
        f.pktType = pktType;
        count(t, f, decodePacket(view, off, off + capLen, f));
        onPacket?.(f, view);
      },
    });
    while (await reader.next());
  } catch (error) {
    if (!(error instanceof SavefileError)) throw error;
    t.error = error;
  }
  return t;
}

function count(t: Tally, f: PacketFields, status: Status): void {
  if (status !== Status.Ok) t.undecoded++;
  else if (f.ipVersion === 4) t.ipv4++;
  else if (f.ipVersion === 6) t.ipv6++;
  else if (f.isArp) t.arp++;
  else t.other++;
  if (status !== Status.Ok || f.ipVersion === 0) return;
  t.by_proto[f.ipProto] = (t.by_proto[f.ipProto] ?? 0) + 1;
  if (f.ipProto === IpProto.TCP) t.tcp++;
  if (f.ipProto === IpProto.UDP) t.udp++;
  if (f.ipProto === IpProto.SCTP) t.sctp++;
  if (f.ipProto === IpProto.ICMP) t.icmp++;
  if (f.ipProto === IpProto.ICMPV6) t.icmpv6++;
  if (f.ipProto === IpProto.AH) t.ah++;
  if (f.isFragment) t.fragments++;
  if (f.fragOff !== 0) t.nonfirst_fragments++;
  else if (PORT_PROTOCOLS.includes(f.ipProto) && !f.hasPorts) t.no_ports++;
}
