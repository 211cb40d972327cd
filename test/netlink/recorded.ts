import { readFileSync } from 'node:fs';
import type { ReceiveStatus } from '../../daemon/kernel/netlink-socket.ts';
import type { NetlinkTransport } from '../../daemon/netlink/dump.ts';

/** What the other end of a transport gives: a datagram, or what recv(2) says instead. */
export type Datagram = Uint8Array | 'lost' | 'empty';

/**
 * A netlink socket whose kernel is a list of bytes. Sequence and port of recorded messages are put to those of the
 * request that they answer, unless a message is marked as somebody else's by a sequence of 0.
 */
export class RecordedTransport implements NetlinkTransport {
  readonly portId = 4711;
  readonly buffer = new Uint8Array(65536);
  length = 0;
  /** Requests as they were sent. */
  readonly sent: Uint8Array[] = [];
  readonly #queue: Datagram[] = [];
  readonly #answer: (type: number, family: number, times: number) => Datagram[];
  readonly #times = new Map<string, number>();

  /** @param answer datagrams for a request of this type and family that is sent for the n-th time (from 1) */
  constructor(answer: (type: number, family: number, times: number) => Datagram[]) {
    this.#answer = answer;
  }

  /** Something that arrives unasked. */
  push(...datagrams: Datagram[]): void {
    this.#queue.push(...datagrams);
  }

  send(message: Uint8Array): void {
    this.sent.push(message.slice());
    const view = new DataView(message.buffer, message.byteOffset);
    const type = view.getUint16(4, true);
    const family = message[16]!;
    const key = `${type} ${family}`;
    const times = (this.#times.get(key) ?? 0) + 1;
    this.#times.set(key, times);
    for (const datagram of this.#answer(type, family, times))
      this.#queue.push(
        typeof datagram === 'string' ? datagram : addressed(datagram, view.getUint32(8, true), this.portId),
      );
  }

  receive(): ReceiveStatus {
    const next = this.#queue.shift();
    if (next === undefined || next === 'empty') return 'empty';
    if (next === 'lost') return 'lost';
    this.buffer.set(next);
    this.length = next.length;
    return 'data';
  }

  wait(): boolean {
    return this.#queue.length > 0;
  }
}

/** A copy with sequence and port of every message set, where the sequence is not 0. */
function addressed(datagram: Uint8Array, sequence: number, portId: number): Uint8Array {
  const copy = datagram.slice();
  const view = new DataView(copy.buffer);
  for (let off = 0; off + 16 <= copy.length; ) {
    if (view.getUint32(off + 8, true) !== 0) {
      view.setUint32(off + 8, sequence, true);
      view.setUint32(off + 12, portId, true);
    }
    const length = view.getUint32(off, true);
    // A length that would not move on is what a test of damaged messages sends.
    if (length < 16) break;
    off += (length + 3) & ~3;
  }
  return copy;
}

/** A message with header. @param sequence 0 for a notification */
export function message(
  type: number,
  flags: number,
  payload: Uint8Array | number[],
  sequence = 1,
): Uint8Array {
  const bytes = new Uint8Array(16 + ((payload.length + 3) & ~3));
  const view = new DataView(bytes.buffer);
  view.setUint32(0, 16 + payload.length, true);
  view.setUint16(4, type, true);
  view.setUint16(6, flags, true);
  view.setUint32(8, sequence, true);
  bytes.set(payload, 16);
  return bytes;
}

/** Messages behind each other in one datagram. */
export function datagram(...messages: Uint8Array[]): Uint8Array {
  return Uint8Array.from(messages.flatMap((bytes) => [...bytes]));
}

/** One attribute, padded. */
export function attribute(type: number, value: Uint8Array | number[]): number[] {
  const length = 4 + value.length;
  const padding = new Array<number>((4 - (length & 3)) & 3).fill(0);
  return [length & 255, length >> 8, type & 255, type >> 8, ...value, ...padding];
}

/** Little-endian octets of a 32-bit number. */
export function u32(value: number): number[] {
  return [value & 255, (value >>> 8) & 255, (value >>> 16) & 255, value >>> 24];
}

/** Datagrams by "type family" from a file of hex: a line `> TYPE FAMILY` starts an answer, each other line is one datagram. */
export function readRecording(file: URL): Map<string, Uint8Array[]> {
  const answers = new Map<string, Uint8Array[]>();
  let current: Uint8Array[] = [];
  for (const line of readFileSync(file, 'utf8').split('\n')) {
    if (line === '' || line.startsWith('#')) continue;
    if (line.startsWith('> ')) {
      current = [];
      answers.set(line.slice(2), current);
    } else current.push(Uint8Array.from(Buffer.from(line, 'hex')));
  }
  return answers;
}
