/** IP version. */
export type IpVersion = 4 | 6;

/** An address in octets, network order: 4 or 16 by `version`. */
export interface ParsedAddress {
  version: IpVersion;
  bytes: Uint8Array;
}

/** An address with its prefix length. Host bits are kept as written: `maskAddress` clears them. */
export interface ParsedPrefix extends ParsedAddress {
  prefixLen: number;
}

const IPV6_WORDS = 8;

/**
 * Text of an address: dotted decimal, or RFC 5952 (lower case, no leading zeros, the longest run of two or more zero words
 * as "::", IPv4-mapped addresses with a dotted tail).
 * @param off octets from the start of `bytes`; 4 or 16 octets are read from there
 */
export function formatAddress(bytes: Uint8Array, off: number, version: IpVersion): string {
  return version === 4 ? formatIPv4(bytes, off) : formatIPv6(bytes, off);
}

function formatIPv4(bytes: Uint8Array, off: number): string {
  return `${bytes[off]}.${bytes[off + 1]}.${bytes[off + 2]}.${bytes[off + 3]}`;
}

function formatIPv6(bytes: Uint8Array, off: number): string {
  const words: number[] = [];
  for (let i = 0; i < IPV6_WORDS; i++) words.push((bytes[off + 2 * i]! << 8) | bytes[off + 2 * i + 1]!);
  if (words.slice(0, 5).every((word) => word === 0) && words[5] === 0xffff)
    return `::ffff:${formatIPv4(bytes, off + 12)}`;
  let bestStart = -1;
  let bestLen = 1; // one zero word is not shortened: RFC 5952 §4.2.2
  for (let i = 0; i < IPV6_WORDS; i++) {
    let len = 0;
    while (i + len < IPV6_WORDS && words[i + len] === 0) len++;
    if (len > bestLen) [bestStart, bestLen] = [i, len];
    i += len;
  }
  const text = words.map((word) => word.toString(16));
  if (bestStart < 0) return text.join(':');
  return `${text.slice(0, bestStart).join(':')}::${text.slice(bestStart + bestLen).join(':')}`;
}

/**
 * Text of a 48-bit hardware address: "00:1b:21:3c:9d:f8".
 * @param off octets from the start of `bytes`; 6 octets are read
 */
export function formatMac(bytes: Uint8Array, off: number): string {
  let text = '';
  for (let i = 0; i < 6; i++) text += (i === 0 ? '' : ':') + bytes[off + i]!.toString(16).padStart(2, '0');
  return text;
}

/**
 * Octets of an address in text: dotted decimal of exactly four parts (no leading zeros, which inet_aton would read as
 * octal), or RFC 4291 §2.2 in any of its forms. No zone ("%eth0"), no surrounding space.
 * @returns null when it is not an address
 */
export function parseAddress(text: string): ParsedAddress | null {
  const bytes = new Uint8Array(text.includes(':') ? 16 : 4);
  const isGood = bytes.length === 4 ? parseIPv4(text, bytes, 0) : parseIPv6(text, bytes);
  return isGood ? { version: bytes.length === 4 ? 4 : 6, bytes } : null;
}

/**
 * Octets and length of "10.0.0.0/8" or "2001:db8::/32"; an address alone has its full length.
 * @returns null when it is neither, or the length does not fit
 */
export function parsePrefix(text: string): ParsedPrefix | null {
  const slash = text.indexOf('/');
  const address = parseAddress(slash < 0 ? text : text.slice(0, slash));
  if (address === null) return null;
  const bits = address.bytes.length * 8;
  if (slash < 0) return { ...address, prefixLen: bits };
  const lengthText = text.slice(slash + 1);
  if (!/^\d{1,3}$/.test(lengthText)) return null;
  const prefixLen = Number(lengthText);
  return prefixLen <= bits ? { ...address, prefixLen } : null;
}

/** A copy of `bytes` with every bit behind `prefixLen` cleared: the network an address is in. */
export function maskAddress(bytes: Uint8Array, prefixLen: number): Uint8Array {
  return bytes.map((octet, i) => {
    const kept = Math.max(0, Math.min(8, prefixLen - 8 * i));
    return octet & (0xff00 >> kept);
  });
}

function parseIPv4(text: string, bytes: Uint8Array, off: number): boolean {
  const parts = text.split('.');
  if (parts.length !== 4) return false;
  for (const [i, part] of parts.entries()) {
    if (!/^(0|[1-9]\d{0,2})$/.test(part) || Number(part) > 255) return false;
    bytes[off + i] = Number(part);
  }
  return true;
}

function parseIPv6(text: string, bytes: Uint8Array): boolean {
  const gap = text.indexOf('::');
  if (gap >= 0 && text.indexOf('::', gap + 1) >= 0) return false;
  if (gap < 0) return parseWords(text, bytes, 0) === 16;
  const head = new Uint8Array(16);
  const tail = new Uint8Array(16);
  const headLen = gap === 0 ? 0 : parseWords(text.slice(0, gap), head, 0);
  const tailText = text.slice(gap + 2);
  const tailLen = tailText === '' ? 0 : parseWords(tailText, tail, 0);
  // "::" stands for at least one word.
  if (headLen < 0 || tailLen < 0 || headLen + tailLen > 14) return false;
  if (text.slice(0, gap).includes('.')) return false; // a dotted tail is only at the end
  bytes.set(head.subarray(0, headLen));
  bytes.set(tail.subarray(0, tailLen), 16 - tailLen);
  return true;
}

/** Parses words between colons, the last perhaps dotted; octets written, or -1. */
function parseWords(text: string, bytes: Uint8Array, off: number): number {
  const parts = text.split(':');
  let at = off;
  for (const [i, part] of parts.entries()) {
    if (part.includes('.') && i === parts.length - 1) {
      if (at > 12 || !parseIPv4(part, bytes, at)) return -1;
      at += 4;
    } else {
      if (at > 14 || !/^[0-9a-fA-F]{1,4}$/.test(part)) return -1;
      const word = Number.parseInt(part, 16);
      bytes[at] = word >>> 8;
      bytes[at + 1] = word & 0xff;
      at += 2;
    }
  }
  return at - off;
}
