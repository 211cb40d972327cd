import { PacketType } from './packet-fields.ts';
import { SavefileError } from './savefile-error.ts';
import {
  SAVEFILE_RECORD_MAX,
  type SavefileParser,
  type SavefileSink,
  WIRE_LEN_MAX,
} from './savefile-sink.ts';

/** Octets of the file header: magic, versions (2 + 2), zone, accuracy, snapLen, link type. pcap-savefile(5). */
export const PCAP_FILE_HEADER_LEN = 24;
/** Octets of a record header: seconds, fraction, captured length, original length. pcap-savefile(5). */
export const PCAP_RECORD_HEADER_LEN = 16;
/** Record header of Kuznetzov's variant: followed by interface index (4), protocol (2), packet type (1), pad (1). */
const MODIFIED_RECORD_HEADER_LEN = 24;

const MAGIC_MICRO = 0xa1b2c3d4;
export const PCAP_MAGIC_NANO = 0xa1b23c4d;
/** libpcap patched by Alexey Kuznetzov: sf-pcap.c, KUZNETZOV_TCPDUMP_MAGIC. */
const MAGIC_MODIFIED = 0xa1b2cd34;

/** IXIA's lcap: the length of all records follows the file header. Microseconds. Wireshark, wiretap/libpcap.c. */
const MAGIC_IXIA_HARDWARE = 0x1c0001ac;
const MAGIC_IXIA_SOFTWARE = 0x1c0001ab;
const IXIA_LENGTH_LEN = 4;

const VERSION_MAJOR = 2;
const VERSION_MINOR = 4;
/** Written by DG/UX; libpcap's sf-pcap.c takes it for swapped lengths. */
const VERSION_MAJOR_DGUX = 543;
/** Up to this minor version the two lengths stand the other way round; in it, either way. libpcap, sf-pcap.c. */
const VERSION_MINOR_SWAPPED = 3;

/** Link type word: bits 16-25 must be zero; above them is the FCS length. pcap-savefile(5). */
const LINKTYPE_RESERVED = 0x03ff0000;
/** MAXIMUM_SNAPLEN of libpcap: what a record may hold when the file states no larger snapLen. */
const SNAPLEN_DEFAULT_MAX = 262144;

/**
 * Whether a file that begins with these octets is a pcap file.
 * @param view at least 4 octets from `off`
 */
export function isPcapMagic(view: DataView, off: number): boolean {
  return isMagic(view.getUint32(off)) || isMagic(view.getUint32(off, true));
}

function isVersion(view: DataView, off: number, little: boolean): boolean {
  return view.getUint16(off, little) === VERSION_MAJOR && view.getUint16(off + 2, little) === VERSION_MINOR;
}

/** Whether the file header at `off` is followed by the length of all records. */
function isIxiaFile(view: DataView, off: number): boolean {
  return isIxia(view.getUint32(off)) || isIxia(view.getUint32(off, true));
}

function isMagic(value: number): boolean {
  return isPlainMagic(value) || value === MAGIC_MODIFIED || isIxia(value);
}

function isPlainMagic(value: number): boolean {
  return value === MAGIC_MICRO || value === PCAP_MAGIC_NANO;
}

function isIxia(value: number): boolean {
  return value === MAGIC_IXIA_HARDWARE || value === MAGIC_IXIA_SOFTWARE;
}

/**
 * Reads pcap files: micro- and nanosecond, both byte orders, Kuznetzov's variant, and versions before 2.4 whose lengths
 * are swapped. pcap-savefile(5); libpcap sf-pcap.c. One interface, index 0.
 */
export class PcapParser implements SavefileParser {
  needed: number;
  isMuted: boolean;
  /** A file has nothing else. */
  isPacketsOnly: boolean;
  /** Not known: every record has a time. */
  readonly lastSec: number;
  readonly lastNsec: number;
  readonly #file: string;
  readonly #sink: SavefileSink;
  /** File offset of the window, and in it the record at hand: two small integers cost a packet less than one large. */
  #windowOff: number;
  #recordOff: number;
  #started: boolean;
  #little: boolean;
  #headerLen: number;
  /** Units of the fraction in a second, and nanoseconds in a unit. */
  #unitsPerSec: number;
  #nsecPerUnit: number;
  #versionMinor: number;
  #isSwapped: boolean;
  #capLenMax: number;

  /** @param file for errors */
  constructor(file: string, sink: SavefileSink) {
    this.needed = PCAP_FILE_HEADER_LEN;
    this.isMuted = false;
    this.isPacketsOnly = false;
    this.lastSec = 0;
    this.lastNsec = 0;
    this.#windowOff = 0;
    this.#recordOff = 0;
    this.#file = file;
    this.#sink = sink;
    this.#started = false;
    this.#little = false;
    this.#headerLen = PCAP_RECORD_HEADER_LEN;
    this.#unitsPerSec = 1_000_000;
    this.#nsecPerUnit = 1_000;
    this.#versionMinor = 0;
    this.#isSwapped = false;
    this.#capLenMax = SNAPLEN_DEFAULT_MAX;
  }

  /** Records are never skipped in parts. */
  get isMidRecord(): boolean {
    return false;
  }

  passed(): void {}

  get packetOffset(): number {
    return this.#windowOff + this.#recordOff;
  }

  resume(offset: number): number {
    this.needed = this.#started ? this.#headerLen : PCAP_FILE_HEADER_LEN;
    return this.#started ? Math.max(offset, PCAP_FILE_HEADER_LEN) : 0;
  }

  describeNeed(): string {
    if (!this.#started) return 'the file header';
    if (this.needed === this.#headerLen) return 'a record header';
    return `a record of ${this.needed - this.#headerLen} captured octets`;
  }

  parse(view: DataView, off: number, end: number, fileOff: number): number {
    let cur = off;
    if (!this.#started) {
      if (end - cur < this.needed) return cur;
      const length = PCAP_FILE_HEADER_LEN + (isIxiaFile(view, cur) ? IXIA_LENGTH_LEN : 0);
      if (end - cur < length) {
        this.needed = length;
        return cur;
      }
      this.#readFileHeader(view, cur, fileOff);
      cur += length;
    }
    const little = this.#little;
    const headerLen = this.#headerLen;
    const unitsPerSec = this.#unitsPerSec;
    const nsecPerUnit = this.#nsecPerUnit;
    const sink = this.#sink;
    const isMuted = this.isMuted;
    this.#windowOff = fileOff;
    while (end - cur >= headerLen) {
      let capLen = view.getUint32(cur + 8, little);
      let wireLen = view.getUint32(cur + 12, little);
      if (this.#isSwapped && this.#lengthsSwapped(capLen, wireLen)) [capLen, wireLen] = [wireLen, capLen];
      if (capLen > this.#capLenMax) throw this.#badLength(capLen, fileOff + cur);
      if (end - cur - headerLen < capLen) {
        this.needed = headerLen + capLen;
        return cur;
      }
      if (isMuted) {
        cur += headerLen + capLen;
        continue;
      }
      this.#recordOff = cur;
      let sec = view.getUint32(cur, little);
      // Two files joined with cat: the second header reads as a packet of no octets, long ago or far ahead.
      if (capLen === 0 && isPlainMagic(sec) && isVersion(view, cur + 4, little))
        throw this.#joined(fileOff + cur);
      let fraction = view.getUint32(cur + 4, little);
      if (fraction >= unitsPerSec) {
        sec += Math.floor(fraction / unitsPerSec);
        fraction %= unitsPerSec;
      }
      if (wireLen > WIRE_LEN_MAX) wireLen = WIRE_LEN_MAX;
      sink.onPacket(
        0,
        view,
        cur + headerLen,
        Math.min(capLen, wireLen), // more captured than was on the wire cannot be; Wireshark cuts it so too
        wireLen,
        sec,
        fraction * nsecPerUnit,
        true,
        headerLen === MODIFIED_RECORD_HEADER_LEN ? view.getUint8(cur + 22) : PacketType.Unknown,
      );
      cur += headerLen + capLen;
    }
    this.needed = headerLen;
    return cur;
  }

  #readFileHeader(view: DataView, off: number, fileOff: number): void {
    this.#little = !isMagic(view.getUint32(off));
    const magic = view.getUint32(off, this.#little);
    const major = view.getUint16(off + 4, this.#little);
    const minor = view.getUint16(off + 6, this.#little);
    const snapLen = view.getUint32(off + 16, this.#little);
    const linkWord = view.getUint32(off + 20, this.#little);
    if (major !== VERSION_MAJOR && major !== VERSION_MAJOR_DGUX)
      throw this.#error('SAVEFILE_VERSION', fileOff + off, `pcap version ${major}.${minor} is not known`);
    if ((linkWord & LINKTYPE_RESERVED) !== 0)
      throw this.#error(
        'SAVEFILE_VERSION',
        fileOff + off,
        `reserved bits of the pcap link type are set (0x${linkWord.toString(16)})`,
      );
    if (magic === PCAP_MAGIC_NANO) {
      this.#unitsPerSec = 1_000_000_000;
      this.#nsecPerUnit = 1;
    }
    if (magic === MAGIC_MODIFIED) this.#headerLen = MODIFIED_RECORD_HEADER_LEN;
    this.#versionMinor = major === VERSION_MAJOR_DGUX ? 0 : minor;
    this.#isSwapped = major === VERSION_MAJOR_DGUX || minor <= VERSION_MINOR_SWAPPED;
    this.#capLenMax = Math.min(Math.max(snapLen, SNAPLEN_DEFAULT_MAX), SAVEFILE_RECORD_MAX);
    this.#started = true;
    this.needed = this.#headerLen;
    this.#sink.onInterface({
      index: 0,
      linkType: linkWord & 0xffff,
      snapLen,
      name: null,
      description: null,
    });
  }

  #lengthsSwapped(capLen: number, wireLen: number): boolean {
    return this.#versionMinor < VERSION_MINOR_SWAPPED || capLen > wireLen;
  }

  #joined(fileOff: number): SavefileError {
    return this.#error(
      'SAVEFILE_DAMAGED',
      fileOff,
      'another pcap file begins here, joined with cat; join them with mergecap, or give nstap both files',
    );
  }

  #badLength(capLen: number, fileOff: number): SavefileError {
    return this.#error(
      'SAVEFILE_DAMAGED',
      fileOff,
      `a record of ${capLen} captured octets, where at most ${this.#capLenMax} can be`,
    );
  }

  #error(code: 'SAVEFILE_VERSION' | 'SAVEFILE_DAMAGED', offset: number, reason: string): SavefileError {
    return new SavefileError(code, this.#file, offset, reason);
  }
}
