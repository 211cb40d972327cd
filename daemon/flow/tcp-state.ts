import { type PacketFields, TcpFlag } from '../../decoders/packet-fields.ts';
import { CONN_STATES, HISTORY_MAX } from '../../storage/flow-batch.ts';
import {
  BIT,
  D,
  ENDPOINT_BITS,
  ENDPOINT_SHIFT,
  Endpoint,
  SLOT_BYTES,
  SLOT_DOUBLES,
  SLOT_WORDS,
  W,
  W_SYN_DELTA,
  W_SYN_NSEC,
} from './slot.ts';

/** The flags that change the state of an endpoint. */
const CONTROL = TcpFlag.SYN | TcpFlag.FIN | TcpFlag.RST;

const STATE_MASK = (1 << ENDPOINT_BITS) - 1;

/**
 * Letters of the history string, as bits of "already there", LETTERS a role from bit 8 of W.historyMeta. `s` and `h` share
 * theirs, as Zeek's HIST_SYN_PKT does: an endpoint sends one or the other.
 */
const LETTER = { s: 0, a: 1, d: 2, f: 3, r: 4, i: 5, q: 6, t: 7, w: 8 } as const;
const LETTERS = 9;
const CODE = {
  s: 0x73,
  h: 0x68,
  a: 0x61,
  d: 0x64,
  f: 0x66,
  r: 0x72,
  i: 0x69,
  q: 0x71,
  t: 0x74,
  w: 0x77,
} as const;
const CARET = 0x5e;

/** State of the endpoint that sends side `side`. @param bits W.bits of the flow */
export function endpointState(bits: number, side: number): Endpoint {
  return ((bits >>> (ENDPOINT_SHIFT + side * ENDPOINT_BITS)) & STATE_MASK) as Endpoint;
}

function withState(bits: number, side: number, state: Endpoint): number {
  const shift = ENDPOINT_SHIFT + side * ENDPOINT_BITS;
  return (bits & ~(STATE_MASK << shift)) | (state << shift);
}

/** True when both sides closed the connection. */
export function isTcpClosed(bits: number): boolean {
  return endpointState(bits, 0) === Endpoint.Closed && endpointState(bits, 1) === Endpoint.Closed;
}

/** True when the connection is over: reset, or closed by both sides. */
export function isTcpOver(bits: number): boolean {
  return (
    endpointState(bits, 0) === Endpoint.Reset ||
    endpointState(bits, 1) === Endpoint.Reset ||
    isTcpClosed(bits)
  );
}

/**
 * True when neither endpoint got past its SYN. A connection that was under way when the capture began is not: Zeek gives it
 * the timeout of an established one, too (TCP_Endpoint.cc, is_handshake).
 */
export function isTcpHalfOpen(bits: number): boolean {
  return endpointState(bits, 0) < Endpoint.Partial && endpointState(bits, 1) < Endpoint.Partial;
}

/**
 * True when a SYN of side `side` with sequence number `seq` is one that it sent before, and not the first of another
 * connection: everything that side has sent since fits between the two.
 */
export function isSynAgain(
  words: Int32Array,
  doubles: Float64Array,
  slot: number,
  side: number,
  seq: number,
): boolean {
  const base = slot * SLOT_WORDS;
  if ((words[base + W.bits]! & (BIT.seqKnown0 << side)) === 0) return false;
  const sent = (words[base + W.seqNext0 + side]! - seq - 1) | 0;
  // One more than the payload: a FIN takes a sequence number, too.
  return sent >= 0 && sent <= doubles[slot * SLOT_DOUBLES + D.payload0 + side]! + 1;
}

/**
 * The endpoint states after a segment. Zeek's TCPSessionAdapter::UpdateStateMachine, transition by transition, but for one:
 * a SYN that is seen after its SYN+ACK (two queues of one interface) establishes the connection.
 * @returns `bits` with both states
 */
function nextStates(
  bits: number,
  side: number,
  fromOrig: boolean,
  flags: number,
  payloadLen: number,
): number {
  const own = endpointState(bits, side);
  const peer = endpointState(bits, 1 - side);
  const isSyn = (flags & TcpFlag.SYN) !== 0;
  const isAck = (flags & TcpFlag.ACK) !== 0;
  const isFin = (flags & TcpFlag.FIN) !== 0;
  const isRst = (flags & TcpFlag.RST) !== 0;
  let next: Endpoint = own;
  switch (own) {
    case Endpoint.Inactive:
      if (isSyn && fromOrig) {
        if (isAck) next = Endpoint.SynAckSent;
        else next = peer === Endpoint.Established ? Endpoint.Established : Endpoint.SynSent;
      } else if (isSyn) {
        next = Endpoint.Established;
        if (peer === Endpoint.SynSent) bits = withState(bits, 1 - side, Endpoint.Established);
      }
      if (isFin) next = Endpoint.Closed;
      if (isRst) next = Endpoint.Reset;
      if (next === Endpoint.Inactive) {
        if (isAck && peer === Endpoint.Established) next = Endpoint.Established;
        // A bare ACK before the SYN+ACK says nothing yet.
        else if (fromOrig || payloadLen > 0 || peer !== Endpoint.SynSent) next = Endpoint.Partial;
      }
      break;
    case Endpoint.SynSent:
    case Endpoint.SynAckSent:
      if (isFin) next = Endpoint.Closed;
      if (isRst) next = Endpoint.Reset;
      break;
    case Endpoint.Partial:
    case Endpoint.Established:
      if (isRst) next = Endpoint.Reset;
      else if (isFin) {
        next = Endpoint.Closed;
        // The peer's FIN and then RST were a normal end after all.
        if ((bits & (BIT.resetAfterFin0 << (1 - side))) !== 0)
          bits = withState(bits, 1 - side, Endpoint.Closed);
      } else if (isSyn && !isAck && own === Endpoint.Partial && peer === Endpoint.Inactive) {
        next = Endpoint.SynSent;
      }
      break;
    case Endpoint.Closed:
      // A RST after both FINs changes nothing.
      if (isRst && peer !== Endpoint.Closed) {
        next = Endpoint.Reset;
        bits |= BIT.resetAfterFin0 << side;
      }
      break;
  }
  return withState(bits, side, next);
}

/**
 * Follows one TCP segment: endpoint states, history, handshake round trip, sequence space (retransmissions, out of order),
 * zero windows. Allocates nothing.
 * @param words, doubles, bytes the slab; `slot` the flow; `side` the sender (0 lo, 1 hi)
 * @param f a packet whose TCP header was read in full, and whose payload is counted already
 */
export function trackTcp(
  words: Int32Array,
  doubles: Float64Array,
  bytes: Uint8Array,
  slot: number,
  side: number,
  f: PacketFields,
): void {
  const base = slot * SLOT_WORDS;
  const flags = f.tcpFlags;
  let bits = words[base + W.bits]!;
  const isSyn = (flags & TcpFlag.SYN) !== 0;
  const isAck = (flags & TcpFlag.ACK) !== 0;
  const isFin = (flags & TcpFlag.FIN) !== 0;
  const isRst = (flags & TcpFlag.RST) !== 0;
  const isControl = (flags & CONTROL) !== 0;
  const fromOrig = side === ((bits & BIT.origIsHi) !== 0 ? 1 : 0);
  const own = endpointState(bits, side);
  const length = f.payloadLen + (isSyn ? 1 : 0) + (isFin ? 1 : 0);
  const end = (f.tcpSeq + length) | 0;
  const isOldSyn = isSyn && isSynAgain(words, doubles, slot, side, f.tcpSeq);

  if (isControl) noteControl(words, bytes, slot, side, fromOrig, f, end, isOldSyn);
  else if (f.payloadLen > 0) noteOnce(words, bytes, slot, LETTER.d, CODE.d, fromOrig);
  else if (isAck) noteOnce(words, bytes, slot, LETTER.a, CODE.a, fromOrig);

  if (f.tcpWindow === 0 && !isRst) {
    let count = words[base + W.zeroWindows0 + side]!;
    if (!isSyn) words[base + W.zeroWindows0 + side] = ++count;
    if (own !== Endpoint.Reset && endpointState(bits, 1 - side) !== Endpoint.Closed)
      noteScaled(words, bytes, slot, LETTER.w, CODE.w, fromOrig, count);
  }

  // Nothing else changes a state: most segments need not ask.
  if (isControl || own === Endpoint.Inactive) bits = nextStates(bits, side, fromOrig, flags, f.payloadLen);

  // Round trip: from the originator's SYN to its ACK of the SYN+ACK.
  if ((bits & BIT.rttKnown) === 0) {
    if (isSyn && !isAck && fromOrig && (bits & BIT.synTime) === 0) {
      words[base + W_SYN_DELTA] = (f.tsSec - doubles[slot * SLOT_DOUBLES + D.startSec]!) | 0;
      words[base + W_SYN_NSEC] = f.tsNsec;
      bits |= BIT.synTime;
    } else if (isSyn && isAck && !fromOrig) {
      bits |= BIT.synAck;
    } else if (
      isAck &&
      !isSyn &&
      !isRst &&
      fromOrig &&
      (bits & (BIT.synTime | BIT.synAck)) === (BIT.synTime | BIT.synAck)
    ) {
      const start = doubles[slot * SLOT_DOUBLES + D.startSec]!;
      const seconds = f.tsSec - start - words[base + W_SYN_DELTA]!;
      const rtt = seconds * 1e9 + (f.tsNsec - words[base + W_SYN_NSEC]!);
      if (rtt >= 0) {
        doubles[slot * SLOT_DOUBLES + D.rtt] = rtt;
        bits |= BIT.rttKnown;
      }
    }
  }

  // Sequence space of the sender. Keep-alives (one octet or none, just before the next expected) are not retransmissions.
  const known = BIT.seqKnown0 << side;
  let isRetransmit = false;
  if (isRst) {
    // Only to tell this RST from the next one: nothing that follows is believed, as in Zeek.
    words[base + W.seqNext0 + side] = f.tcpSeq;
    bits |= known;
  } else if ((bits & known) === 0 || isSyn) {
    if (isOldSyn) isRetransmit = true;
    else {
      words[base + W.seqNext0 + side] = end;
      bits = (bits | known) & ~(BIT.hole0 << side);
    }
  } else if (length > 0 && own !== Endpoint.Reset) {
    const next = words[base + W.seqNext0 + side]!;
    const ahead = (f.tcpSeq - next) | 0;
    const hole = BIT.hole0 << side;
    if (ahead < 0) {
      const keepAlive = ahead === -1 && f.payloadLen <= 1 && !isFin;
      if (!keepAlive) {
        if ((bits & hole) !== 0 && ((end - next) | 0) <= 0) {
          words[base + W.outOfOrder0 + side] = words[base + W.outOfOrder0 + side]! + 1;
          bits &= ~hole;
        } else isRetransmit = true;
      }
    } else if (ahead > 0) {
      bits |= hole;
    }
    if (((end - next) | 0) > 0) words[base + W.seqNext0 + side] = end;
  }
  words[base + W.bits] = bits;
  if (isRetransmit) {
    const count = words[base + W.retransmits0 + side]! + 1;
    words[base + W.retransmits0 + side] = count;
    if (f.payloadLen > 0) noteScaled(words, bytes, slot, LETTER.t, CODE.t, fromOrig, count);
  }
}

/**
 * Notes a segment with SYN, FIN or RST in the history: that alone, also when it has data. A letter stands again when another
 * sequence number comes with it. Zeek: update_history.
 * @param end sequence number behind the segment
 */
function noteControl(
  words: Int32Array,
  bytes: Uint8Array,
  slot: number,
  side: number,
  fromOrig: boolean,
  f: PacketFields,
  end: number,
  isOldSyn: boolean,
): void {
  const isFin = (f.tcpFlags & TcpFlag.FIN) !== 0;
  const isRst = (f.tcpFlags & TcpFlag.RST) !== 0;
  const next = words[slot * SLOT_WORDS + W.seqNext0 + side]!;
  let letter: number = LETTER.s;
  let code: number = (f.tcpFlags & TcpFlag.ACK) !== 0 ? CODE.h : CODE.s;
  let isRepeat = isOldSyn;
  if ((f.tcpFlags & TcpFlag.SYN) !== 0) {
    if (isFin || isRst) {
      letter = isFin && isRst ? LETTER.i : LETTER.q;
      code = isFin && isRst ? CODE.i : CODE.q;
      isRepeat = true;
    }
  } else if (isFin) {
    letter = isRst ? LETTER.i : LETTER.f;
    code = isRst ? CODE.i : CODE.f;
    isRepeat = isRst || end === next;
  } else {
    letter = LETTER.r;
    code = CODE.r;
    isRepeat = f.tcpSeq === next;
  }
  if (!noteOnce(words, bytes, slot, letter, code, fromOrig) && !isRepeat)
    putHistory(words, bytes, slot, code, fromOrig);
}

/** Notes in the history that a datagram came from the originator ("D") or the responder ("d"), as Zeek for UDP. */
export function trackDatagram(words: Int32Array, bytes: Uint8Array, slot: number, side: number): void {
  const orig = (words[slot * SLOT_WORDS + W.bits]! & BIT.origIsHi) !== 0 ? 1 : 0;
  noteOnce(words, bytes, slot, LETTER.d, CODE.d, side === orig);
}

/** Notes a letter unless that role has it. @returns true when it was new */
function noteOnce(
  words: Int32Array,
  bytes: Uint8Array,
  slot: number,
  letter: number,
  code: number,
  fromOrig: boolean,
): boolean {
  const at = slot * SLOT_WORDS + W.historyMeta;
  const meta = words[at]!;
  const once = 1 << (8 + letter + (fromOrig ? 0 : LETTERS));
  if ((meta & once) !== 0) return false;
  words[at] = meta | once;
  putHistory(words, bytes, slot, code, fromOrig);
  return true;
}

/** Notes a letter at the first event and then on a logarithmic scale, as Zeek. @param count events of this sender so far */
function noteScaled(
  words: Int32Array,
  bytes: Uint8Array,
  slot: number,
  letter: number,
  code: number,
  fromOrig: boolean,
  count: number,
): void {
  if (noteOnce(words, bytes, slot, letter, code, fromOrig) || count < 10) return;
  let left = count;
  while (left % 10 === 0) left = (left / 10) | 0;
  if (left === 1) putHistory(words, bytes, slot, code, fromOrig);
}

/** Notes in the history that originator and responder were exchanged ("^"): what each had noted stays its own. */
export function markFlip(words: Int32Array, bytes: Uint8Array, slot: number): void {
  const at = slot * SLOT_WORDS + W.historyMeta;
  const meta = words[at]!;
  const role = (1 << LETTERS) - 1;
  words[at] =
    (meta & 0xff) | (((meta >>> (8 + LETTERS)) & role) << 8) | (((meta >>> 8) & role) << (8 + LETTERS));
  putHistory(words, bytes, slot, CARET, false);
}

/** Appends a letter (of the originator in upper case); what HISTORY_MAX has no room for is left out. */
function putHistory(
  words: Int32Array,
  bytes: Uint8Array,
  slot: number,
  code: number,
  fromOrig: boolean,
): void {
  const at = slot * SLOT_WORDS + W.historyMeta;
  const length = words[at]! & 0xff;
  if (length >= HISTORY_MAX) return;
  bytes[slot * SLOT_BYTES + W.history * 4 + length] = fromOrig ? code - 0x20 : code;
  words[at] = words[at]! + 1; // the length is the low octet
}

const STATE_CODE = Object.fromEntries(CONN_STATES.map((name, code) => [name, code])) as Record<
  string,
  number
>;

/**
 * Zeek's conn_state from the two endpoint states; its `conn_state()` of base/protocols/conn/main.zeek, line by line.
 * @returns index into CONN_STATES
 */
export function tcpConnState(orig: Endpoint, resp: Endpoint, payloadBytes: number): number {
  const origInactive = orig === Endpoint.Inactive || orig === Endpoint.Partial;
  const respInactive = resp === Endpoint.Inactive || resp === Endpoint.Partial;
  let name: string;
  if (resp === Endpoint.Reset) {
    if (
      orig === Endpoint.SynSent ||
      orig === Endpoint.SynAckSent ||
      (orig === Endpoint.Reset && payloadBytes === 0)
    )
      name = 'REJ';
    else name = origInactive ? 'RSTRH' : 'RSTR';
  } else if (orig === Endpoint.Reset) name = respInactive ? 'RSTOS0' : 'RSTO';
  else if (resp === Endpoint.Closed && orig === Endpoint.Closed) name = 'SF';
  else if (orig === Endpoint.Closed) name = respInactive ? 'SH' : 'S2';
  else if (resp === Endpoint.Closed) name = origInactive ? 'SHR' : 'S3';
  else if (orig === Endpoint.SynSent && resp === Endpoint.Inactive) name = 'S0';
  else if (orig === Endpoint.Established && resp === Endpoint.Established) name = 'S1';
  else name = 'OTH';
  return STATE_CODE[name]!;
}

/** SF when both sides sent, S0 originator only, SHR responder only: how Zeek sees UDP, and nstap all but TCP. */
export function datagramConnState(origSent: boolean, respSent: boolean): number {
  return STATE_CODE[origSent ? (respSent ? 'SF' : 'S0') : 'SHR']!;
}
