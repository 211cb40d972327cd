import { decodePacket } from '../../decoders/packet.ts';
import { PacketFields } from '../../decoders/packet-fields.ts';
import { Status } from '../../decoders/status.ts';
import { decodeTunnel } from '../../decoders/tunnel.ts';
import { TUNNEL_NAMES, TunnelFields, TunnelStatus } from '../../decoders/tunnel-fields.ts';
import { tunnelFrames } from '../support/tunnel-frames.ts';
import { checkTwice } from './decode-target.ts';
import { Broken, fold, type Target } from './target.ts';

/** Octets before the packet and behind it; their value differs between two decodings of the same packet. */
const AROUND = 64;
const ROOM = 8192;
/** More than the meter follows. */
const LEVELS = 8;

/** decodePacket of an Ethernet frame, and decodeTunnel for as deep as it goes. Octets 0 to 2 as in the decode target: only length. */
export function tunnelTarget(): Target {
  const worlds = [0x00, 0xff].map((octet) => {
    const bytes = new Uint8Array(ROOM).fill(octet);
    const levels = Array.from({ length: LEVELS + 1 }, () => new PacketFields());
    return {
      bytes,
      octet,
      levels,
      tunnels: levels.map(() => new TunnelFields()),
      view: new DataView(bytes.buffer),
    };
  });
  return {
    name: 'tunnel',
    seeds: () => tunnelFrames().map((packet) => Uint8Array.from([0, 0, 0, ...packet])),
    run(input) {
      const packet = input.subarray(3, 3 + ROOM - 2 * AROUND);
      const wireLen = packet.length + ((input[1] ?? 0) & 1 ? (input[2] ?? 0) << 3 : 0);
      const end = AROUND + packet.length;
      const statuses = worlds.map(({ bytes, view, octet, levels, tunnels }) => {
        bytes.set(packet, AROUND);
        const [outermost] = levels as [PacketFields];
        outermost.linkType = 1;
        outermost.wireLen = wireLen;
        outermost.pktType = -1;
        outermost.strippedTci = -1;
        const seen: number[] = [];
        let status: TunnelStatus = TunnelStatus.Ok;
        if (decodePacket(view, AROUND, end, outermost) !== Status.Ok || outermost.ipVersion === 0)
          status = TunnelStatus.None;
        for (let i = 0; i < LEVELS && status === TunnelStatus.Ok; i++) {
          status = decodeTunnel(view, levels[i]!, levels[i + 1]!, tunnels[i]!);
          seen.push(status);
        }
        bytes.fill(octet, AROUND, end);
        return seen;
      });
      const [a, b] = worlds as [(typeof worlds)[0], (typeof worlds)[0]];
      const [seen] = statuses as [number[]];
      if (`${seen}` !== `${statuses[1]}`)
        throw new Broken(`${seen} or ${statuses[1]} by the octets around the packet`);
      let signature = seen.length;
      seen.forEach((status, i) => {
        signature = fold(signature, status);
        if (status === TunnelStatus.None) return;
        const [t, u] = [a.tunnels[i]!, b.tunnels[i]!];
        if (TUNNEL_NAMES[t.type] === undefined || t.type === 0) throw new Broken(`type ${t.type}`);
        if (t.type !== u.type || t.id !== u.id || t.hasId !== u.hasId || t.idBothWays !== u.idBothWays)
          throw new Broken('the tunnel differs by the octets around the packet');
        if (t.id !== (t.id | 0) || (!t.hasId && (t.id !== 0 || t.idBothWays))) throw new Broken(`id ${t.id}`);
        signature = fold(fold(signature, t.type), t.hasId ? 1 : 0);
        if (status !== TunnelStatus.Ok) return;
        const [outer, inner] = [a.levels[i]!, a.levels[i + 1]!];
        checkTwice(inner, b.levels[i + 1]!, outer.l4Off, outer.l4End);
        if (inner.ipVersion === 0) throw new Broken('no IP inside of what is Ok');
        if (inner.frameOff <= outer.l3Off) throw new Broken('a level that begins before the one around it');
        if (inner.wireLen < 0 || inner.wireLen > outer.wireLen)
          throw new Broken(`${inner.wireLen} octets in ${outer.wireLen}`);
        signature = fold(fold(signature, inner.ipProto), inner.linkType);
      });
      return signature;
    },
  };
}
