import { FrameCopier, type SourceFields } from './frame-copier.ts';
import { LinkType } from './link-types.ts';
import { SNAPLEN_NONE } from './pcap-writer.ts';
import { packetTypeToFlags } from './pcapng-flags.ts';
import { counter64, encodeOptions, type PcapngOption } from './pcapng-options.ts';
import {
  EPB_FLAGS,
  IF_DESCRIPTION,
  IF_NAME,
  IF_TSRESOL,
  ISB_IFDROP,
  ISB_OSDROP,
  PCAPNG_BYTE_ORDER_MAGIC,
  PCAPNG_EPB,
  PCAPNG_IDB,
  PCAPNG_ISB,
  PCAPNG_SHB,
} from './pcapng-reader.ts';
import { SavefileOutput } from './savefile-output.ts';

/** Options of the section header. draft-ietf-opsawg-pcapng §4.1. */
const SHB_HARDWARE = 2;
const SHB_OS = 3;
const SHB_USERAPPL = 4;
/** Of the interface description. §4.2. */
const IF_FILTER = 11;
const IF_OS = 12;
/** Of the enhanced packet block. §4.3. */
const EPB_DROPCOUNT = 4;
/** Of every block. §3.5. */
const OPT_COMMENT = 1;
/** Of the interface statistics block. §4.6. */
const ISB_STARTTIME = 2;
const ISB_ENDTIME = 3;
const ISB_IFRECV = 4;
const ISB_FILTERACCEPT = 6;
const ISB_USRDELIV = 8;

/** Octets of a block without its body, and of an enhanced packet block before the packet. */
const BLOCK_MIN = 12;
const EPB_FIXED = 28;
/** epb_flags with the option's header, and the end of the options. */
const FLAGS_LEN = 12;
const TSRESOL_NANO = 9;
/** The first octet of if_filter: a string of libpcap's language follows. */
const FILTER_IS_TEXT = 0;

/** Largest second whose nanoseconds fit 64 bits: in the year 2554. */
const SEC_MAX = 18_446_744_072;
const TWO_16 = 65_536;
const TWO_32 = 4_294_967_296;

export interface PcapngSection {
  hardware?: string;
  os?: string;
  /** The program that writes, with its version. */
  application?: string;
  comment?: string;
}

export interface PcapngInterface {
  /** LINKTYPE_ value. */
  linkType: number;
  /** As a user knows it: "ns1/veth0". */
  name?: string;
  description?: string;
  /** Limit on captured octets; default SNAPLEN_NONE. */
  snapLen?: number;
  /** pcap-filter(7) expression. */
  filter?: string;
  os?: string;
}

/** What a packet has beyond its octets; each is left out when not given. */
export interface PcapngPacketExtras {
  comment?: string;
  /** Packets lost between this one and the one before of its interface. */
  dropCount?: number;
}

/** Counters of an interface since its start; each is left out when not given. §4.6. */
export interface PcapngStatistics {
  comment?: string;
  /** [seconds since the epoch, nanoseconds]. */
  start?: readonly [number, number];
  end?: readonly [number, number];
  /** What the interface received, and what it dropped for want of resources. */
  received?: number;
  droppedByInterface?: number;
  /** What passed the filter, what the kernel dropped, and what came to the program. */
  acceptedByFilter?: number;
  droppedByKernel?: number;
  delivered?: number;
}

/**
 * Writes a pcapng file: one little-endian section, nanoseconds, an interface description each before its first packet, enhanced
 * packet blocks with direction, interface statistics. draft-ietf-opsawg-pcapng. A plain packet allocates nothing.
 */
export class PcapngWriter {
  /** Packets written, and those left out because the format has no number for their time (before 1970, after 2554). */
  packets = 0;
  refused = 0;
  readonly #output: SavefileOutput;
  readonly #isEthernet: boolean[] = [];
  readonly #copier = new FrameCopier();
  readonly #clock = new NanosecondWords();

  /** @param file path, made anew if it is there; "-" is stdout. @throws SavefileError (SAVEFILE_WRITE) */
  constructor(file: string, section: PcapngSection = {}) {
    this.#output = new SavefileOutput(file, (view, off) => view.getUint32(off + 4, true));
    const fixed = Buffer.alloc(16, 0xff); // the section's length is not known: -1
    fixed.writeUInt32LE(PCAPNG_BYTE_ORDER_MAGIC, 0);
    fixed.writeUInt16LE(1, 4);
    fixed.writeUInt16LE(0, 6);
    this.#block(PCAPNG_SHB, fixed, [
      ...given(OPT_COMMENT, section.comment),
      ...given(SHB_HARDWARE, section.hardware),
      ...given(SHB_OS, section.os),
      ...given(SHB_USERAPPL, section.application),
    ]);
  }

  /** Octets of the file so far. */
  get position(): number {
    return this.#output.position;
  }

  /** Describes an interface. @returns its number, for `packet`. @throws SavefileError (SAVEFILE_WRITE) */
  addInterface(info: PcapngInterface): number {
    const fixed = Buffer.alloc(8);
    fixed.writeUInt16LE(info.linkType, 0);
    fixed.writeUInt32LE(info.snapLen ?? SNAPLEN_NONE, 4);
    const filter = info.filter === undefined ? undefined : String.fromCharCode(FILTER_IS_TEXT) + info.filter;
    this.#block(PCAPNG_IDB, fixed, [
      ...given(IF_NAME, info.name),
      ...given(IF_DESCRIPTION, info.description),
      [IF_TSRESOL, Uint8Array.of(TSRESOL_NANO)],
      ...given(IF_FILTER, filter),
      ...given(IF_OS, info.os),
    ]);
    return this.#isEthernet.push(info.linkType === LinkType.ETHERNET) - 1;
  }

  /**
   * Writes one packet.
   * @param index  number of its interface
   * @param off    first octet of the frame in `view`; off + capLen <= view.byteLength
   * @param f      its time, its length on the wire, its direction (PacketType), and a VLAN tag to put back
   * @param extras comment and lost packets: they allocate
   * @returns false when it was left out, see `refused`
   * @throws SavefileError (SAVEFILE_WRITE), see SavefileOutput.flush; RangeError for an interface that was not described
   */
  packet(
    index: number,
    view: DataView,
    off: number,
    capLen: number,
    f: SourceFields,
    extras?: PcapngPacketExtras,
  ): boolean {
    const isEthernet = this.#isEthernet[index];
    if (isEthernet === undefined) throw new RangeError(`pcapng: interface ${index} was not described`);
    if (f.tsSec < 0 || f.tsSec > SEC_MAX) {
      this.refused++;
      return false;
    }
    const storedLen = this.#copier.start(isEthernet, capLen, f);
    const padded = (storedLen + 3) & ~3;
    const flags = packetTypeToFlags(f.pktType);
    const options = extras === undefined ? null : packetOptions(flags, extras);
    const optionsLen = options !== null ? options.length : flags === 0 ? 0 : FLAGS_LEN;
    const total = EPB_FIXED + padded + optionsLen + 4;
    const at = this.#output.reserve(total);
    const to = this.#output.view;
    to.setUint32(at, PCAPNG_EPB, true);
    to.setUint32(at + 4, total, true);
    to.setUint32(at + 8, index, true);
    this.#clock.put(to, at + 12, f.tsSec, f.tsNsec);
    to.setUint32(at + 20, storedLen, true);
    to.setUint32(at + 24, f.wireLen, true);
    this.#copier.put(this.#output, at + EPB_FIXED, view, off, capLen, f);
    for (let i = storedLen; i < padded; i++) to.setUint8(at + EPB_FIXED + i, 0);
    const behind = at + EPB_FIXED + padded;
    if (options !== null) this.#output.bytes.set(options, behind);
    else if (flags !== 0) {
      to.setUint16(behind, EPB_FLAGS, true);
      to.setUint16(behind + 2, 4, true);
      to.setUint32(behind + 4, flags, true);
      to.setUint32(behind + 8, 0, true);
    }
    to.setUint32(at + total - 4, total, true);
    this.#output.commit(total);
    this.packets++;
    return true;
  }

  /**
   * Writes the counters of an interface: once, behind its last packet.
   * @throws SavefileError (SAVEFILE_WRITE); RangeError for an interface that was not described
   */
  statistics(index: number, at: readonly [number, number], counters: PcapngStatistics): void {
    if (this.#isEthernet[index] === undefined)
      throw new RangeError(`pcapng: interface ${index} was not described`);
    const fixed = Buffer.alloc(12);
    fixed.writeUInt32LE(index, 0);
    fixed.set(this.#time(at), 4);
    const { start, end } = counters;
    this.#block(PCAPNG_ISB, fixed, [
      ...given(OPT_COMMENT, counters.comment),
      ...(start === undefined ? [] : [[ISB_STARTTIME, this.#time(start)] as const]),
      ...(end === undefined ? [] : [[ISB_ENDTIME, this.#time(end)] as const]),
      ...count(ISB_IFRECV, counters.received),
      ...count(ISB_IFDROP, counters.droppedByInterface),
      ...count(ISB_FILTERACCEPT, counters.acceptedByFilter),
      ...count(ISB_OSDROP, counters.droppedByKernel),
      ...count(ISB_USRDELIV, counters.delivered),
    ]);
  }

  /** Writes what is gathered to the file. @throws SavefileError (SAVEFILE_WRITE) */
  flush(): void {
    this.#output.flush();
  }

  /** Writes the rest and closes; idempotent. @throws SavefileError (SAVEFILE_WRITE) */
  close(): void {
    this.#output.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #time([sec, nsec]: readonly [number, number]): Uint8Array {
    const octets = new Uint8Array(8);
    this.#clock.put(new DataView(octets.buffer), 0, sec, nsec);
    return octets;
  }

  #block(type: number, fixed: Uint8Array, options: readonly PcapngOption[]): void {
    const tail = encodeOptions(options);
    const total = BLOCK_MIN + fixed.length + tail.length;
    const at = this.#output.reserve(total);
    const { view, bytes } = this.#output;
    view.setUint32(at, type, true);
    view.setUint32(at + 4, total, true);
    bytes.set(fixed, at + 8);
    bytes.set(tail, at + 8 + fixed.length);
    view.setUint32(at + total - 4, total, true);
    this.#output.commit(total);
  }
}

/**
 * Writes nanoseconds since the epoch as the high and the low word of 64 bits, exactly and without BigInt: the products of the
 * two halves of the seconds stay below 2^53.
 */
class NanosecondWords {
  /** The last second, and its nanoseconds as high * 2^32 + rest, where rest may pass 2^32. */
  #sec = 0;
  #high = 0;
  #rest = 0;

  put(view: DataView, off: number, sec: number, nsec: number): void {
    if (sec !== this.#sec) {
      const upper = Math.floor(sec / TWO_16) * 1e9;
      this.#sec = sec;
      this.#high = Math.floor(upper / TWO_16);
      this.#rest = (upper % TWO_16) * TWO_16 + (sec % TWO_16) * 1e9;
    }
    const rest = this.#rest + nsec;
    const carry = Math.floor(rest / TWO_32);
    view.setUint32(off, this.#high + carry, true);
    view.setUint32(off + 4, rest - carry * TWO_32, true);
  }
}

function given(code: number, value: string | undefined): PcapngOption[] {
  return value === undefined ? [] : [[code, value]];
}

function count(code: number, value: number | undefined): PcapngOption[] {
  return value === undefined ? [] : [[code, counter64(value)]];
}

function packetOptions(flags: number, { comment, dropCount }: PcapngPacketExtras): Uint8Array {
  const word = Buffer.alloc(4);
  word.writeUInt32LE(flags);
  return encodeOptions([
    ...(flags === 0 ? [] : [[EPB_FLAGS, word] as const]),
    ...given(OPT_COMMENT, comment),
    ...count(EPB_DROPCOUNT, dropCount),
  ]);
}
