/**
 * What some flows have beyond their record: hints of the application and octets of payload. They follow the records of a batch
 * in an area of its own, entry after entry, each with a header: flow's number (float64), ExtraKind (uint8), octets that
 * follow (uint16), little-endian.
 *
 * A hint is: HintCode (uint8), length of its first and of its second text (uint8 each), two numbers (int32 each; -1: none),
 * then the texts, printable ASCII. Which text and number is what, `hintsJson` says.
 */
export const EXTRA_HEADER_LEN = 11;
export const ExtraKind = { hint: 0, payloadFwd: 1, payloadRev: 2 } as const;

/** Codes of hints, as decoders/hints has them. */
export const HintCode = { dns: 1, tls: 2, http: 3, ssh: 4 } as const;

const HINT_HEADER_LEN = 11;
const TEXT_MAX = 255;
const PAYLOAD_MAX = 1024;

/** Octets that one flow takes at most: a hint and both payloads. */
export const EXTRA_MAX = 3 * EXTRA_HEADER_LEN + HINT_HEADER_LEN + 2 * TEXT_MAX + 2 * PAYLOAD_MAX;

/** The area of a batch; both sides hold one over the same memory. */
export class ExtraArea {
  readonly octets: Uint8Array;
  readonly #view: DataView;

  /** @param off, length of the area in the batch's buffer */
  constructor(buffer: SharedArrayBuffer, off: number, length: number) {
    this.octets = new Uint8Array(buffer, off, length);
    this.#view = new DataView(buffer, off, length);
  }

  /** Writes the header of an entry at `at`. @returns the offset behind it, for `length` octets */
  begin(at: number, flowSeq: number, kind: number, length: number): number {
    this.#view.setFloat64(at, flowSeq, true);
    this.#view.setUint8(at + 8, kind);
    this.#view.setUint16(at + 9, length, true);
    return at + EXTRA_HEADER_LEN;
  }

  /** Writes a hint's entry at `at`. @param texts has both texts, each from its offset and with its length @returns the offset behind it */
  putHint(
    at: number,
    flowSeq: number,
    code: number,
    texts: Uint8Array,
    first: number,
    firstLen: number,
    second: number,
    secondLen: number,
    number1: number,
    number2: number,
  ): number {
    const body = this.begin(at, flowSeq, ExtraKind.hint, HINT_HEADER_LEN + firstLen + secondLen);
    this.#view.setUint8(body, code);
    this.#view.setUint8(body + 1, firstLen);
    this.#view.setUint8(body + 2, secondLen);
    this.#view.setInt32(body + 3, number1, true);
    this.#view.setInt32(body + 7, number2, true);
    const text = body + HINT_HEADER_LEN;
    for (let i = 0; i < firstLen; i++) this.octets[text + i] = texts[first + i]!;
    for (let i = 0; i < secondLen; i++) this.octets[text + firstLen + i] = texts[second + i]!;
    return text + firstLen + secondLen;
  }

  /** The entries of the first `length` octets, in their order. Their octets are copies. */
  *entries(length: number): Iterable<{ flowSeq: number; kind: number; octets: Buffer }> {
    for (let at = 0; at < length; ) {
      const size = this.#view.getUint16(at + 9, true);
      const body = at + EXTRA_HEADER_LEN;
      yield {
        flowSeq: this.#view.getFloat64(at, true),
        kind: this.#view.getUint8(at + 8),
        octets: Buffer.from(this.octets.slice(body, body + size)),
      };
      at = body + size;
    }
  }
}

/** What applications said in a flow; the column `hints` has it as JSON. A flow has one of these. */
export interface FlowHints {
  /** `type` and `rcode` by name (RFC 3597: TYPE65 where it has none); null: no answer was seen. */
  dns?: { query: string; type: string; rcode: string | null };
  /** Of the ClientHello. `alpn`: what the client offers. */
  tls?: { sni: string | null; alpn: string[] | null };
  http?: { method: string | null; host: string | null; status: number | null };
  ssh?: { client: string | null; server: string | null };
}

/** IANA DNS parameters, those that are met. */
const DNS_TYPES: Readonly<Record<number, string>> = {
  1: 'A',
  2: 'NS',
  5: 'CNAME',
  6: 'SOA',
  10: 'NULL',
  12: 'PTR',
  13: 'HINFO',
  15: 'MX',
  16: 'TXT',
  24: 'SIG',
  25: 'KEY',
  28: 'AAAA',
  29: 'LOC',
  33: 'SRV',
  35: 'NAPTR',
  39: 'DNAME',
  41: 'OPT',
  43: 'DS',
  44: 'SSHFP',
  46: 'RRSIG',
  47: 'NSEC',
  48: 'DNSKEY',
  50: 'NSEC3',
  52: 'TLSA',
  64: 'SVCB',
  65: 'HTTPS',
  99: 'SPF',
  250: 'TSIG',
  251: 'IXFR',
  252: 'AXFR',
  255: 'ANY',
  257: 'CAA',
};

const DNS_RCODES: readonly string[] = [
  'NOERROR',
  'FORMERR',
  'SERVFAIL',
  'NXDOMAIN',
  'NOTIMP',
  'REFUSED',
  'YXDOMAIN',
  'YXRRSET',
  'NXRRSET',
  'NOTAUTH',
  'NOTZONE',
];

/** A hint's entry as the column has it. */
export function hintsJson(octets: Buffer): string {
  const firstLen = octets[1]!;
  const text = (from: number, length: number): string | null =>
    length === 0 ? null : octets.toString('latin1', from, from + length);
  const first = text(HINT_HEADER_LEN, firstLen);
  const second = text(HINT_HEADER_LEN + firstLen, octets[2]!);
  const number1 = octets.readInt32LE(3);
  const number2 = octets.readInt32LE(7);
  let hints: FlowHints = {};
  switch (octets[0]) {
    case HintCode.dns:
      hints = {
        dns: {
          query: first ?? '.',
          type: DNS_TYPES[number1] ?? `TYPE${number1}`,
          rcode: number2 < 0 ? null : (DNS_RCODES[number2] ?? `RCODE${number2}`),
        },
      };
      break;
    case HintCode.tls:
      hints = { tls: { sni: first, alpn: second?.split(',') ?? null } };
      break;
    case HintCode.http:
      hints = { http: { method: second, host: first, status: number1 < 0 ? null : number1 } };
      break;
    case HintCode.ssh:
      hints = { ssh: { client: first, server: second } };
  }
  return JSON.stringify(hints);
}
