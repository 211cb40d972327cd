import type { PacketFields } from '../../decoders/packet-fields.ts';
import { IpProto } from '../../decoders/packet-fields.ts';
import { Status } from '../../decoders/status.ts';
import type { CaptureCounters } from '../../storage/messages.ts';
import { zeroCounters } from '../../storage/messages.ts';

// Copies, because V8 reads what is imported from memory each time it is used and folds a local constant.
const { Ok } = Status;
const { TCP, UDP, ICMP, ICMPV6, SCTP } = IpProto;

/** Upper layers that are told apart, and the column of each behind that of its IP version. */
const UPPER = ['otherL4', 'tcp', 'udp', 'icmp', 'sctp'] as const;
/** The place in UPPER of each protocol. */
const PLACE = new Uint8Array(256);
for (const [proto, name] of [
  [TCP, 'tcp'],
  [UDP, 'udp'],
  [ICMP, 'icmp'],
  [ICMPV6, 'icmp'],
  [SCTP, 'sctp'],
] as const)
  PLACE[proto] = UPPER.indexOf(name);

/**
 * Columns of the counter rows; one Float64Array a thread, one row a capture point. Each packet is counted in one column of the last
 * kind, and the others are sums of those: a packet costs two additions.
 */
const BYTES = 0;
const TRUNCATED = 1;
const FRAGMENTS = 2;
const TUNNELLED = 3;
const TUNNEL_UNDECODED = 4;
const UNDECODED = 5;
const ARP = 6;
const OTHER = 7;
const V4 = 8;
const V6 = V4 + UPPER.length;
const ROW = V6 + UPPER.length;
const VLAN_TAG_LEN = 4;

/**
 * Counts each packet once, by capture point: `packets` = decoded (one of four) + `undecoded`. Grows by whole rows when
 * a capture point is added, never while packets flow.
 */
export class PacketCounters {
  #rows = new Float64Array(ROW * 8);

  /** Makes room for the capture point with this index. */
  reserve(captureIndex: number): void {
    if ((captureIndex + 1) * ROW <= this.#rows.length) return;
    const rows = new Float64Array((captureIndex + 1) * ROW * 2);
    rows.set(this.#rows);
    this.#rows = rows;
  }

  /** Counts one packet by what decodePacket said of it. @param capLen captured octets */
  count(f: PacketFields, capLen: number): void {
    const rows = this.#rows;
    const row = f.captureIndex * ROW;
    rows[row + BYTES]! += f.wireLen;
    // A VLAN tag that the kernel took out is part of wireLen but not of the bytes at hand.
    if (capLen + (f.strippedTci >= 0 ? VLAN_TAG_LEN : 0) < f.wireLen) rows[row + TRUNCATED]!++;
    let column = f.ipVersion === 4 ? V4 : V6;
    if (f.status !== Ok || f.ipVersion === 0) column = withoutIp(f);
    else {
      column += PLACE[f.ipProto]!;
      if (f.isFragment) rows[row + FRAGMENTS]!++;
    }
    rows[row + column]!++;
  }

  /** Counts one packet that is a tunnel's. @param undecoded the tunnel, or one inside of it, could not be followed to its end */
  countTunnel(captureIndex: number, undecoded: boolean): void {
    const row = captureIndex * ROW;
    this.#rows[row + TUNNELLED]!++;
    if (undecoded) this.#rows[row + TUNNEL_UNDECODED]!++;
  }

  /** Packets counted on a capture point so far. */
  packets(captureIndex: number): number {
    return this.#sum(captureIndex, UNDECODED, ROW);
  }

  /** The row as the record that storage keeps; losses outside the packet path are left at 0. */
  read(captureIndex: number): CaptureCounters {
    const counters = zeroCounters();
    const of = (column: number): number => this.#sum(captureIndex, column, column + 1);
    counters.packets = this.packets(captureIndex);
    counters.bytes = of(BYTES);
    counters.truncated = of(TRUNCATED);
    counters.fragments = of(FRAGMENTS);
    counters.tunnelled = of(TUNNELLED);
    counters.tunnelUndecoded = of(TUNNEL_UNDECODED);
    counters.undecoded = of(UNDECODED);
    counters.decodedArp = of(ARP);
    counters.decodedOther = of(OTHER);
    counters.decodedIpv4 = this.#sum(captureIndex, V4, V6);
    counters.decodedIpv6 = this.#sum(captureIndex, V6, ROW);
    for (const [i, name] of UPPER.entries()) counters[name] = of(V4 + i) + of(V6 + i);
    return counters;
  }

  /** The sum of columns [from, to); 0 for a capture point that was not announced. */
  #sum(captureIndex: number, from: number, to: number): number {
    let sum = 0;
    for (let column = from; column < to; column++) sum += this.#rows[captureIndex * ROW + column] ?? 0;
    return sum;
  }
}

/** The column of a packet without a sound IP header. */
function withoutIp(f: PacketFields): number {
  if (f.status !== Ok) return UNDECODED;
  return f.isArp ? ARP : OTHER;
}
