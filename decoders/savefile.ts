import { PCAP_FILE_HEADER_LEN, PcapParser } from './pcap-reader.ts';
import { PcapngParser } from './pcapng-reader.ts';
import { DecompressSource } from './savefile-decompress.ts';
import { DETECT_LEN, detectFormat } from './savefile-detect.ts';
import { SavefileError } from './savefile-error.ts';
import { type ByteSource, SavefileInput } from './savefile-input.ts';
import type { SavefileParser, SavefileSink } from './savefile-sink.ts';

/** Octets read and delivered by one call of `next`. */
const CHUNK_LEN_DEFAULT = 1024 * 1024;

/** Settings of a reader. */
export interface SavefileOptions {
  /** Octets of the window, at least 512; it grows for a larger record. Default 1 MiB. */
  chunkLen?: number;
  /** Of a regular file: octets that are read, though it may be longer by now. Left out: what there is. */
  octets?: number | undefined;
}

/**
 * Reads one savefile, a chunk at a time, and delivers its packets to a sink out of one reused buffer: pcap and pcapng, plain
 * or within gzip or zstd, from a file or stdin. What it is is told by content, not by name. Memory is the window, and a
 * larger one only for a record that needs it (bound SAVEFILE_RECORD_MAX).
 *
 * `next` reads the next chunk. For a plain regular file it works synchronously and returns a boolean, as capture threads
 * need it; for a pipe or a compressed file it returns a promise, and unpacking runs beside decoding on another thread.
 * `while (await reader.next());` serves both and costs one turn of the event loop per chunk, never per packet.
 */
export class SavefileReader {
  readonly file: string;
  readonly #input: SavefileInput;
  readonly #sink: SavefileSink;
  #source: ByteSource;
  #decompressor: DecompressSource | null;
  #parser: SavefileParser | null;
  #buffer: Uint8Array;
  #view: DataView;
  /** The window's used part, and the offset in the (uncompressed) file of the buffer's octet 0. */
  #start: number;
  #end: number;
  #fileOff: number;
  #closed: boolean;

  /**
   * @param file path, or "-" for stdin
   * @throws SavefileError (SAVEFILE_OPEN) when it cannot be opened; what it holds shows at the first `next`
   */
  constructor(file: string, sink: SavefileSink, options: SavefileOptions = {}) {
    this.file = file;
    this.#input = new SavefileInput(file, options.octets);
    this.#sink = sink;
    this.#source = this.#input;
    this.#decompressor = null;
    this.#parser = null;
    this.#buffer = new Uint8Array(Math.max(DETECT_LEN, options.chunkLen ?? CHUNK_LEN_DEFAULT));
    this.#view = new DataView(this.#buffer.buffer);
    this.#start = 0;
    this.#end = 0;
    this.#fileOff = 0;
    this.#closed = false;
  }

  /** Octets of the file read so far, compressed ones where it is compressed; for progress. */
  get bytesRead(): number {
    return this.#input.position;
  }

  /** Octets of the file; null when it is not a regular file. */
  get totalBytes(): number | null {
    return this.#input.size;
  }

  /**
   * Within `onPacket`: where the packet's record begins, in octets of the file, or of the uncompressed stream where it is
   * compressed. `seek` takes it.
   */
  get packetOffset(): number {
    return this.#parser?.packetOffset ?? 0;
  }

  /**
   * Goes to a packet: the next call of `next` begins with it. What the file says before that (interfaces and byte orders of
   * pcapng) is read if it was not yet; interfaces are announced once. For plain regular files.
   * @param offset a `packetOffset` of this file; anything else shows as damage
   * @throws SavefileError; the reader is closed
   */
  seek(offset: number): void {
    if (this.#closed) throw new SavefileError('SAVEFILE_OPEN', this.file, null, 'it is closed');
    try {
      const parser = this.#seekable();
      parser.isMuted = true;
      for (let at = parser.resume(offset); at < offset; at += this.#start) {
        const end = at + this.#fill(at, Math.min(this.#buffer.length, offset - at));
        this.#deliver();
        if (this.#start > 0) continue;
        if (end - at < this.#buffer.length)
          throw new SavefileError('SAVEFILE_DAMAGED', this.file, offset, 'no packet begins here');
        this.#buffer = new Uint8Array(this.#buffer.length * 2);
        this.#view = new DataView(this.#buffer.buffer);
      }
      parser.isMuted = false;
      this.#fill(offset, 0);
    } catch (error) {
      this.#fail(error);
    }
  }

  /** Offset of the record that the next call of `next` begins with, in octets of the (uncompressed) file. Not within a delivery. */
  get offset(): number {
    return this.#fileOff + this.#start;
  }

  /** Whether `deliverAt` works: between two records of a plain regular file. */
  get isAddressable(): boolean {
    const parser = this.#parser;
    return parser !== null && !parser.isMidRecord && this.#decompressor === null && this.#input.isSeekable;
  }

  /** Time of the last packet that has one, for packets without one. */
  get lastSec(): number {
    return this.#parser?.lastSec ?? 0;
  }

  get lastNsec(): number {
    return this.#parser?.lastNsec ?? 0;
  }

  /**
   * Takes note that other readers of the file have delivered all between where this one is and an offset, by `deliverAt`.
   * @param sec, nsec their `lastSec` and `lastNsec`
   */
  passed(offset: number, sec: number, nsec: number): void {
    this.#parser!.passed(offset, sec, nsec);
  }

  /**
   * Reads a window into memory of the caller's and delivers the packets that are whole in it, up to the first record that tells of
   * more than a packet, whatever `next` has read; that one goes on where it was, unless `seek` says otherwise. For a file that
   * `isAddressable`.
   * @param bytes, view the same octets: the packets are delivered in this view
   * @param offset of a record
   * @returns octets used
   * @throws SavefileError after what comes before the damage was delivered; its offset is that of the damaged record
   */
  deliverAt(bytes: Uint8Array, view: DataView, offset: number): number {
    const { position } = this.#input;
    const parser = this.#parser!;
    try {
      parser.isPacketsOnly = true;
      this.#input.position = offset;
      let end = 0;
      for (let got = -1; got !== 0 && end < bytes.length; end += got)
        got = this.#input.read(bytes, end) as number; // of a regular file
      return parser.parse(view, 0, end, offset);
    } finally {
      parser.isPacketsOnly = false;
      this.#input.position = position;
    }
  }

  /** The parser, which has seen the file's header. @throws SavefileError where `seek` cannot be */
  #seekable(): SavefileParser {
    if (this.#parser === null && this.#input.isSeekable) {
      this.#fill(0, this.#buffer.length);
      if (this.#detect()) this.#parser!.parse(this.#view, 0, Math.min(this.#end, PCAP_FILE_HEADER_LEN), 0);
    }
    if (this.#parser !== null && this.#decompressor === null && this.#input.isSeekable) return this.#parser;
    const reason = 'it is compressed, or no regular file, and so cannot be read from an offset';
    throw new SavefileError('SAVEFILE_OPEN', this.file, null, reason);
  }

  /** Makes the window begin at an offset of the file, with up to `length` octets in it. @returns octets in it */
  #fill(offset: number, length: number): number {
    this.#input.position = offset;
    this.#fileOff = offset;
    this.#start = 0;
    this.#end = 0;
    while (this.#end < length) {
      const got = this.#input.read(this.#buffer.subarray(0, length), this.#end) as number; // of a regular file
      if (got === 0) break;
      this.#end += got;
    }
    return this.#end;
  }

  /**
   * Reads the next chunk and delivers every packet that is whole in it.
   * @returns false at the end of the file (the reader is then closed), else true; or a promise of it, see the class
   * @throws SavefileError, synchronously or by the promise: everything before the damage was delivered, the reader is closed
   */
  next(): boolean | Promise<boolean> {
    if (this.#closed) return false;
    try {
      const got = this.#source.read(this.#buffer, this.#end);
      if (typeof got === 'number') return this.#accept(got);
      return got
        .then(
          (count) => this.#accept(count),
          (error: unknown) => this.#acceptBeforeDamage(error),
        )
        .catch((error: unknown) => this.#fail(error));
    } catch (error) {
      return this.#fail(error);
    }
  }

  /** Idempotent. Nothing is delivered afterwards. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#decompressor?.close();
    this.#input.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #fail(error: unknown): never {
    this.close();
    throw error;
  }

  /** Compressed data that breaks off within its first octets: what there is of them may hold packets all the same. */
  #acceptBeforeDamage(error: unknown): never {
    const isEarly = this.#parser === null && this.#decompressor !== null && this.#end > 0;
    const isCapture = isEarly && detectFormat(this.#buffer.subarray(0, this.#end)).kind.startsWith('pcap');
    if (!this.#closed && isCapture && this.#detect()) this.#deliver();
    throw error;
  }

  #accept(count: number): boolean {
    if (this.#closed) return false; // closed while a read was under way
    this.#end += count;
    const isEnd = count === 0;
    if (this.#parser === null) {
      // A pipe may give a few octets at a time.
      if (this.#end < DETECT_LEN && !isEnd) return true;
      if (!this.#detect()) return true;
    }
    this.#deliver();
    if (!isEnd) {
      this.#makeRoom();
      return true;
    }
    const left = this.#end - this.#start;
    if (left > 0 || this.#parser?.isMidRecord)
      throw new SavefileError(
        'SAVEFILE_TRUNCATED',
        this.file,
        this.#fileOff + this.#start,
        `the file ends inside ${this.#parser?.describeNeed()}`,
      );
    this.close();
    return false;
  }

  /** Chooses the parser, or puts the decompressor in front; false when reading must begin anew. */
  #detect(): boolean {
    const bytes = this.#buffer.subarray(0, this.#end);
    const format = detectFormat(bytes);
    if (format.kind === 'pcap') this.#parser = new PcapParser(this.file, this.#sink);
    else if (format.kind === 'pcapng') this.#parser = new PcapngParser(this.file, this.#sink);
    else if (format.kind === 'other' || this.#decompressor !== null) {
      const inside = this.#decompressor === null ? '' : ' inside the compression';
      const what = format.kind === 'other' ? format.looksLike : `${format.kind}-compressed data once more`;
      throw new SavefileError(
        'SAVEFILE_FORMAT',
        this.file,
        null,
        `neither pcap nor pcapng${inside}; it looks like ${what}`,
      );
    } else {
      this.#decompressor = new DecompressSource(format.kind, this.#input, bytes);
      this.#source = this.#decompressor;
      this.#end = 0;
      return false;
    }
    return true;
  }

  #deliver(): void {
    if (this.#parser === null) return;
    try {
      this.#start = this.#parser.parse(this.#view, this.#start, this.#end, this.#fileOff);
    } finally {
      this.#sink.onWindowEnd?.();
    }
  }

  /** Moves what is left of a record to the front; takes a larger buffer when the record does not fit. */
  #makeRoom(): void {
    const left = this.#end - this.#start;
    const needed = this.#parser?.needed ?? 0;
    this.#refuseBeyondEnd(needed);
    if (left === this.#buffer.length) {
      // Doubling only when it is full: a length that lies costs at most twice what the file really has.
      const larger = new Uint8Array(
        Math.max(this.#buffer.length * 2, Math.min(needed, this.#buffer.length * 4)),
      );
      larger.set(this.#buffer.subarray(this.#start, this.#end));
      this.#buffer = larger;
      this.#view = new DataView(larger.buffer);
    } else if (left > 0) this.#buffer.copyWithin(0, this.#start, this.#end);
    this.#fileOff += this.#start;
    this.#start = 0;
    this.#end = left;
  }

  /** In a plain regular file a record that passes the end is seen at once. */
  #refuseBeyondEnd(needed: number): void {
    const size = this.#input.size;
    if (this.#decompressor !== null || size === null || !this.#input.isSeekable) return;
    const offset = this.#fileOff + this.#start;
    if (offset < size && offset + needed > size)
      throw new SavefileError(
        'SAVEFILE_TRUNCATED',
        this.file,
        offset,
        `the file ends inside ${this.#parser?.describeNeed()}`,
      );
  }
}
