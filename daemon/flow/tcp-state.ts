import { TcpFlag } from '../../decoders/packet-fields.ts';
import { CONN_STATES } from '../../storage/flow-batch.ts';
import * as layout from './slot.ts';

// Copies, because V8 reads what is imported from memory each time it is used and folds a local constant.
const { BIT, ENDPOINT_BITS, ENDPOINT_SHIFT, Endpoint } = layout;
type Endpoint = layout.Endpoint;

const STATE_MASK = (1 << ENDPOINT_BITS) - 1;

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
 * True when both sides are established, or closed after they were: then what one acknowledges and the other was not seen to
 * send is missing from the capture. Zeek: established_or_cleanly_closing.
 */
export function isCleanly(bits: number): boolean {
  return isClean(bits, 0) && isClean(bits, 1);
}

function isClean(bits: number, side: number): boolean {
  const state = endpointState(bits, side);
  if (state === Endpoint.Closed) return (bits & (BIT.cleanClose0 << side)) !== 0;
  return state === Endpoint.Established;
}

/**
 * The endpoint states after a segment. Zeek's TCPSessionAdapter::UpdateStateMachine, transition by transition, but for one:
 * a SYN that is seen after its SYN+ACK (two queues of one interface) establishes the connection.
 * @param bits W.bits of the flow @param side the sender @param flags TCP flags of the segment
 * @returns `bits` with both states
 */
export function nextStates(
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
        if (own === Endpoint.Established) bits |= BIT.cleanClose0 << side;
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
        bits = (bits | (BIT.resetAfterFin0 << side)) & ~(BIT.cleanClose0 << side);
      }
      break;
  }
  return withState(bits, side, next);
}

const STATE_CODE = Object.fromEntries(CONN_STATES.map((name, code) => [name, code])) as Record<
  string,
  number
>;

/**
 * Zeek's conn_state from the two endpoint states; its `conn_state()` of base/protocols/conn/main.zeek, line by line.
 * @param isAborted see isAbortedAttempt
 * @returns index into CONN_STATES
 */
export function tcpConnState(
  orig: Endpoint,
  resp: Endpoint,
  payloadBytes: number,
  isAborted: boolean,
): number {
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
  } else if (orig === Endpoint.Reset) name = respInactive ? (isAborted ? 'RSTOS0' : 'OTH') : 'RSTO';
  else if (resp === Endpoint.Closed && orig === Endpoint.Closed) name = 'SF';
  else if (orig === Endpoint.Closed) name = respInactive ? 'SH' : 'S2';
  else if (resp === Endpoint.Closed) name = origInactive ? 'SHR' : 'S3';
  else if (orig === Endpoint.SynSent && resp === Endpoint.Inactive) name = 'S0';
  else if (orig === Endpoint.Established && resp === Endpoint.Established) name = 'S1';
  else name = 'OTH';
  return STATE_CODE[name]!;
}

/**
 * SF when both sides sent, S0 originator only, SHR responder only: how Zeek sees UDP, and nstap all but TCP. OTH when neither
 * did: of UDP only packets with a good checksum count.
 */
export function datagramConnState(origSent: boolean, respSent: boolean): number {
  if (origSent) return STATE_CODE[respSent ? 'SF' : 'S0']!;
  return STATE_CODE[respSent ? 'SHR' : 'OTH']!;
}
