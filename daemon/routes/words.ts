import { formatAddress, parsePrefix } from '../../decoders/address.ts';

/** An address or prefix as 32-bit words in host order: IPv4 in word 0, the rest zero. */
export interface PrefixWords {
  version: 4 | 6;
  words: Int32Array;
  /** Prefix length; 32 or 128 for an address. */
  len: number;
}

/** Puts 4 or 16 octets in network order into words. */
export function bytesToWords(bytes: Uint8Array, words: Int32Array): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let i = 0; i < 4; i++) words[i] = i * 4 < bytes.length ? view.getInt32(i * 4) : 0;
}

/**
 * Reads "10.2.0.0/16", "fe80::/64" or a single address.
 * @returns null when it is neither
 */
export function prefixWords(text: string): PrefixWords | null {
  const prefix = parsePrefix(text);
  if (prefix === null) return null;
  const words = new Int32Array(4);
  bytesToWords(prefix.bytes, words);
  return { version: prefix.version, words, len: prefix.prefixLen };
}

/**
 * The words of a prefix that a snapshot holds.
 * @throws RangeError when it is none: the snapshot was written by something else
 */
export function snapshotPrefix(text: string): PrefixWords {
  const prefix = prefixWords(text);
  if (prefix === null) throw new RangeError(`snapshot: "${text}" is no address or prefix`);
  return prefix;
}

const octets = new Uint8Array(16);
const octetsView = new DataView(octets.buffer);

/** "10.2.0.0/16" of a prefix in words in host order. */
export function prefixText(version: 4 | 6, words: Int32Array, len: number): string {
  for (let i = 0; i < 4; i++) octetsView.setInt32(i * 4, words[i]!);
  return `${formatAddress(octets, 0, version)}/${len}`;
}
