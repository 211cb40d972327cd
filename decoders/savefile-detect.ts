import { TextDecoder } from 'node:util';
import { isPcapMagic } from './pcap-reader.ts';
import { PCAPNG_SHB } from './pcapng-reader.ts';

/** Octets that `detectFormat` wants to see; it makes do with fewer at the end of a file. */
export const DETECT_LEN = 512;

/** What a file is by its first octets; `other` comes with the words for the error. */
export type SavefileFormat =
  | { kind: 'pcap' | 'pcapng' | 'gzip' | 'zstd' }
  | { kind: 'other'; looksLike: string };

/** File types that people hand to a pcap reader by mistake, by their first octets (latin1). file(1)'s magic. */
const SIGNATURES: readonly (readonly [offset: number, text: string, name: string])[] = [
  [0, 'snoop\0\0\0', 'a Solaris snoop capture; convert it with editcap'],
  [0, 'RTSS', 'a Microsoft Network Monitor 1 capture; convert it with editcap'],
  [0, 'GMBU', 'a Microsoft Network Monitor 2 capture; convert it with editcap'],
  [0, 'TRSNIFF data', 'a Sniffer capture; convert it with editcap'],
  [0, 'XCP\0', 'a Sniffer for Windows capture; convert it with editcap'],
  [0, '\x7fver', 'an EtherPeek capture; convert it with editcap'],
  [0, '\x7fELF', 'an ELF executable'],
  [0, '\x89PNG\r\n\x1a\n', 'a PNG image'],
  [0, '\xff\xd8\xff', 'a JPEG image'],
  [0, 'GIF8', 'a GIF image'],
  [0, '%PDF-', 'a PDF document'],
  [0, 'SQLite format 3\0', 'an SQLite database'],
  [0, 'PK\x03\x04', 'a zip archive; unpack it first'],
  [0, 'BZh', 'bzip2-compressed data; unpack it: bzip2 -dc FILE | nstap replay -'],
  [0, '\xfd7zXZ\0', 'xz-compressed data; unpack it: xz -dc FILE | nstap replay -'],
  [0, '\x04\x22\x4d\x18', 'lz4-compressed data; unpack it: lz4 -dc FILE | nstap replay -'],
  [0, '7z\xbc\xaf\x27\x1c', 'a 7z archive; unpack it first'],
  [0, '\x1f\x9d', 'compress-ed data (.Z); unpack it: zcat FILE | nstap replay -'],
  [0, '\xa1\xb2\x34\xcd', 'a pcap variant that nobody has documented (Mesquita)'],
  [0, '\xcd\x34\xb2\xa1', 'a pcap variant that nobody has documented (Mesquita)'],
  [0, '\xa1\x2b\x3c\x4d', 'a pcap variant that nobody has documented (Navtel)'],
  [0, '\x4d\x3c\x2b\xa1', 'a pcap variant that nobody has documented (Navtel)'],
  [0, 'btsnoop\0', 'a Bluetooth btsnoop capture; it has no IP packets'],
  [0, 'iptrace 1.0', 'an AIX iptrace capture; convert it with editcap'],
  [0, 'iptrace 2.0', 'an AIX iptrace capture; convert it with editcap'],
  [257, 'ustar', 'a tar archive; unpack it first'],
  [0, 'MZ', 'a Windows executable'],
];

const GZIP_MAGIC = 0x1f8b;
const ZSTD_MAGIC = 0x28b52ffd;
/** Skippable frames: 0x184D2A50 to …5F, little-endian. RFC 8878 §3.1.2. */
const ZSTD_SKIPPABLE = 0x502a4d18;

/** ERF record: 16 octets, type 1..27 at octet 8, record length (10) and wire length (14) in network order. Endace ERF manual. */
const ERF_HEADER_LEN = 16;
const ERF_TYPE_MAX = 27;

/**
 * Tells by content, whatever the file's name, whether it is pcap, pcapng, compressed, or what else it looks like.
 * @param bytes the first octets of the file: DETECT_LEN of them, or the whole file when it is shorter
 */
export function detectFormat(bytes: Uint8Array): SavefileFormat {
  if (bytes.length === 0) return { kind: 'other', looksLike: 'an empty file' };
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length >= 2 && view.getUint16(0) === GZIP_MAGIC) return { kind: 'gzip' };
  if (bytes.length >= 4) {
    const magic = view.getUint32(0);
    if (isPcapMagic(view, 0)) return { kind: 'pcap' };
    if (magic === PCAPNG_SHB) return { kind: 'pcapng' };
    if (magic === ZSTD_MAGIC || (magic & 0xf0ffffff) >>> 0 === ZSTD_SKIPPABLE) return { kind: 'zstd' };
  }
  return { kind: 'other', looksLike: looksLike(bytes, view) };
}

function looksLike(bytes: Uint8Array, view: DataView): string {
  const head = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');
  for (const [offset, text, name] of SIGNATURES) if (head.startsWith(text, offset)) return name;
  if (bytes.every((octet) => octet === 0)) return 'a file of zeros';
  if (isText(bytes)) return head.trimStart().startsWith('<') ? 'markup text (HTML or XML)' : 'text';
  if (isErf(view)) return 'an Endace ERF capture; convert it with editcap';
  const magic = [...bytes.subarray(0, 4)].map((octet) => octet.toString(16).padStart(2, '0')).join(' ');
  return `unknown data (it begins with ${magic})`;
}

/** UTF-8 without control characters; a character may be cut at the end. */
function isText(bytes: Uint8Array): boolean {
  if (!bytes.every((octet) => octet >= 0x20 || octet === 9 || octet === 10 || octet === 13)) return false;
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(bytes, { stream: true });
    return true;
  } catch {
    return false; // that is the answer, not an error
  }
}

function isErf(view: DataView): boolean {
  if (view.byteLength < ERF_HEADER_LEN) return false;
  const type = view.getUint8(8) & 0x7f;
  const recordLen = view.getUint16(10);
  const wireLen = view.getUint16(14);
  return type >= 1 && type <= ERF_TYPE_MAX && recordLen > ERF_HEADER_LEN && wireLen > 0 && wireLen < 65535;
}
