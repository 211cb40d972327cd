import type { ZeekSegment } from './zeek-packets.ts';

/** States of an endpoint. TCP_Endpoint.h, EndpointState. */
export const State = {
  Inactive: 0,
  SynSent: 1,
  SynAckSent: 2,
  Partial: 3,
  Established: 4,
  Closed: 5,
  Reset: 6,
} as const;
export type State = (typeof State)[keyof typeof State];

/** RFC 9293 §3.1. */
export const Flag = { FIN: 1, SYN: 2, RST: 4, ACK: 16 } as const;

/** A jump in the numbers of a SYN or RST, or to the acknowledgment 0, that is not believed. */
const TOO_LARGE_SEQ_DELTA = 1048576;
/** `tcp_max_initial_window` and `tcp_max_above_hole_without_any_acks` of init-bare.zeek. */
const INITIAL_WINDOW_MAX = 16384;
const ABOVE_HOLE_MAX = 16384;
/** `tcp_excessive_data_without_further_acks`. */
const UNACKED_MAX = 10485760;
const SPACE = 2 ** 32;

/** The history of a connection: Session::CheckHistory, AddHistory, ScaledHistoryEntry. */
export class ZeekHistory {
  text = '';
  /** Letters that are noted once, by sender. "orig s" stands for `h`, too. */
  seen = new Set<string>();

  /** Notes a letter unless the sender has it. @returns true when it had */
  check(isOrig: boolean, letter: string): boolean {
    const mark = `${isOrig ? 'orig' : 'resp'} ${letter === 'h' ? 's' : letter}`;
    if (this.seen.has(mark)) return true;
    this.seen.add(mark);
    this.add(isOrig, letter);
    return false;
  }

  /** Each side takes along what it had noted. In Zeek the marks stay with the roles. */
  exchange(): void {
    this.seen = new Set(
      [...this.seen].map((mark) => `${mark.startsWith('orig') ? 'resp' : 'orig'}${mark.slice(4)}`),
    );
  }

  add(isOrig: boolean, letter: string): void {
    this.text += isOrig ? letter.toUpperCase() : letter;
  }
}

/** Counts events; a letter stands for the first, the 10th, the 100th … */
export class Scaled {
  count = 0;
  threshold = 1;

  /** @returns true when the letter is due */
  bump(): boolean {
    if (++this.count !== this.threshold) return false;
    this.threshold *= 10;
    return true;
  }
}

/** One end of a connection with its reassembler. TCP_Endpoint.cc, TCP_Reassembler.cc, Reassem.cc. */
export class ZeekEndpoint {
  state: State = State.Inactive;
  before: State = State.Inactive;
  startSeq = 0;
  lastSeq = 0;
  ackSeq = 0;
  seqWraps = 0;
  ackWraps = 0;
  finCount = 0;
  finSeq = 0;
  didClose = false;
  lastSyn = 0;
  lastFin = 0;
  lastRst = 0;
  readonly checksums = new Scaled();
  readonly retransmits = new Scaled();
  readonly zeroWindows = new Scaled();
  readonly gaps = new Scaled();
  /** Relative numbers, which begin with 1: delivered up to, and dropped up to. */
  delivered = 1;
  trimmed = 1;
  /** What was sent and not yet acknowledged, sorted and without overlap: [begin, end). */
  blocks: [number, number][] = [];
  isSkipping = false;
  didEof = false;

  become(state: State): void {
    if (state === this.state) return;
    this.before = this.state;
    this.state = state;
  }

  /** Begins the sequence space at `start`, the number of a SYN, with `last` the next one. */
  begin(start: number, last: number): void {
    this.startSeq = start;
    this.ackSeq = start;
    this.lastSeq = last;
  }

  /** Nothing but the SYN was acknowledged. */
  get hasNoDataAcked(): boolean {
    const ack = this.ackWraps * SPACE + this.ackSeq;
    return ack === this.startSeq || ack === this.startSeq + 1;
  }

  /** Octets of payload in the sequence space, sent or acknowledged. TCP_Endpoint::Size. */
  size(peer: ZeekEndpoint): number {
    const isAborted =
      this.before === State.SynSent && this.state === State.Reset && peer.state === State.Inactive;
    if (isAborted && !this.hasNoDataAcked) return 0;
    const last = this.seqWraps * SPACE + this.lastSeq;
    const ack = this.ackWraps * SPACE + this.ackSeq;
    let size = Math.max(last, ack) - this.startSeq;
    if (size !== 0) size--;
    if (this.finCount > 0 && size !== 0) size--;
    return size;
  }

  get isClean(): boolean {
    return (
      this.state === State.Established || (this.state === State.Closed && this.before === State.Established)
    );
  }
}

/** Those of zeek-model.ts that concern a connection. */
export type TcpDeviation = 'lateSynEstablishes' | 'synNumbers' | 'controlPayload' | 'cutPayload';

/** A TCP connection as Zeek follows it. TCPSessionAdapter.cc. */
export class ZeekTcp {
  orig = new ZeekEndpoint();
  resp = new ZeekEndpoint();
  readonly history: ZeekHistory;
  /** What the responder acknowledged last. */
  lastAck = 0;
  /** Whether no full handshake was seen so far. */
  #isPartial = false;
  readonly #seen = { orig: false, resp: false };
  #isCloseDeferred = false;
  readonly #with: { has(deviation: TcpDeviation): boolean };

  constructor(history: ZeekHistory, deviations: { has(deviation: TcpDeviation): boolean }) {
    this.history = history;
    this.#with = deviations;
  }

  /** Exchanges originator and responder, noted as `^`. */
  flip(): void {
    [this.orig, this.resp] = [this.resp, this.orig];
    [this.#seen.orig, this.#seen.resp] = [this.#seen.resp, this.#seen.orig];
    this.#isPartial = false;
    this.history.text += '^';
  }

  /** The sender's checksum is bad: nothing else of the segment counts. */
  badChecksum(isOrig: boolean): void {
    if ((isOrig ? this.orig : this.resp).checksums.bump()) this.history.add(isOrig, 'c');
  }

  /** @param isWhole its payload was captured in full */
  segment(isOrig: boolean, s: ZeekSegment, isWhole: boolean): void {
    const own = isOrig ? this.orig : this.resp;
    const peer = isOrig ? this.resp : this.orig;
    const isSyn = (s.flags & Flag.SYN) !== 0;
    const isFin = (s.flags & Flag.FIN) !== 0;
    const isRst = (s.flags & Flag.RST) !== 0;
    const isAck = (s.flags & Flag.ACK) !== 0;
    if (isOrig && !this.#seen.orig) this.#isPartial = !isSyn || isAck;
    if (!isOrig && !this.#seen.resp && !this.#isPartial) this.#isPartial = !isSyn;

    const octets = (isRst ? 0 : s.len) + (isSyn ? 1 : 0) + (isFin ? 1 : 0);
    const end = (s.seq + octets) >>> 0;
    const begins = beginEndpoint(own, isSyn, s.seq, end);
    const rel = relative(own, s.seq, own.lastSeq, own.seqWraps);
    this.#noteSegment(isOrig, own, s, rel);
    if (s.window === 0 && !isRst && peer.state !== State.Closed && own.state !== State.Reset) {
      if (own.zeroWindows.bump()) this.history.add(isOrig, 'w');
    }
    if (isFin) {
      own.finCount++;
      own.finSeq = rel + octets;
    }
    if (!isOrig && isAck) this.lastAck = s.ack;
    const relAck = isAck ? this.#acknowledge(peer, s.ack, isRst) : 0;
    const isAgain = moveLast(own, end, isSyn, isFin, isRst, s.len);
    const isOnlyByNumber = (isSyn && begins) || isRst;
    if (isAgain && !(isOnlyByNumber && this.#with.has('controlPayload')) && own.retransmits.bump())
      this.history.add(isOrig, 't');

    const doesClose = this.#advance(isOrig, own, peer, s);
    // The flip of a SYN behind its SYN+ACK exchanges roles, not `own` and `peer`.
    if (isAck) this.#ackReceived(peer, relAck);
    this.#seen[own === this.orig ? 'orig' : 'resp'] = true;
    if (s.len > 0 && !isRst && rel >= 0 && (isWhole || this.#with.has('cutPayload')))
      this.#dataSent(own, isSyn ? rel + 1 : rel, s.len);
    this.#checkEof(own);
    if (doesClose) this.#close(own);
  }

  /** A side closed: a SYN then begins another connection. */
  get isClosed(): boolean {
    return this.orig.didClose || this.resp.didClose;
  }

  /** conn_state() of base/protocols/conn/main.zeek. */
  get state(): string {
    const [os, rs] = [this.orig.state, this.resp.state];
    const isOrigInactive = os === State.Inactive || os === State.Partial;
    const isRespInactive = rs === State.Inactive || rs === State.Partial;
    if (rs === State.Reset) {
      if (os === State.SynSent || os === State.SynAckSent) return 'REJ';
      if (os === State.Reset && this.orig.size(this.resp) === 0 && this.resp.size(this.orig) === 0)
        return 'REJ';
      return isOrigInactive ? 'RSTRH' : 'RSTR';
    }
    if (os === State.Reset) {
      if (!isRespInactive) return 'RSTO';
      return /^\^?S[^HAFGIQ]*R.*$/.test(this.history.text) ? 'RSTOS0' : 'OTH';
    }
    if (rs === State.Closed && os === State.Closed) return 'SF';
    if (os === State.Closed) return isRespInactive ? 'SH' : 'S2';
    if (rs === State.Closed) return isOrigInactive ? 'SHR' : 'S3';
    if (os === State.SynSent && rs === State.Inactive) return 'S0';
    if (os === State.Established && rs === State.Established) return 'S1';
    return 'OTH';
  }

  /** The letters of a segment's flags and payload. update_history. */
  #noteSegment(isOrig: boolean, own: ZeekEndpoint, s: ZeekSegment, rel: number): void {
    const control = s.flags & (Flag.SYN | Flag.FIN | Flag.RST);
    const { history } = this;
    switch (control) {
      case 0:
        if (s.len > 0) history.check(isOrig, 'd');
        else if ((s.flags & Flag.ACK) !== 0) history.check(isOrig, 'a');
        return;
      case Flag.SYN: {
        const letter = (s.flags & Flag.ACK) !== 0 ? 'h' : 's';
        const number = this.#with.has('synNumbers') ? s.seq : rel;
        if (history.check(isOrig, letter) && number !== own.lastSyn) history.add(isOrig, letter);
        own.lastSyn = number;
        return;
      }
      case Flag.FIN:
        if (history.check(isOrig, 'f') && rel + s.len !== own.lastFin) history.add(isOrig, 'f');
        own.lastFin = rel + s.len;
        return;
      case Flag.RST:
        if (history.check(isOrig, 'r') && rel !== own.lastRst) history.add(isOrig, 'r');
        own.lastRst = rel;
        return;
      default:
        history.check(isOrig, (control & (Flag.FIN | Flag.RST)) === (Flag.FIN | Flag.RST) ? 'i' : 'q');
    }
  }

  /** What a segment acknowledges. @returns the relative number, 0 when it is before the beginning */
  #acknowledge(peer: ZeekEndpoint, ack: number, isRst: boolean): number {
    if (peer.state === State.Inactive) {
      const start = (ack - 1) >>> 0;
      peer.begin(start, start);
      return 1;
    }
    const rel = relative(peer, ack, peer.ackSeq, peer.ackWraps);
    if (rel < 0) return 0;
    const ahead = (ack - peer.ackSeq) | 0;
    if (!isRst && ahead > 0 && !(ack === 0 && ahead > TOO_LARGE_SEQ_DELTA)) {
      if (ack < peer.ackSeq) peer.ackWraps++;
      peer.ackSeq = ack;
    }
    return rel;
  }

  /** UpdateStateMachine. @returns true when the sender closes */
  #advance(isOrig: boolean, own: ZeekEndpoint, peer: ZeekEndpoint, s: ZeekSegment): boolean {
    const isSyn = (s.flags & Flag.SYN) !== 0;
    const isFin = (s.flags & Flag.FIN) !== 0;
    const isRst = (s.flags & Flag.RST) !== 0;
    const isAck = (s.flags & Flag.ACK) !== 0;
    switch (own.state) {
      case State.Inactive:
        if (isSyn && isOrig) {
          const isLate = this.#with.has('lateSynEstablishes') && peer.state === State.Established;
          own.become(isAck ? State.SynAckSent : isLate ? State.Established : State.SynSent);
        } else if (isSyn) {
          if (!isAck && peer.state === State.SynAckSent) {
            this.flip();
            peer.become(State.Established);
            this.#seen.orig = true;
          }
          if (peer.state === State.SynSent) peer.become(State.Established);
          own.become(State.Established);
        }
        if (isFin) own.become(State.Closed);
        if (isRst) own.become(State.Reset);
        if (own.state === State.Inactive) {
          if (!isOrig && s.len === 0 && this.orig.state === State.SynSent) return false;
          if (isAck && peer.state === State.Established) {
            own.become(State.Established);
            this.#isPartial = false;
            this.#seen[isOrig ? 'orig' : 'resp'] = true;
          } else own.become(State.Partial);
        }
        return isFin || isRst;
      case State.SynSent:
      case State.SynAckSent:
        if (isFin) own.become(State.Closed);
        if (isRst) own.become(State.Reset);
        return isFin || isRst;
      case State.Partial:
      case State.Established:
        if (isSyn && !isAck && own.state === State.Partial && peer.state === State.Inactive)
          own.become(State.SynSent);
        if (isFin && !isRst) {
          own.become(State.Closed);
          if (peer.state === State.Reset && peer.before === State.Closed) peer.become(State.Closed);
        }
        if (isRst) own.become(State.Reset);
        return isFin || isRst;
      case State.Closed:
        if (!isRst || peer.state === State.Closed) return false;
        own.become(State.Reset);
        return !own.didClose;
      case State.Reset:
        return false;
    }
  }

  /** TCP_Reassembler::AckReceived. */
  #ackReceived(end: ZeekEndpoint, relAck: number): void {
    const seq = end.finCount > 0 && relAck >= end.finSeq ? end.finSeq - 1 : relAck;
    if (seq <= end.trimmed) return;
    this.#trim(end, seq);
    this.#checkEof(end);
  }

  /** DataBlockList::Trim. What is acknowledged and was never seen is a gap. */
  #trim(end: ZeekEndpoint, seq: number): void {
    if (seq > end.delivered) this.#undelivered(end, seq);
    while (end.blocks.length > 0 && end.blocks[0]![1] <= seq) end.blocks.shift();
    end.trimmed = seq;
    if (end.blocks[0]?.[0] === end.delivered) this.#deliver(end);
  }

  #undelivered(end: ZeekEndpoint, upTo: number): void {
    // A connection under way has made-up numbers: its first acknowledgment tells of no gap.
    if (upTo <= 2 && this.#isPartial) return;
    if (!end.isSkipping) {
      for (;;) {
        const next = end.blocks.find(([begin]) => begin >= end.delivered);
        if (next === undefined || next[0] >= upTo) break;
        this.#gap(end);
        end.delivered = next[0];
        this.#deliver(end);
      }
      if (upTo > end.delivered) this.#gap(end);
    }
    end.delivered = Math.max(end.delivered, upTo);
  }

  #gap(end: ZeekEndpoint): void {
    if (this.orig.isClean && this.resp.isClean && end.gaps.bump()) this.history.add(end === this.orig, 'g');
  }

  /** Delivers what is next, and on from there. BlockInserted. */
  #deliver(end: ZeekEndpoint): void {
    for (const [begin, upper] of end.blocks) {
      if (begin > end.delivered) break;
      if (begin === end.delivered) end.delivered = upper;
    }
    const peer = end === this.orig ? this.resp : this.orig;
    if (end.hasNoDataAcked && end.size(peer) > INITIAL_WINDOW_MAX && end.delivered > end.trimmed)
      this.#trim(end, end.delivered);
  }

  /** TCP_Reassembler::DataSent. @param seq relative */
  #dataSent(end: ZeekEndpoint, seq: number, len: number): void {
    if (end.isSkipping) return;
    const ack = end.ackWraps * SPACE + end.ackSeq - end.startSeq;
    const upper = seq + len;
    if (upper <= ack || upper <= end.trimmed) return;
    insert(end.blocks, Math.max(seq, ack, end.trimmed), upper);
    this.#deliver(end);
    const above = (end.blocks.at(-1)?.[1] ?? end.delivered) - end.delivered;
    const kept = end.blocks.reduce((sum, [begin, stop]) => sum + stop - begin, 0);
    if ((end.hasNoDataAcked && above > ABOVE_HOLE_MAX) || kept > UNACKED_MAX) {
      end.blocks = [];
      end.isSkipping = true;
    }
  }

  #isDataPending(end: ZeekEndpoint): boolean {
    if (end.isSkipping) return false;
    const peer = end === this.orig ? this.resp : this.orig;
    const delivered = end.startSeq + end.delivered;
    const last = end.seqWraps * SPACE + end.lastSeq;
    if (last < delivered) return false;
    if (delivered !== last - 1 && delivered !== last) return true;
    return end.state !== State.Reset && peer.blocks.length > 0;
  }

  #checkEof(end: ZeekEndpoint): void {
    const isOver = end.finCount > 0 || end.state === State.Closed || end.state === State.Reset;
    if (end.didEof || !isOver || this.#isDataPending(end)) return;
    end.didEof = true;
    if (!this.#isCloseDeferred) return;
    this.#close(end);
    this.#isCloseDeferred = false;
  }

  /** ConnectionClosed: once all of its data was delivered. */
  #close(end: ZeekEndpoint): void {
    this.#isCloseDeferred = this.#isDataPending(end);
    if (!this.#isCloseDeferred) end.didClose = true;
  }
}

/**
 * init_endpoint: a SYN begins the sequence space, also again; without one it is made up.
 * @returns true when it begins
 */
function beginEndpoint(own: ZeekEndpoint, isSyn: boolean, seq: number, end: number): boolean {
  if (own.state === State.Inactive && !isSyn) {
    own.begin((seq - 1) >>> 0, seq);
    return true;
  }
  if (!isSyn || own.state === State.Closed) return false;
  const isSynSent = own.state === State.SynSent || own.state === State.SynAckSent;
  if (isSynSent && seq === own.startSeq) return false;
  if (own.state === State.Reset && own.before !== State.Inactive) return false;
  const isSame = own.state !== State.Inactive && seq === own.startSeq;
  own.begin(seq, end);
  return !isSame;
}

/** get_relative_seq: a number from the beginning of the sequence space; below 0 when it is before. */
function relative(end: ZeekEndpoint, seq: number, last: number, wraps: number): number {
  const ahead = (seq - last) | 0;
  let turns = wraps;
  if (ahead < 0 && turns > 0 && seq > last) turns--;
  if (ahead > 0 && seq < last) turns++;
  return turns === 0 ? (seq - end.startSeq) | 0 : turns * SPACE + seq - end.startSeq;
}

/** update_last_seq. @returns true for payload that ends where something ended before */
function moveLast(
  own: ZeekEndpoint,
  end: number,
  isSyn: boolean,
  isFin: boolean,
  isRst: boolean,
  len: number,
): boolean {
  const ahead = (end - own.lastSeq) | 0;
  if ((isSyn || isRst) && Math.abs(ahead) > TOO_LARGE_SEQ_DELTA) return false;
  const isFirstFin = isFin && own.lastSeq === (own.startSeq + 1) >>> 0;
  if (!isFirstFin && own.state === State.Reset) return false;
  if (!isFirstFin && ahead <= 0) return len > 0;
  if (end < own.lastSeq) own.seqWraps++;
  own.lastSeq = end;
  return false;
}

/** Puts what is not there yet of [begin, end) among blocks that are sorted and do not overlap. */
function insert(blocks: [number, number][], begin: number, end: number): void {
  let from = begin;
  let i = 0;
  while (from < end) {
    while (i < blocks.length && blocks[i]![1] <= from) i++;
    const next = blocks[i];
    if (next !== undefined && next[0] <= from) {
      from = next[1];
      continue;
    }
    const to = Math.min(end, next?.[0] ?? end);
    blocks.splice(i, 0, [from, to]);
    from = to;
  }
}
