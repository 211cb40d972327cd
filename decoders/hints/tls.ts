import { type Hint, HintKind, type HintText } from './hint.ts';

/** ContentType handshake, RFC 8446 §5.1; HandshakeType client_hello, §4. */
export const TLS_HANDSHAKE = 22;
const CLIENT_HELLO = 1;
/** Octets of the record's and of the handshake's header, and of the version and the random behind them. */
const RECORD_HEADER_LEN = 5;
const HANDSHAKE_HEADER_LEN = 4;
const RANDOM_END = 34;
/** Extensions. RFC 6066 §3, RFC 7301 §3.1. */
const SERVER_NAME = 0;
const ALPN = 16;
/** Extensions that are looked at. */
const EXTENSIONS_MAX = 64;

/**
 * Reads server name and ALPN out of the ClientHello that a TLS connection begins with. RFC 8446 §4.1.2, and the same since
 * TLS 1.0. Allocates nothing.
 * @param off first octet of the first record
 * @param end first octet past the bytes at hand; off <= end <= view.byteLength. A hello that goes on beyond them is read
 *            as far as it is there, with `isPartial`
 * @returns true when it is a ClientHello, with or without a name
 */
export function readTls(view: DataView, off: number, end: number, hint: Hint): boolean {
  if (end - off < RECORD_HEADER_LEN + HANDSHAKE_HEADER_LEN + 2) return false;
  if (view.getUint8(off) !== TLS_HANDSHAKE || view.getUint8(off + 1) !== 3 || view.getUint8(off + 2) > 4)
    return false;
  const hello = off + RECORD_HEADER_LEN;
  if (view.getUint8(hello) !== CLIENT_HELLO || view.getUint8(hello + 4) !== 3) return false;
  const body = hello + HANDSHAKE_HEADER_LEN;
  const length = (view.getUint8(hello + 1) << 16) | view.getUint16(hello + 2);
  if (length < RANDOM_END + 4) return false;
  hint.clear();
  hint.kind = HintKind.tls;
  // A hello over several records has their headers in it: it ends, for us, with the first.
  const recordEnd = hello + view.getUint16(off + 3);
  const helloEnd = Math.min(body + length, recordEnd);
  hint.isPartial = helloEnd > end;
  const stop = Math.min(end, helloEnd);

  let at = body + RANDOM_END;
  if (at >= stop) return true;
  at += 1 + view.getUint8(at); // session id
  if (at + 2 > stop) return true;
  at += 2 + view.getUint16(at); // cipher suites
  if (at >= stop) return true;
  at += 1 + view.getUint8(at); // compression methods
  if (at + 2 > stop) return true;
  const extensionsEnd = Math.min(stop, at + 2 + view.getUint16(at));
  at += 2;
  for (let i = 0; i < EXTENSIONS_MAX && at + 4 <= extensionsEnd; i++) {
    const type = view.getUint16(at);
    const from = at + 4;
    at = from + view.getUint16(at + 2);
    if (at > extensionsEnd) break;
    if (type === SERVER_NAME) readServerName(view, from, at, hint.name);
    else if (type === ALPN) readProtocols(view, from, at, hint.detail);
  }
  return true;
}

/** The first name of type host_name (0). */
function readServerName(view: DataView, off: number, end: number, name: HintText): void {
  if (end - off < 5 || view.getUint8(off + 2) !== 0) return;
  const nameEnd = off + 5 + view.getUint16(off + 3);
  if (nameEnd <= end) name.copy(view, off + 5, nameEnd);
}

/** Each name of the list; a comma within one becomes "?", as what is not printable. */
function readProtocols(view: DataView, off: number, end: number, list: HintText): void {
  list.length = 0;
  let at = off + 2;
  while (at < end) {
    const nameEnd = at + 1 + view.getUint8(at);
    if (nameEnd > end) return;
    if (list.length > 0) list.push(0x2c);
    for (let k = at + 1; k < nameEnd; k++) {
      const octet = view.getUint8(k);
      list.push(octet > 0x20 && octet < 0x7f && octet !== 0x2c ? octet : 0x3f);
    }
    at = nameEnd;
  }
}
