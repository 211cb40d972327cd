import { type Hint, HintKind } from './hint.ts';

/** Octets of a method, and of a head that are searched for its end or its Host. */
const METHOD_MAX = 20;
const HEAD_MAX = 8192;
/** "HTTP/1." */
const VERSION = Uint8Array.of(0x48, 0x54, 0x54, 0x50, 0x2f, 0x31, 0x2e);
/** "host:", in lower case. */
const HOST = Uint8Array.of(0x68, 0x6f, 0x73, 0x74, 0x3a);
const SPACE = 0x20;
const TAB = 0x09;
const CR = 0x0d;
const LF = 0x0a;

/**
 * Reads method and host of an HTTP/1 request. RFC 9112 §3, RFC 9110 §7.2. The path is left alone. Allocates nothing.
 * @param off first octet of the request line
 * @param end first octet past the bytes at hand; off <= end <= view.byteLength
 * @returns true when it is a request line whole with its version; false with `isPartial` when it may become one, the line
 *          having no end yet
 */
export function readHttpRequest(view: DataView, off: number, end: number, hint: Hint): boolean {
  const stop = Math.min(end, off + HEAD_MAX);
  let at = off;
  while (at < stop && at - off < METHOD_MAX && isMethodOctet(view.getUint8(at))) at++;
  const methodEnd = at;
  if (methodEnd - off < 3 || at >= stop || view.getUint8(at) !== SPACE) return false;
  while (at < stop && view.getUint8(at) !== LF) at++;
  if (at >= stop) {
    hint.isPartial = true;
    return false;
  }
  const lineEnd = view.getUint8(at - 1) === CR ? at - 1 : at;
  // " HTTP/1.x" ends the line, and a target of an octet at least stands before it.
  const version = lineEnd - VERSION.length - 1;
  if (
    version < methodEnd + 3 ||
    view.getUint8(version - 1) !== SPACE ||
    !startsWith(view, version, stop, VERSION)
  )
    return false;
  hint.clear();
  hint.kind = HintKind.http;
  hint.detail.copy(view, off, methodEnd);
  hint.isPartial = true;
  for (let line = at + 1; line < stop; ) {
    let lf = line;
    while (lf < stop && view.getUint8(lf) !== LF) lf++;
    if (lf >= stop) break;
    if (lf === line || (lf === line + 1 && view.getUint8(line) === CR)) {
      hint.isPartial = false; // the empty line: the head is over
      break;
    }
    if (startsWith(view, line, lf, HOST)) {
      let from = line + HOST.length;
      let to = lf;
      while (from < to && isBlank(view.getUint8(from))) from++;
      while (to > from && isBlank(view.getUint8(to - 1))) to--;
      hint.name.copy(view, from, to);
      hint.isPartial = false;
      break;
    }
    line = lf + 1;
  }
  return true;
}

/**
 * Reads the status of an HTTP/1 response. RFC 9112 §4. Allocates nothing.
 * @param off first octet of the status line
 * @returns true when it is one; interim responses (1xx, RFC 9110 §15.2) are none, but for 101, after which HTTP is over
 */
export function readHttpResponse(view: DataView, off: number, end: number, hint: Hint): boolean {
  const at = off + VERSION.length + 2;
  if (end - at < 3 || !startsWith(view, off, end, VERSION) || view.getUint8(at - 1) !== SPACE) return false;
  let status = 0;
  for (let i = 0; i < 3; i++) {
    const digit = view.getUint8(at + i) - 0x30;
    if (digit < 0 || digit > 9) return false;
    status = status * 10 + digit;
  }
  if (status < 101 || (status > 101 && status < 200)) return false;
  hint.clear();
  hint.kind = HintKind.http;
  hint.code = status;
  return true;
}

/** Methods in use are of capitals, with hyphens in some. RFC 9110 §16.1. */
function isMethodOctet(octet: number): boolean {
  return (octet >= 0x41 && octet <= 0x5a) || octet === 0x2d || octet === 0x5f;
}

function isBlank(octet: number): boolean {
  return octet === SPACE || octet === TAB || octet === CR;
}

/** Whether `word` stands at `off`, letters of either case where it has lower ones. */
function startsWith(view: DataView, off: number, end: number, word: Uint8Array): boolean {
  if (end - off < word.length) return false;
  for (let i = 0; i < word.length; i++) {
    const octet = view.getUint8(off + i);
    const letter = word[i]!;
    if (octet !== letter && (letter < 0x61 || (octet | 0x20) !== letter)) return false;
  }
  return true;
}
