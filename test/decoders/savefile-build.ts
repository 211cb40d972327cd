import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type SavefileOptions, SavefileReader } from '../../decoders/savefile.ts';
import { SavefileError } from '../../decoders/savefile-error.ts';
import type { SavefileInterface } from '../../decoders/savefile-sink.ts';

/** Writes numbers of a byte order one after the other. */
export class Writer {
  readonly little: boolean;
  #chunks: Buffer[] = [];

  constructor(little: boolean) {
    this.little = little;
  }

  u16(...values: number[]): this {
    return this.#each(values, 2);
  }

  u32(...values: number[]): this {
    return this.#each(values, 4);
  }

  bytes(octets: Uint8Array): this {
    this.#chunks.push(Buffer.from(octets));
    return this;
  }

  /** Zeros up to a multiple of four. */
  pad(): this {
    return this.bytes(new Uint8Array((4 - (this.done().length & 3)) & 3));
  }

  done(): Buffer {
    return Buffer.concat(this.#chunks);
  }

  #each(values: number[], size: 2 | 4): this {
    for (const value of values) {
      const buffer = Buffer.alloc(size);
      if (this.little) buffer.writeUIntLE(value, 0, size);
      else buffer.writeUIntBE(value, 0, size);
      this.#chunks.push(buffer);
    }
    return this;
  }
}

/** One record to write; `wireLen` and `capLen` default to the data's length. */
export interface Record {
  sec: number;
  fraction: number;
  data: Uint8Array;
  capLen?: number;
  wireLen?: number;
}

/** What a pcap file header says. */
export interface PcapHeader {
  little?: boolean;
  magic?: number;
  major?: number;
  minor?: number;
  snapLen?: number;
  linkType?: number;
}

/** A pcap file in octets. */
export function pcapFile(records: Record[], header: PcapHeader = {}): Buffer {
  const writer = new Writer(header.little ?? true)
    .u32(header.magic ?? 0xa1b2c3d4)
    .u16(header.major ?? 2, header.minor ?? 4)
    .u32(0, 0, header.snapLen ?? 65535, header.linkType ?? 1);
  for (const { sec, fraction, data, capLen, wireLen } of records)
    writer.u32(sec, fraction, capLen ?? data.length, wireLen ?? data.length).bytes(data);
  return writer.done();
}

/** A pcapng block of a type around a body, which is padded. */
export function block(little: boolean, type: number, body: Uint8Array): Buffer {
  const padded = new Writer(little).bytes(body).pad().done();
  const total = padded.length + 12;
  return new Writer(little).u32(type, total).bytes(padded).u32(total).done();
}

/** A pcapng option with padding. */
export function option(little: boolean, code: number, value: Uint8Array): Buffer {
  return new Writer(little).u16(code, value.length).bytes(value).pad().done();
}

/** A section header block. */
export function sectionBlock(
  little: boolean,
  major = 1,
  minor = 0,
  options: Uint8Array = new Uint8Array(0),
): Buffer {
  const body = new Writer(little)
    .u32(0x1a2b3c4d)
    .u16(major, minor)
    .u32(0xffffffff, 0xffffffff)
    .bytes(options)
    .done();
  return block(little, 0x0a0d0d0a, body);
}

/** An interface description block. */
export function interfaceBlock(
  little: boolean,
  linkType: number,
  snapLen: number,
  ...options: Uint8Array[]
): Buffer {
  const end = options.length > 0 ? new Writer(little).u16(0, 0).done() : new Uint8Array(0);
  const body = new Writer(little)
    .u16(linkType, 0)
    .u32(snapLen)
    .bytes(Buffer.concat(options))
    .bytes(end)
    .done();
  return block(little, 1, body);
}

/** An enhanced packet block. */
export function packetBlock(
  little: boolean,
  id: number,
  high: number,
  low: number,
  data: Uint8Array,
  wireLen: number = data.length,
  options: Uint8Array = new Uint8Array(0),
): Buffer {
  const body = new Writer(little)
    .u32(id, high, low, data.length, wireLen)
    .bytes(data)
    .pad()
    .bytes(options)
    .done();
  return block(little, 6, body);
}

/** What a sink was given, with the packet's octets copied. */
export interface Delivered {
  interfaceIndex: number;
  data: string;
  wireLen: number;
  tsSec: number;
  tsNsec: number;
  timeKnown: boolean;
  pktType: number;
}

/** Everything that reading a file gave. */
export interface ReadResult {
  interfaces: SavefileInterface[];
  packets: Delivered[];
  error: SavefileError | null;
  bytesRead: number;
  totalBytes: number | null;
}

/** Reads a savefile to its end or its error. */
export async function readSavefile(path: string, options: SavefileOptions = {}): Promise<ReadResult> {
  const result: ReadResult = { interfaces: [], packets: [], error: null, bytesRead: 0, totalBytes: null };
  try {
    using reader = new SavefileReader(
      path,
      {
        onInterface: (info) => {
          result.interfaces.push(info);
        },
        onPacket: (interfaceIndex, view, off, capLen, wireLen, tsSec, tsNsec, timeKnown, pktType) => {
          const data = Buffer.from(view.buffer, view.byteOffset + off, capLen).toString('hex');
          result.packets.push({ interfaceIndex, data, wireLen, tsSec, tsNsec, timeKnown, pktType });
        },
      },
      options,
    );
    result.totalBytes = reader.totalBytes;
    for (;;) {
      const more = await reader.next();
      result.bytesRead = reader.bytesRead;
      if (!more) break;
    }
  } catch (error) {
    if (!(error instanceof SavefileError)) throw error;
    result.error = error;
  }
  return result;
}

/** A directory for files of one test file; call `remove` at the end. */
export class TempDir {
  readonly path: string = mkdtempSync(join(tmpdir(), 'nstap-savefile-'));
  #count = 0;

  /** Writes octets to a new file and gives its path. */
  write(octets: Uint8Array, name = 'file'): string {
    const path = join(this.path, `${this.#count++}-${name}`);
    writeFileSync(path, octets);
    return path;
  }

  /** Writes and reads. */
  read(octets: Uint8Array, options: SavefileOptions = {}): Promise<ReadResult> {
    return readSavefile(this.write(octets), options);
  }

  remove(): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}
