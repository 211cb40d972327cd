/** Octets of a list's entry in all columns. */
const ENTRY_LEN = 8 + 6 * 4 + 1;
/** Everything is aligned for its widest column. */
const ALIGN = 8;

/** Octets that a list of so many packets needs; a multiple of 8. */
export function packetListBytes(capacity: number): number {
  return Math.ceil((capacity * ENTRY_LEN) / ALIGN) * ALIGN;
}

/** What a savefile's records say of their packets, in file order, as columns; the octets stand in a view beside it. */
export class PacketList {
  readonly capacity: number;
  count = 0;
  /** As in SavefileSink.onPacket. */
  readonly secs: Float64Array;
  readonly nsecs: Int32Array;
  readonly interfaces: Int32Array;
  readonly offs: Int32Array;
  readonly capLens: Int32Array;
  readonly wireLens: Int32Array;
  readonly pktTypes: Int32Array;
  /** Which thread meters it. */
  readonly shards: Int8Array;

  /** @param buffer with packetListBytes(capacity) octets from `off`, a multiple of 8; left out: one of its own */
  constructor(
    capacity: number,
    buffer: ArrayBufferLike = new ArrayBuffer(packetListBytes(capacity)),
    off = 0,
  ) {
    let at = off;
    const words = (): Int32Array => {
      const column = new Int32Array(buffer, at, capacity);
      at += column.byteLength;
      return column;
    };
    this.capacity = capacity;
    this.secs = new Float64Array(buffer, at, capacity);
    at += this.secs.byteLength;
    this.nsecs = words();
    this.interfaces = words();
    this.offs = words();
    this.capLens = words();
    this.wireLens = words();
    this.pktTypes = words();
    this.shards = new Int8Array(buffer, at, capacity);
  }

  /** Adds a packet. The caller sees to it that there is room. */
  add(
    interfaceIndex: number,
    off: number,
    capLen: number,
    wireLen: number,
    tsSec: number,
    tsNsec: number,
    pktType: number,
    shard: number,
  ): void {
    const at = this.count++;
    this.secs[at] = tsSec;
    this.nsecs[at] = tsNsec;
    this.interfaces[at] = interfaceIndex;
    this.offs[at] = off;
    this.capLens[at] = capLen;
    this.wireLens[at] = wireLen;
    this.pktTypes[at] = pktType;
    this.shards[at] = shard;
  }
}
