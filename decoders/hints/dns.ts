import { type Hint, HintKind, type HintText } from './hint.ts';

/** Octets. RFC 1035 §4.1.1. */
const HEADER_LEN = 12;
/** Highest OPCODE in use (update, RFC 2136; 6 is DSO, which has no question). */
const OPCODE_MAX = 5;
/** Octets of a name, and of one label. RFC 1035 §2.3.4. */
const NAME_MAX = 255;
/** Compression pointers that are followed: a question has hardly any reason to have one. */
const JUMPS_MAX = 4;

/**
 * Reads the first question of a DNS message, and the RCODE of an answer. RFC 1035 §4.1. Also mDNS (RFC 6762) and LLMNR
 * (RFC 4795). Allocates nothing.
 * @param off first octet of the message, behind the length that TCP has before it
 * @param end first octet past the captured bytes; off <= end <= view.byteLength
 * @returns true when `hint` holds a question; false: no message, or none with a question
 */
export function readDns(view: DataView, off: number, end: number, hint: Hint): boolean {
  if (end - off < HEADER_LEN) return false;
  const flags = view.getUint16(off + 2);
  if (((flags >>> 11) & 0x0f) > OPCODE_MAX) return false;
  if (view.getUint16(off + 4) === 0) return false;
  hint.clear();
  const at = readName(view, off, off + HEADER_LEN, end, hint.name);
  if (at < 0 || end - at < 4) {
    hint.clear();
    return false;
  }
  hint.kind = HintKind.dns;
  hint.code = view.getUint16(at);
  hint.id = view.getUint16(off);
  hint.rcode = (flags & 0x8000) !== 0 ? flags & 0x0f : -1;
  return true;
}

/** Reads a name in presentation format, RFC 4343 §2.1. @returns the offset behind it, or -1 */
function readName(view: DataView, message: number, off: number, end: number, name: HintText): number {
  let at = off;
  let behind = -1;
  let jumps = 0;
  let total = 0;
  for (;;) {
    if (at >= end) return -1;
    const length = view.getUint8(at);
    if (length === 0) break;
    if (length >= 0xc0) {
      if (at + 2 > end || ++jumps > JUMPS_MAX) return -1;
      if (behind < 0) behind = at + 2;
      const target = message + (view.getUint16(at) & 0x3fff);
      // Only backwards: so it ends.
      if (target >= at || target < message + HEADER_LEN) return -1;
      at = target;
      continue;
    }
    total += length + 1;
    if (length > 63 || total > NAME_MAX || at + 1 + length > end) return -1;
    if (name.length > 0) name.push(0x2e);
    for (let i = 1; i <= length; i++) putOctet(name, view.getUint8(at + i));
    at += 1 + length;
  }
  if (name.length === 0) name.push(0x2e);
  return behind < 0 ? at + 1 : behind;
}

/** An octet of a label: dots and backslashes are escaped, what is not printable is three decimal digits. */
function putOctet(name: HintText, octet: number): void {
  if (octet === 0x2e || octet === 0x5c) {
    name.push(0x5c);
    name.push(octet);
  } else if (octet > 0x20 && octet < 0x7f) name.push(octet);
  else {
    name.push(0x5c);
    name.push(0x30 + ((octet / 100) | 0));
    name.push(0x30 + (((octet / 10) | 0) % 10));
    name.push(0x30 + (octet % 10));
  }
}
