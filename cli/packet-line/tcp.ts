import {
  TCP_ACK_OFF,
  TCP_DATA_OFFSET_OFF,
  TCP_FLAGS_OFF,
  TCP_HEADER_MIN,
  TCP_SEQ_OFF,
  TCP_WINDOW_OFF,
} from '../../decoders/tcp.ts';
import { TcpFlag } from '../../decoders/packet-fields.ts';
import { Cut, type Octets } from './octets.ts';

const URGENT_OFF = 18;

/** In tcpdump's order. */
const FLAGS = [
  [TcpFlag.FIN, 'F'],
  [TcpFlag.SYN, 'S'],
  [TcpFlag.RST, 'R'],
  [TcpFlag.PSH, 'P'],
  [TcpFlag.ACK, '.'],
  [TcpFlag.URG, 'U'],
  [TcpFlag.ECE, 'E'],
  [TcpFlag.CWR, 'W'],
] as const;

/** IANA TCP option kinds, by tcpdump's words. */
const OPTIONS: Readonly<Record<number, string>> = {
  0: 'eol',
  1: 'nop',
  2: 'mss',
  3: 'wscale',
  4: 'sackOK',
  5: 'sack',
  6: 'echo',
  7: 'echoreply',
  8: 'TS',
  11: 'cc',
  12: 'ccnew',
  13: 'ccecho',
  19: 'md5',
  20: 'scps',
  28: 'uto',
  29: 'tcp-ao',
  30: 'mptcp',
  34: 'tfo',
  254: 'exp',
};
const EOL = 0;
const NOP = 1;
const SACK_BLOCK_LEN = 8;
/** Experimental option that TCP Fast Open began with. RFC 6994, RFC 7413. */
const EXPERIMENT_FAST_OPEN = 0xf989;

/** Conversations whose first sequence numbers are remembered; beyond, the oldest is forgotten. */
const CONVERSATIONS_MAX = 65_536;

interface Base {
  /** Of the end whose port is smaller, and of the other. */
  seq: number;
  ack: number;
}

/** Remembers where the sequence numbers of each conversation began, so that lines show them relative, as tcpdump's do. */
export class SequenceBases {
  readonly #bases = new Map<string, Base>();

  /**
   * The numbers to show for a segment with ACK: those of the first one are absolute and begin the conversation.
   * @returns sequence and acknowledgment to show, and the base that SACK edges are relative to
   */
  relative(
    src: string,
    dst: string,
    sport: number,
    dport: number,
    isSyn: boolean,
    seq: number,
    ack: number,
  ): { seq: number; ack: number; edge: number } {
    const isTurned = sport === dport ? src > dst : sport > dport;
    const key = isTurned ? `${dst} ${src} ${dport} ${sport}` : `${src} ${dst} ${sport} ${dport}`;
    let base = this.#bases.get(key);
    if (base === undefined || isSyn) {
      const before = (ack - 1) >>> 0;
      base = isTurned ? { seq: before, ack: seq } : { seq, ack: before };
      this.#bases.set(key, base);
      if (this.#bases.size > CONVERSATIONS_MAX) this.#bases.delete(this.#bases.keys().next().value!);
      return { seq, ack, edge: isTurned ? base.seq : base.ack };
    }
    const [own, other] = isTurned ? [base.ack, base.seq] : [base.seq, base.ack];
    return { seq: (seq - own) >>> 0, ack: (ack - other) >>> 0, edge: isTurned ? base.seq : base.ack };
  }
}

/** What of the network layer a TCP line needs. */
export interface TcpContext {
  src: string;
  dst: string;
  /** Octets of the segment on the wire. */
  length: number;
}

/**
 * A TCP segment at `off`, from the flags on. RFC 9293 §3.1.
 * @param put takes the line piece by piece: what came before a Cut stays
 * @throws Cut
 */
export function tcpLine(
  o: Octets,
  off: number,
  { src, dst, length }: TcpContext,
  bases: SequenceBases,
  put: (text: string) => void,
): void {
  if (!o.has(off, TCP_HEADER_MIN)) {
    put(' [|tcp]');
    throw new Cut();
  }
  const headerLen = (o.u8(off + TCP_DATA_OFFSET_OFF) >>> 4) << 2;
  if (headerLen < TCP_HEADER_MIN) {
    put(` tcp ${(length - headerLen) >>> 0} [bad hdr length ${headerLen} - too short, < ${TCP_HEADER_MIN}]`);
    return;
  }
  const flags = o.u8(off + TCP_FLAGS_OFF);
  const letters = FLAGS.filter(([bit]) => (flags & bit) !== 0).map(([, letter]) => letter);
  put(`Flags [${letters.join('') || 'none'}]`);
  let seq = o.u32(off + TCP_SEQ_OFF);
  let ack = o.u32(off + TCP_ACK_OFF);
  let edge = 0;
  const hasAck = (flags & TcpFlag.ACK) !== 0;
  if (hasAck) {
    const isSyn = (flags & TcpFlag.SYN) !== 0;
    ({ seq, ack, edge } = bases.relative(src, dst, o.u16(off), o.u16(off + 2), isSyn, seq, ack));
  }
  if (headerLen > length) {
    put(` [bad hdr length ${headerLen} - too long, > ${length}]`);
    return;
  }
  const payload = length - headerLen;
  if (payload > 0 || (flags & (TcpFlag.SYN | TcpFlag.FIN | TcpFlag.RST)) !== 0) {
    put(`, seq ${seq}`);
    if (payload > 0) put(`:${(seq + payload) >>> 0}`);
  }
  if (hasAck) put(`, ack ${ack}`);
  put(`, win ${o.u16(off + TCP_WINDOW_OFF)}`);
  if ((flags & TcpFlag.URG) !== 0) put(`, urg ${o.u16(off + URGENT_OFF)}`);
  if (headerLen > TCP_HEADER_MIN) {
    put(', options [');
    if (!putOptions(o, off + TCP_HEADER_MIN, off + headerLen, edge, put)) return;
  }
  put(`, length ${payload}`);
}

/**
 * The options up to the closing bracket.
 * @returns false when the list is broken: the line ends there
 * @throws Cut; its mark is on the line, with the angle bracket that tcpdump puts behind a cut value
 */
function putOptions(o: Octets, off: number, end: number, edge: number, put: (text: string) => void): boolean {
  let cur = off;
  let isFirst = true;
  let isInValue = false;
  try {
    for (; cur < end; isFirst = false) {
      if (!isFirst) put(',');
      const kind = o.u8(cur);
      const isBare = kind === EOL || kind === NOP;
      const optionLen = isBare ? 1 : o.u8(cur + 1);
      if (!isBare && (optionLen < 2 || optionLen > end - cur)) return broken(isFirst, put);
      put(OPTIONS[kind] ?? `unknown-${kind}`);
      if (kind === EOL) break;
      cur += isBare ? 1 : 2;
      if (isBare) continue;
      isInValue = true;
      const used = putValue(o, kind, cur, optionLen - 2, end, edge, put);
      isInValue = false;
      if (used < 0) return broken(isFirst, put);
      if (used !== optionLen - 2) put(`[len ${optionLen}]`);
      cur += used;
    }
  } catch (error) {
    if (error instanceof Cut) put(isInValue && !isFirst ? ' [|tcp]>' : ' [|tcp]');
    throw error;
  }
  put(']');
  return true;
}

function broken(isFirst: boolean, put: (text: string) => void): false {
  put(isFirst ? '[bad opt]' : '[bad opt]]');
  return false;
}

/** The value of one option. @returns octets that it should have, or -1 when they do not fit into the header */
function putValue(
  o: Octets,
  kind: number,
  off: number,
  length: number,
  end: number,
  edge: number,
  put: (text: string) => void,
): number {
  const fits = (need: number): boolean => {
    if (off + need > end) return false;
    o.need(off, need);
    return true;
  };
  switch (kind) {
    case 2:
      if (!fits(2)) return -1;
      put(` ${o.u16(off)}`);
      return 2;
    case 3:
      if (!fits(1)) return -1;
      put(` ${o.u8(off)}`);
      return 1;
    case 4:
      return 0;
    case 5:
      if (length % SACK_BLOCK_LEN !== 0) {
        put(' invalid sack');
        return length;
      }
      put(` ${length / SACK_BLOCK_LEN} `);
      for (let i = 0; i < length; i += SACK_BLOCK_LEN) {
        if (!fits(i + SACK_BLOCK_LEN)) return -1;
        put(`{${(o.u32(off + i) - edge) >>> 0}:${(o.u32(off + i + 4) - edge) >>> 0}}`);
      }
      return length;
    case 6:
    case 7:
    case 11:
    case 12:
    case 13:
      if (!fits(4)) return -1;
      put(` ${o.u32(off)}`);
      return 4;
    case 8:
      if (!fits(8)) return -1;
      put(` val ${o.u32(off)} ecr ${o.u32(off + 4)}`);
      return 8;
    case 19:
      if (!fits(16)) return -1;
      put(' ');
      put(`can't check - ${o.hex(off, 16)}`);
      return 16;
    case 20:
      if (!fits(2)) return -1;
      put(` cap ${o.hex(off, 1)} id ${o.u8(off + 1)}`);
      return 2;
    case 28: {
      if (!fits(2)) return -1;
      const value = o.u16(off);
      put(` 0x${value.toString(16)} ${(value & 1) !== 0 ? (value >> 1) * 60 : value >> 1}`);
      return 2;
    }
    case 29:
      if (length < 2) {
        put(' (invalid)');
        return length;
      }
      if (!fits(length)) return -1;
      put(` keyid ${o.u8(off)} rnextkeyid ${o.u8(off + 1)}`);
      if (length > 2) put(` mac 0x${o.hex(off + 2, length - 2)}`);
      return length;
    case 34:
      if (!fits(length)) return -1;
      put(' ');
      putCookie(o, off, length, put);
      return length;
    case 254:
      if (!fits(length) || length < 2) return -1;
      put('-');
      if (o.u16(off) === EXPERIMENT_FAST_OPEN) {
        put('tfo ');
        putCookie(o, off + 2, length - 2, put);
      } else put(o.hex(off, 2));
      return length;
    default:
      if (length > 0) {
        const captured = Math.min(length, Math.max(0, o.end - off));
        put(` 0x${o.hex(off, captured)}`);
        o.need(off, length);
      }
      return length;
  }
}

/** TCP Fast Open. RFC 7413 §4.1.1: no cookie asks for one; 4 to 16 octets, an even number. */
function putCookie(o: Octets, off: number, length: number, put: (text: string) => void): void {
  if (length === 0) put(' cookiereq');
  else if (length % 2 !== 0 || length < 4 || length > 16) put(' (invalid)');
  else put(` cookie ${o.hex(off, length)}`);
}
