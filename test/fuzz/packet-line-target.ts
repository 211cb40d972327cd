import { PacketLines } from '../../cli/packet-line/packet-lines.ts';
import { decodePacket } from '../../decoders/packet.ts';
import { PacketFields } from '../../decoders/packet-fields.ts';
import { frame } from '../support/frames.ts';
import { tunnelFrames } from '../support/tunnel-frames.ts';
import { Broken, fold, type Target } from './target.ts';

const AROUND = 64;
const ROOM = 8192;

/** The line of an Ethernet frame: printable, and the same whatever lies around the packet. Octets 0 to 2 as in the decode target. */
export function packetLineTarget(): Target {
  const worlds = [0x00, 0xff].map((octet) => {
    const bytes = new Uint8Array(ROOM).fill(octet);
    return { bytes, octet, view: new DataView(bytes.buffer) };
  });
  const f = new PacketFields();
  return {
    name: 'line',
    seeds: () =>
      [
        ...tunnelFrames(),
        frame({ proto: 'icmp', sport: 3, dport: 3, payload: 40 }),
        frame({ proto: 58, src: 'fd00::1', dst: 'fd00::2', sport: 1, dport: 4, payload: 60 }),
        frame({ flags: 'SA', payload: 20 }),
      ].map((packet) => Uint8Array.from([0, 0, 0, ...packet])),
    run(input) {
      const packet = input.subarray(3, 3 + ROOM - 2 * AROUND);
      const lines = worlds.map(({ bytes, view, octet }) => {
        bytes.set(packet, AROUND);
        f.linkType = 1;
        f.wireLen = packet.length + ((input[1] ?? 0) & 1 ? (input[2] ?? 0) << 3 : 0);
        f.pktType = -1;
        f.strippedTci = -1;
        decodePacket(view, AROUND, AROUND + packet.length, f);
        const line = new PacketLines().format(view, f);
        bytes.fill(octet, AROUND, AROUND + packet.length);
        return line;
      });
      const [line] = lines as [string];
      if (line !== lines[1]) throw new Broken(`by the octets around the packet: ${line} or ${lines[1]}`);
      if (!/^[\x20-\x7e]+$/.test(line)) throw new Broken(`not printable: ${JSON.stringify(line)}`);
      const shape = line.replace(/[0-9a-f]*[0-9a-f:.]{2,}|\d+/g, '#');
      let signature = shape.length;
      for (let i = 0; i < shape.length; i++) signature = fold(signature, shape.charCodeAt(i));
      return signature;
    },
  };
}
