import { ETH_P_IP, ETH_P_IPV6 } from '../../decoders/ethertype.ts';
import type { PacketFields } from '../../decoders/packet-fields.ts';
import { Status } from '../../decoders/status.ts';
import { arpLine } from './arp.ts';
import { ipv4Line, ipv6Line } from './ip.ts';
import { Cut, Octets } from './octets.ts';
import { SequenceBases } from './tcp.ts';

/**
 * One line a packet, in the words of `tcpdump -nn -tt`: for `tail`, and for people who have read tcpdump's lines for years.
 * What differs on purpose is in docs/packet-line.md: no protocol above TCP and UDP is taken apart.
 */
export class PacketLines {
  readonly #bases = new SequenceBases();

  /**
   * The line of a packet, without a line feed. Never throws, and reads nothing outside of the packet.
   * @param view the bytes that the offsets in `f` point into
   * @param f    result of decodePacket, whatever its status
   */
  format(view: DataView, f: PacketFields): string {
    return `${time(f.tsSec, f.tsNsec)} ${this.describe(view, f)}`;
  }

  /** The line without its time. Parameters and promises as of `format`. */
  describe(view: DataView, f: PacketFields): string {
    const parts: string[] = [];
    try {
      this.#body(view, f, (text) => parts.push(text));
    } catch (error) {
      if (!(error instanceof Cut)) throw error; // the mark is on the line already
    }
    return parts.join('');
  }

  #body(view: DataView, f: PacketFields, put: (text: string) => void): void {
    const o = new Octets(view, f.capEnd);
    const length = f.wireEnd - f.l3Off;
    if (f.isArp) {
      try {
        put(arpLine(o, f.l3Off, length));
      } catch (error) {
        put(' [|arp]');
        throw error;
      }
    } else if (f.l3Off >= 0 && (f.ipVersion === 4 || f.etherType === ETH_P_IP)) {
      ipv4Line(o, f.l3Off, length, this.#bases, put);
    } else if (f.l3Off >= 0 && (f.ipVersion === 6 || f.etherType === ETH_P_IPV6)) {
      ipv6Line(o, f.l3Off, length, this.#bases, put);
    } else if (f.etherType >= 0 && f.status === Status.Ok) {
      put(`ethertype 0x${f.etherType.toString(16).padStart(4, '0')}, length ${length}`);
    } else put(`link type ${f.linkType}, length ${f.wireLen}`);
  }
}

/** Seconds since the epoch with six decimals, cut, not rounded: `tcpdump -tt`. */
function time(sec: number, nsec: number): string {
  return `${sec}.${String(Math.floor(nsec / 1000)).padStart(6, '0')}`;
}
