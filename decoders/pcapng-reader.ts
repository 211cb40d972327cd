import { TextDecoder } from 'node:util';
import { PacketType } from './packet-fields.ts';
import { flagsToPacketType } from './pcapng-flags.ts';
import { PcapngClock, TSRESOL_DEFAULT } from './pcapng-time.ts';
import { SavefileError } from './savefile-error.ts';
import {
  SAVEFILE_RECORD_MAX,
  type SavefileParser,
  type SavefileSink,
  WIRE_LEN_MAX,
} from './savefile-sink.ts';

/** Block types. draft-ietf-opsawg-pcapng §11.1. The section header's reads the same in both byte orders. */
export const PCAPNG_SHB = 0x0a0d0d0a;
export const PCAPNG_IDB = 1;
/** Obsolete since 2004, still met. Appendix A. */
const BLOCK_PB = 2;
const BLOCK_SPB = 3;
export const PCAPNG_ISB = 5;
export const PCAPNG_EPB = 6;

export const PCAPNG_BYTE_ORDER_MAGIC = 0x1a2b3c4d;

/** Octets: type, total length, and total length again. §3.1. */
const BLOCK_MIN = 12;
/** Octets before the options or the packet, from the block's start. §4.1-4.4. */
const SHB_FIXED = 24;
const IDB_FIXED = 16;
const EPB_FIXED = 28;
const SPB_FIXED = 12;
const ISB_FIXED = 20;

/** Options. §3.5, §4.2, §4.3. */
export const OPT_ENDOFOPT = 0;
export const IF_NAME = 2;
export const IF_DESCRIPTION = 3;
export const IF_TSRESOL = 9;
const IF_TSOFFSET = 14;
export const EPB_FLAGS = 2;
/** Counters of 64 bits. §4.6. */
export const ISB_IFDROP = 5;
export const ISB_OSDROP = 7;

/** Blocks that are not packets are skipped without being held in memory when they are longer than this. */
const SKIP_MIN = 65536;
/** Interfaces of one file; each costs memory here and a capture point in the consumer. */
export const PCAPNG_INTERFACES_MAX = 65536;

interface Section {
  /** File offset of its header, and behind its last interface description that was read. */
  offset: number;
  describedTo: number;
  little: boolean;
  interfaces: Interface[];
}

interface Interface {
  index: number;
  snapLen: number;
  clock: PcapngClock;
}

/**
 * Reads pcapng files: several sections and byte orders, interfaces with their names and time resolutions, enhanced, simple
 * and obsolete packet blocks; other blocks are skipped. draft-ietf-opsawg-pcapng.
 */
export class PcapngParser implements SavefileParser {
  needed: number;
  isMuted: boolean;
  isPacketsOnly: boolean;
  lastSec: number;
  lastNsec: number;
  readonly #file: string;
  readonly #sink: SavefileSink;
  readonly #text: TextDecoder;
  #little: boolean;
  /** Sections met so far, in file order, and the one being read. */
  readonly #sections: Section[];
  #section: Section;
  /** File offset up to which blocks have been seen. */
  #seen: number;
  /** File offset of the window, and in it the block at hand. */
  #windowOff: number;
  #recordOff: number;
  #interfaceCount: number;
  /** Octets still to skip of a long block, and the length that must follow it; 0 when none is being skipped. */
  #skip: number;
  #skipTotal: number;

  /** @param file for errors */
  constructor(file: string, sink: SavefileSink) {
    this.needed = BLOCK_MIN;
    this.isMuted = false;
    this.isPacketsOnly = false;
    this.lastSec = 0;
    this.lastNsec = 0;
    this.#file = file;
    this.#sink = sink;
    this.#text = new TextDecoder();
    this.#little = false;
    this.#section = { offset: -1, describedTo: 0, little: false, interfaces: [] };
    this.#sections = [];
    this.#seen = 0;
    this.#windowOff = 0;
    this.#recordOff = 0;
    this.#interfaceCount = 0;
    this.#skip = 0;
    this.#skipTotal = 0;
  }

  get isMidRecord(): boolean {
    return this.#skipTotal > 0;
  }

  passed(offset: number, sec: number, nsec: number): void {
    this.#seen = Math.max(this.#seen, offset);
    this.lastSec = sec;
    this.lastNsec = nsec;
  }

  get packetOffset(): number {
    return this.#windowOff + this.#recordOff;
  }

  resume(offset: number): number {
    this.needed = BLOCK_MIN;
    this.#skip = 0;
    this.#skipTotal = 0;
    const section = this.#sections.findLast((each) => each.offset <= offset);
    if (section !== undefined) {
      this.#section = section;
      this.#little = section.little;
    }
    return Math.min(offset, this.#seen);
  }

  describeNeed(): string {
    if (this.#skipTotal > 0) return `a block of ${this.#skipTotal} octets`;
    return this.needed === BLOCK_MIN ? 'a block header' : `a block of ${this.needed} octets`;
  }

  parse(view: DataView, off: number, end: number, fileOff: number): number {
    let cur = off;
    this.#windowOff = fileOff;
    for (;;) {
      if (this.#skipTotal > 0) {
        const next = this.#skipOn(view, cur, end, fileOff);
        if (this.#skipTotal > 0) return next;
        cur = next;
      }
      if (end - cur < BLOCK_MIN) return this.#pause(cur, BLOCK_MIN, fileOff);
      const type = view.getUint32(cur, this.#little);
      if (this.isPacketsOnly && type !== PCAPNG_EPB) return cur;
      if (type === PCAPNG_SHB) this.#readByteOrder(view, cur, fileOff);
      const total = view.getUint32(cur + 4, this.#little);
      if (total < BLOCK_MIN) throw this.#damaged(fileOff + cur, `a block of ${total} octets`);
      // Some writers leave the padding out of the length; Wireshark rounds up as well.
      const padded = total + ((4 - (total & 3)) & 3);
      const isPacket = type === PCAPNG_EPB || type === BLOCK_SPB || type === BLOCK_PB;
      if (isPacket || type === PCAPNG_IDB || type === PCAPNG_SHB) {
        if (total > SAVEFILE_RECORD_MAX) throw this.#damaged(fileOff + cur, `a block of ${total} octets`);
      } else if (total > SKIP_MIN) {
        this.#skip = padded - 4;
        this.#skipTotal = total;
        continue;
      }
      if (end - cur < padded) return this.#pause(cur, padded, fileOff);
      this.#checkTrailer(view, cur + padded - 4, total, fileOff + cur);
      this.#recordOff = cur;
      if (isPacket && this.isMuted) {
        cur += padded;
        continue;
      }
      if (type === PCAPNG_EPB) this.#readEnhancedPacket(view, cur, total, fileOff);
      else if (type === BLOCK_SPB) this.#readSimplePacket(view, cur, total, fileOff);
      else if (type === BLOCK_PB) this.#readObsoletePacket(view, cur, total, fileOff);
      else if (type === PCAPNG_IDB) this.#readInterface(view, cur, total, fileOff);
      else if (type === PCAPNG_SHB) this.#readSection(view, cur, total, fileOff);
      else if (type === PCAPNG_ISB) this.#readStatistics(view, cur, total);
      cur += padded;
    }
  }

  #pause(cur: number, needed: number, fileOff: number): number {
    this.needed = needed;
    this.#seen = Math.max(this.#seen, fileOff + cur);
    return cur;
  }

  #skipOn(view: DataView, off: number, end: number, fileOff: number): number {
    const step = Math.min(this.#skip, end - off);
    const cur = off + step;
    this.#skip -= step;
    this.needed = this.#skip > 0 ? 1 : 4;
    if (this.#skip === 0 && end - cur >= 4) {
      this.#checkTrailer(view, cur, this.#skipTotal, fileOff + cur);
      this.#skipTotal = 0;
      return cur + 4;
    }
    return cur;
  }

  #checkTrailer(view: DataView, off: number, total: number, fileOff: number): void {
    const trailer = view.getUint32(off, this.#little);
    if (trailer !== total)
      throw this.#damaged(fileOff, `a block whose two lengths differ (${total} and ${trailer})`);
  }

  #readByteOrder(view: DataView, off: number, fileOff: number): void {
    if (view.getUint32(off + 8) === PCAPNG_BYTE_ORDER_MAGIC) this.#little = false;
    else if (view.getUint32(off + 8, true) === PCAPNG_BYTE_ORDER_MAGIC) this.#little = true;
    else throw this.#damaged(fileOff + off, 'a section header without byte-order magic');
  }

  #readSection(view: DataView, off: number, total: number, fileOff: number): void {
    if (total < SHB_FIXED + 4) throw this.#damaged(fileOff + off, `a section header of ${total} octets`);
    const major = view.getUint16(off + 12, this.#little);
    const minor = view.getUint16(off + 14, this.#little);
    // 1.2 was written by early pcapng writers and means 1.0 (libpcap, sf-pcapng.c).
    if (major !== 1 || (minor !== 0 && minor !== 2))
      throw new SavefileError(
        'SAVEFILE_VERSION',
        this.#file,
        fileOff + off,
        `pcapng version ${major}.${minor} is not known`,
      );
    this.#walkOptions(view, off + SHB_FIXED, off + total - 4, fileOff, ignoreOption);
    const offset = fileOff + off;
    const known = this.#sections.find((each) => each.offset === offset);
    this.#section = known ?? { offset, describedTo: offset, little: this.#little, interfaces: [] };
    if (known === undefined) this.#sections.push(this.#section);
  }

  #readInterface(view: DataView, off: number, total: number, fileOff: number): void {
    if (total < IDB_FIXED + 4) throw this.#damaged(fileOff + off, `an interface block of ${total} octets`);
    if (fileOff + off < this.#section.describedTo) return; // read before, see resume
    if (this.#interfaceCount >= PCAPNG_INTERFACES_MAX)
      throw this.#damaged(fileOff + off, `more than ${PCAPNG_INTERFACES_MAX} interfaces`);
    let name: string | null = null;
    let description: string | null = null;
    let tsResol: number = TSRESOL_DEFAULT;
    let offsetSec = 0;
    this.#walkOptions(view, off + IDB_FIXED, off + total - 4, fileOff, (code, at, len) => {
      if (code === IF_NAME) name = this.#readText(view, at, len);
      else if (code === IF_DESCRIPTION) description = this.#readText(view, at, len);
      else if (code === IF_TSRESOL && len === 1) tsResol = view.getUint8(at);
      else if (code === IF_TSOFFSET && len === 8) offsetSec = Number(view.getBigInt64(at, this.#little));
    });
    const snapLen = view.getUint32(off + 12, this.#little);
    const index = this.#interfaceCount++;
    this.#section.interfaces.push({ index, snapLen, clock: new PcapngClock(tsResol, offsetSec) });
    this.#section.describedTo = fileOff + off + total;
    this.#sink.onInterface({
      index,
      linkType: view.getUint16(off + 8, this.#little),
      snapLen,
      name,
      description,
    });
  }

  /** The string's octets up to a NUL, which some writers add. */
  #readText(view: DataView, off: number, len: number): string {
    const bytes = new Uint8Array(view.buffer, view.byteOffset + off, len);
    const nul = bytes.indexOf(0);
    return this.#text.decode(nul < 0 ? bytes : bytes.subarray(0, nul));
  }

  /** Enhanced packet block: interface, time (2 words), captured and original length, packet, options. §4.3. */
  #readEnhancedPacket(view: DataView, off: number, total: number, fileOff: number): void {
    if (total < EPB_FIXED + 4) throw this.#damaged(fileOff + off, `a packet block of ${total} octets`);
    const id = view.getUint32(off + 8, this.#little);
    const capLen = view.getUint32(off + 20, this.#little);
    if (capLen > total - EPB_FIXED - 4) throw this.#doesNotFit(fileOff + off, capLen, total);
    const options = off + EPB_FIXED + ((capLen + 3) & ~3);
    const pktType =
      options < off + total - 4 ? this.#readFlags(view, options, off + total - 4) : PacketType.Unknown;
    this.#deliver(view, off, id, capLen, pktType, fileOff);
  }

  /** Obsolete packet block: interface and drops (2 octets each), the rest as in the enhanced one. Appendix A. */
  #readObsoletePacket(view: DataView, off: number, total: number, fileOff: number): void {
    if (total < EPB_FIXED + 4) throw this.#damaged(fileOff + off, `a packet block of ${total} octets`);
    const capLen = view.getUint32(off + 20, this.#little);
    if (capLen > total - EPB_FIXED - 4) throw this.#doesNotFit(fileOff + off, capLen, total);
    this.#deliver(view, off, view.getUint16(off + 8, this.#little), capLen, PacketType.Unknown, fileOff);
  }

  #deliver(view: DataView, off: number, id: number, capLen: number, pktType: number, fileOff: number): void {
    const from = this.#interfaceOf(id, fileOff + off);
    const wireLen = Math.min(view.getUint32(off + 24, this.#little), WIRE_LEN_MAX);
    const clock = from.clock;
    clock.read(view, off + 12, this.#little);
    this.lastSec = clock.sec;
    this.lastNsec = clock.nsec;
    this.#sink.onPacket(
      from.index,
      view,
      off + EPB_FIXED,
      Math.min(capLen, wireLen),
      wireLen,
      clock.sec,
      clock.nsec,
      true,
      pktType,
    );
  }

  /** Simple packet block: original length, packet; of the section's first interface, without a time. §4.4. */
  #readSimplePacket(view: DataView, off: number, total: number, fileOff: number): void {
    if (total < SPB_FIXED + 4) throw this.#damaged(fileOff + off, `a packet block of ${total} octets`);
    const from = this.#interfaceOf(0, fileOff + off);
    const wireLen = Math.min(view.getUint32(off + 8, this.#little), WIRE_LEN_MAX);
    const capLen = from.snapLen > 0 ? Math.min(wireLen, from.snapLen) : wireLen;
    if (capLen > total - SPB_FIXED - 4) throw this.#doesNotFit(fileOff + off, capLen, total);
    this.#sink.onPacket(
      from.index,
      view,
      off + SPB_FIXED,
      capLen,
      wireLen,
      this.lastSec,
      this.lastNsec,
      false,
      PacketType.Unknown,
    );
  }

  /** Interface statistics block: interface, time (2 words), options. A broken one loses no packet. §4.6. */
  #readStatistics(view: DataView, off: number, total: number): void {
    const from =
      total < ISB_FIXED + 4 ? undefined : this.#section.interfaces[view.getUint32(off + 8, this.#little)];
    if (from === undefined || this.#sink.onStatistics === undefined || this.isMuted) return;
    const end = off + total - 4;
    let dropped = -1;
    let cur = off + ISB_FIXED;
    while (end - cur >= 4) {
      const code = view.getUint16(cur, this.#little);
      const len = view.getUint16(cur + 2, this.#little);
      if (code === OPT_ENDOFOPT || len > end - cur - 4) break;
      if ((code === ISB_IFDROP || code === ISB_OSDROP) && len === 8)
        dropped = Math.max(dropped, 0) + Number(view.getBigUint64(cur + 4, this.#little));
      cur += 4 + ((len + 3) & ~3);
    }
    if (dropped >= 0) this.#sink.onStatistics(from.index, dropped);
  }

  #interfaceOf(id: number, offset: number): Interface {
    const found = this.#section.interfaces[id];
    if (found === undefined)
      throw this.#damaged(offset, `a packet of interface ${id}, of which the file has no description`);
    return found;
  }

  /**
   * epb_flags: direction in bits 0-1, reception type in bits 2-4. §4.3.1. Options that do not fit their block are left
   * alone: the packet itself is whole.
   */
  #readFlags(view: DataView, off: number, end: number): number {
    let cur = off;
    while (end - cur >= 4) {
      const code = view.getUint16(cur, this.#little);
      const len = view.getUint16(cur + 2, this.#little);
      if (code === OPT_ENDOFOPT || len > end - cur - 4) break;
      if (code === EPB_FLAGS && len === 4) return flagsToPacketType(view.getUint32(cur + 4, this.#little));
      cur += 4 + ((len + 3) & ~3);
    }
    return PacketType.Unknown;
  }

  /** Calls `visit` for each option; the block's writer is broken when one does not fit. §3.5. */
  #walkOptions(
    view: DataView,
    off: number,
    end: number,
    fileOff: number,
    visit: (code: number, at: number, len: number) => void,
  ): void {
    let cur = off;
    while (end - cur >= 4) {
      const code = view.getUint16(cur, this.#little);
      const len = view.getUint16(cur + 2, this.#little);
      if (code === OPT_ENDOFOPT) return;
      if (len > end - cur - 4)
        throw this.#damaged(fileOff + cur, `an option of ${len} octets, longer than its block`);
      visit(code, cur + 4, len);
      cur += 4 + ((len + 3) & ~3);
    }
  }

  #doesNotFit(offset: number, capLen: number, total: number): SavefileError {
    return this.#damaged(offset, `a packet of ${capLen} octets in a block of ${total}`);
  }

  #damaged(offset: number, reason: string): SavefileError {
    return new SavefileError('SAVEFILE_DAMAGED', this.#file, offset, reason);
  }
}

function ignoreOption(): void {}
