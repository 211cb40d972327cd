import type { MessagePort } from 'node:worker_threads';
import { CONN_STATES, END_REASONS, type FlowBatch } from './flow-batch.ts';
import type { WriterChannel } from './writer-channel.ts';

/** Records that wait for the reader, at most. */
const WAITING_MAX = 1000;
/** Records a second, at most: each takes some 7 us of the storage thread. */
const RATE = 5000;
/** Texts of decisions that are kept. */
const TEXTS_MAX = 1024;

/** A record as it was written. Times, counters and ports as in FlowBatch. */
export interface TappedFlow {
  flowId: number;
  /** Of the capture thread. */
  captureIndex: number;
  ipVersion: number;
  proto: number;
  /** Addresses in hexadecimal, 8 or 32 digits. */
  src: string;
  dst: string;
  hasPorts: boolean;
  srcPort: number;
  dstPort: number;
  startSec: number;
  startNsec: number;
  endSec: number;
  endNsec: number;
  packetsFwd: number;
  packetsRev: number;
  bytesFwd: number;
  bytesRev: number;
  connState: string | null;
  /** null: the flow lives. */
  endReason: string | null;
  /** Route decisions as one line; null: no packet in that direction. */
  routeFwd: string | null;
  routeRev: string | null;
}

/** From the storage thread to whoever watches; the next one comes when any message has been sent back. */
export interface FlowTapMessage {
  flows: TappedFlow[];
  /** Records left out since the last message: more came than are told. */
  skipped: number;
}

/**
 * Tells one reader what is written to the database, as it is. Bounded in time and memory, so that no reader makes storage
 * slow: what is beyond is counted. Ends with the reader's port.
 */
export class FlowTap {
  readonly #port: MessagePort;
  readonly #texts = new Map<WriterChannel, Map<number, string | null>>();
  #waiting: TappedFlow[] = [];
  #skipped = 0;
  #isAwaited = true;
  #tokens = WAITING_MAX;
  #filledMs = performance.now();

  constructor(port: MessagePort, closed: () => void) {
    this.#port = port;
    port.on('message', () => {
      this.#isAwaited = true;
      this.#send();
    });
    port.on('close', closed);
  }

  /** Takes the records of a batch that was committed. */
  add(channel: WriterChannel, batch: FlowBatch): void {
    const nowMs = performance.now();
    this.#tokens = Math.min(WAITING_MAX, this.#tokens + ((nowMs - this.#filledMs) * RATE) / 1000);
    this.#filledMs = nowMs;
    const room = Math.min(batch.count, WAITING_MAX - this.#waiting.length, Math.floor(this.#tokens));
    let i = 0;
    try {
      for (; i < room; i++) this.#waiting.push(this.#record(channel, batch, i));
    } finally {
      this.#tokens -= i;
      this.#skipped += batch.count - i;
    }
    this.#send();
  }

  close(): void {
    this.#port.close();
  }

  #send(): void {
    if (!this.#isAwaited || (this.#waiting.length === 0 && this.#skipped === 0)) return;
    const message: FlowTapMessage = { flows: this.#waiting, skipped: this.#skipped };
    this.#waiting = [];
    this.#skipped = 0;
    this.#isAwaited = false;
    this.#port.postMessage(message);
  }

  #record(channel: WriterChannel, batch: FlowBatch, i: number): TappedFlow {
    const c = batch.columns;
    const octets = c.ipVersion[i] === 6 ? 16 : 4;
    return {
      flowId: channel.idOf(c.flowSeq[i]!),
      captureIndex: c.captureIndex[i]!,
      ipVersion: c.ipVersion[i]!,
      proto: c.proto[i]!,
      src: hex(c.src, i * 16, octets),
      dst: hex(c.dst, i * 16, octets),
      hasPorts: c.hasPorts[i] === 1,
      srcPort: c.srcPort[i]!,
      dstPort: c.dstPort[i]!,
      startSec: c.startSec[i]!,
      startNsec: c.startNsec[i]!,
      endSec: c.endSec[i]!,
      endNsec: c.endNsec[i]!,
      packetsFwd: c.packetsFwd[i]!,
      packetsRev: c.packetsRev[i]!,
      bytesFwd: c.bytesFwd[i]!,
      bytesRev: c.bytesRev[i]!,
      connState: CONN_STATES[c.connState[i]!] ?? null,
      endReason: c.endReason[i] === 0 ? null : END_REASONS[c.endReason[i]!]!,
      routeFwd: this.#text(channel, c.routeFwd[i]!),
      routeRev: this.#text(channel, c.routeRev[i]!),
    };
  }

  #text(channel: WriterChannel, decision: number): string | null {
    if (decision < 0) return null;
    let texts = this.#texts.get(channel);
    if (texts === undefined) {
      texts = new Map();
      this.#texts.set(channel, texts);
    }
    let text = texts.get(decision);
    if (text === undefined) {
      if (texts.size >= TEXTS_MAX) texts.clear();
      text = channel.decisionText(decision);
      texts.set(decision, text);
    }
    return text;
  }
}

function hex(octets: Uint8Array, off: number, length: number): string {
  return Buffer.from(octets.buffer, octets.byteOffset + off, length).toString('hex');
}
