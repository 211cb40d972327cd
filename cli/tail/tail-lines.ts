import { formatAddress } from '../../decoders/address.ts';
import { IpProto, PacketType } from '../../decoders/packet-fields.ts';
import { Status } from '../../decoders/status.ts';
import type { stdoutColors } from '../output.ts';
import { printable } from '../format/columns.ts';
import { PlaceLines } from './place-lines.ts';
import { hexLines } from './hex-dump.ts';
import { linkHeader } from './link-header.ts';
import { routeDetails, routeTag } from './route-tag.ts';
import type { ShownPacket } from './shown-packet.ts';
import type { LineStyle } from './tail-options.ts';
import { TimeStamps } from './time-stamps.ts';

/** Places are padded to the widest one so far, up to here. */
const PLACE_MAX = 32;

/** The words of `tcpdump -i any`. */
const DIRECTIONS: Readonly<Record<number, string>> = {
  [PacketType.Host]: 'In',
  [PacketType.Broadcast]: 'B',
  [PacketType.Multicast]: 'M',
  [PacketType.OtherHost]: 'P',
  [PacketType.Outgoing]: 'Out',
};

/** Packets as lines in the manner of tcpdump, with place, direction and route tag. docs/tail.md */
export class TailLines {
  readonly #style: LineStyle;
  readonly #colors: ReturnType<typeof stdoutColors>;
  readonly #times: TimeStamps;
  readonly #lines = new PlaceLines();
  readonly #places = new Map<string, string>();
  #width = 0;

  /** @throws UsageError for a time zone that there is not */
  constructor(style: LineStyle, colors: ReturnType<typeof stdoutColors>) {
    this.#style = style;
    this.#colors = colors;
    this.#times = new TimeStamps(style.timeStyle, style.zone, style.isNano);
  }

  /** A packet, with line feeds: one line, and more where octets are asked for. */
  format(packet: ShownPacket): string {
    const { fields: f, decision } = packet;
    const tag = this.#tag(packet);
    const text = `${this.#times.format(f.tsSec, f.tsNsec)}${this.#place(packet.place)} ${direction(f.pktType)} ${this.#body(packet)}`;
    const line = tag === '' ? text : `${text}, ${tag}`;
    return `${this.#colored(line, tag, decision?.verdict === 'drop')}\n${this.#hex(packet)}`;
  }

  #body(packet: ShownPacket): string {
    const { hasLink, isQuiet } = this.#style;
    const described = this.#lines.describe(packet);
    const body = (isQuiet ? quiet(packet) : null) ?? described;
    // As tcpdump does: the EtherType says it.
    return hasLink ? linkHeader(packet) + body.replace(/^(?:IP6? |ARP, )/, '') : body;
  }

  #tag({ decision }: ShownPacket): string {
    if (decision === null || !this.#style.hasRoute) return '';
    const tag = routeTag(decision);
    const whole = this.#style.isVerbose ? `${tag} [${routeDetails(decision)}]`.trimStart() : tag;
    return printable(whole);
  }

  #colored(line: string, tag: string, isDropped: boolean): string {
    const { red, dim } = this.#colors;
    if (isDropped) return red(line);
    return tag === '' ? line : line.slice(0, line.length - tag.length) + dim(tag);
  }

  #place(place: string): string {
    let shown = this.#places.get(place);
    if (shown === undefined) {
      shown = printable(place);
      this.#places.set(place, shown);
      this.#width = Math.max(this.#width, Math.min(shown.length, PLACE_MAX));
    }
    return shown.padEnd(this.#width);
  }

  #hex({ octets, fields: f }: ShownPacket): string {
    const { hex } = this.#style;
    if (hex === null) return '';
    const from = hex.hasLink || f.l3Off < 0 ? 0 : f.l3Off;
    const lines = hexLines(octets.subarray(from), hex.hasAscii);
    return lines.map((line) => `${line}\n`).join('');
  }
}

function direction(pktType: number): string {
  return (DIRECTIONS[pktType] ?? '?').padEnd(3);
}

/** What tcpdump's -q leaves of TCP and UDP; null: the line is short as it is. */
function quiet({ octets, fields: f }: ShownPacket): string | null {
  if (f.status !== Status.Ok || f.l4Status !== Status.Ok || !f.hasPorts || f.isFragment) return null;
  if (f.ipProto !== IpProto.TCP && f.ipProto !== IpProto.UDP) return null;
  const version = f.ipVersion === 6 ? 6 : 4;
  const src = formatAddress(octets, f.srcOff, version);
  const dst = formatAddress(octets, f.dstOff, version);
  const what = f.ipProto === IpProto.TCP ? `tcp ${f.payloadLen}` : `UDP, length ${f.payloadLen}`;
  return `${version === 6 ? 'IP6' : 'IP'} ${src}.${f.srcPort} > ${dst}.${f.dstPort}: ${what}`;
}
