import { formatAddress } from '../../decoders/address.ts';
import { IpProto, PacketFields } from '../../decoders/packet-fields.ts';
import { Status } from '../../decoders/status.ts';
import { decodeTunnel } from '../../decoders/tunnel.ts';
import { TUNNEL_NAMES, TunnelFields, TunnelStatus } from '../../decoders/tunnel-fields.ts';
import { tally } from './corpus.ts';

/** What one packet has at all its levels, outermost first. */
export interface Levels {
  /** Number of the packet, from 1. */
  frame: number;
  /** Types of the tunnels, and whether the last of them could be followed. */
  tunnels: string[];
  undecoded: boolean;
  /** "SRC>DST" of each IPv4 and of each IPv6 header. */
  ipv4: string[];
  ipv6: string[];
  /** "SPORT>DPORT" of each level that has them. */
  tcp: string[];
  udp: string[];
}

const DEEPEST = 8;

/** Packets of a capture that are tunnels by our decoders. */
export async function ourLevels(path: string): Promise<Levels[]> {
  const found: Levels[] = [];
  const fields = Array.from({ length: DEEPEST }, () => new PacketFields());
  const t = new TunnelFields();
  let frame = 0;
  await tally(path, (outermost, view) => {
    frame++;
    if (outermost.status !== Status.Ok || outermost.ipVersion === 0) return;
    const levels: Levels = { frame, tunnels: [], undecoded: false, ipv4: [], ipv6: [], tcp: [], udp: [] };
    let f = outermost;
    for (let depth = 0; depth < DEEPEST; depth++) {
      note(levels, view, f);
      const status = decodeTunnel(view, f, fields[depth]!, t);
      if (status === TunnelStatus.None) break;
      levels.tunnels.push(TUNNEL_NAMES[t.type]!);
      levels.undecoded = status === TunnelStatus.Undecoded;
      if (levels.undecoded) break;
      f = fields[depth]!;
    }
    if (levels.tunnels.length > 0) found.push(levels);
  });
  return found;
}

function note(levels: Levels, view: DataView, f: PacketFields): void {
  const address = (off: number): string => {
    const bytes = new Uint8Array(view.buffer, view.byteOffset + off, f.ipVersion === 6 ? 16 : 4);
    return formatAddress(bytes, 0, f.ipVersion === 6 ? 6 : 4);
  };
  (f.ipVersion === 6 ? levels.ipv6 : levels.ipv4).push(`${address(f.srcOff)}>${address(f.dstOff)}`);
  if (!f.hasPorts) return;
  if (f.ipProto === IpProto.TCP) levels.tcp.push(`${f.srcPort}>${f.dstPort}`);
  if (f.ipProto === IpProto.UDP) levels.udp.push(`${f.srcPort}>${f.dstPort}`);
}
