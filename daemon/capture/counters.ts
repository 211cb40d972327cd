import type { PacketFields } from '../../decoders/packet-fields.ts';
import { IpProto } from '../../decoders/packet-fields.ts';
import { Status } from '../../decoders/status.ts';
import type { CaptureCounters } from '../../storage/messages.ts';
import { zeroCounters } from '../../storage/messages.ts';

// Copies, because V8 reads what is imported from memory each time it is used and folds a local constant.
const { Ok } = Status;
const { TCP, UDP, ICMP, ICMPV6, SCTP } = IpProto;

/** Columns of the counter rows; one Float64Array a thread, one row a capture point. */
const C = {
  packets: 0,
  bytes: 1,
  decodedIpv4: 2,
  decodedIpv6: 3,
  decodedArp: 4,
  decodedOther: 5,
  undecoded: 6,
  tcp: 7,
  udp: 8,
  icmp: 9,
  sctp: 10,
  otherL4: 11,
  truncated: 12,
  fragments: 13,
  tunnelled: 14,
  tunnelUndecoded: 15,
} as const;
const ROW = 16;
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
    rows[row + C.packets]!++;
    rows[row + C.bytes]! += f.wireLen;
    // A VLAN tag that the kernel took out is part of wireLen but not of the bytes at hand.
    if (capLen + (f.strippedTci >= 0 ? VLAN_TAG_LEN : 0) < f.wireLen) rows[row + C.truncated]!++;
    if (f.status !== Ok || f.ipVersion === 0) {
      rows[row + withoutIp(f)]!++;
      return;
    }
    rows[row + (f.ipVersion === 4 ? C.decodedIpv4 : C.decodedIpv6)]!++;
    if (f.isFragment) rows[row + C.fragments]!++;
    rows[row + upperLayer(f.ipProto)]!++;
  }

  /** Counts one packet that is a tunnel's. @param undecoded the tunnel, or one inside of it, could not be followed to its end */
  countTunnel(captureIndex: number, undecoded: boolean): void {
    const row = captureIndex * ROW;
    this.#rows[row + C.tunnelled]!++;
    if (undecoded) this.#rows[row + C.tunnelUndecoded]!++;
  }

  /** Packets counted on a capture point so far. */
  packets(captureIndex: number): number {
    return this.#rows[captureIndex * ROW + C.packets] ?? 0;
  }

  /** The row as the record that storage keeps; losses outside the packet path are left at 0. */
  read(captureIndex: number): CaptureCounters {
    const counters = zeroCounters();
    for (const [name, column] of Object.entries(C)) {
      counters[name as keyof typeof C] = this.#rows[captureIndex * ROW + column] ?? 0;
    }
    return counters;
  }
}

/** The column of a packet without a sound IP header. */
function withoutIp(f: PacketFields): number {
  if (f.status !== Ok) return C.undecoded;
  return f.isArp ? C.decodedArp : C.decodedOther;
}

/** The column of an IP protocol. */
function upperLayer(proto: number): number {
  switch (proto) {
    case TCP:
      return C.tcp;
    case UDP:
      return C.udp;
    case ICMP:
    case ICMPV6:
      return C.icmp;
    case SCTP:
      return C.sctp;
    default:
      return C.otherL4;
  }
}
