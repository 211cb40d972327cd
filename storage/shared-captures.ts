import type { CaptureCounters, PacketSpan } from './messages.ts';

/** What a channel tells of a capture point; see the `counters` request. */
export interface CaptureState {
  counters: CaptureCounters;
  /** Of the packets counted; null where it is not known. */
  span: PacketSpan | null;
  /** True when the capture point is at its end. */
  final: boolean;
}

interface SharedRow {
  /** Its row of `captures`. */
  readonly id: number;
  /** Channels that share it. */
  readonly channels: number;
  /** What each channel has told last. */
  readonly states: ReadonlyMap<object, CaptureState>;
}

/**
 * Capture points that several capture threads share, each with a part of the packets: one row of `captures`, whose counters are
 * the sum of what the threads count. A point is forgotten when all of its threads are at its end.
 */
export class SharedCaptures {
  readonly #onRollback: (undo: () => void) => void;
  readonly #rows = new Map<number, SharedRow>();

  /** @param onRollback see ChannelOwner */
  constructor(onRollback: (undo: () => void) => void) {
    this.#onRollback = onRollback;
  }

  /** The row of the point with this index, or undefined when no channel has announced it yet. */
  idOf(index: number): number | undefined {
    return this.#rows.get(index)?.id;
  }

  /** Notes the row that the first channel to announce a point has written. @param channels that share it, see CaptureInfo.sharedBy */
  add(index: number, id: number, channels: number): void {
    this.#set(index, { id, channels, states: new Map() });
  }

  /**
   * Takes what one channel tells of a point.
   * @returns what holds for the row: that itself where the point is not shared
   */
  tell(channel: object, index: number, state: CaptureState): CaptureState {
    const row = this.#rows.get(index);
    if (row === undefined) return state;
    const states = new Map(row.states).set(channel, state);
    const all = [...states.values()];
    const final = all.length === row.channels && all.every((s) => s.final);
    this.#set(index, final ? undefined : { ...row, states });
    return {
      counters: all.map((s) => s.counters).reduce(sum),
      span: all.map((s) => s.span).reduce(union),
      final,
    };
  }

  #set(index: number, row: SharedRow | undefined): void {
    const before = this.#rows.get(index);
    this.#put(index, row);
    this.#onRollback(() => this.#put(index, before));
  }

  #put(index: number, row: SharedRow | undefined): void {
    if (row === undefined) this.#rows.delete(index);
    else this.#rows.set(index, row);
  }
}

/** The sum of two sets of numbers, name by name. */
export function sum<T extends { [K in keyof T]: number }>(a: T, b: T): T {
  const total = { ...a };
  for (const name of Object.keys(a) as (keyof T)[]) total[name] = (a[name] + b[name]) as T[keyof T];
  return total;
}

/** From the earlier begin to the later end. */
function union(a: PacketSpan | null, b: PacketSpan | null): PacketSpan | null {
  if (a === null || a.firstSec < 0) return b;
  if (b === null || b.firstSec < 0) return a;
  const first = isBefore(b.firstSec, b.firstNsec, a.firstSec, a.firstNsec) ? b : a;
  const last = isBefore(a.lastSec, a.lastNsec, b.lastSec, b.lastNsec) ? b : a;
  return {
    firstSec: first.firstSec,
    firstNsec: first.firstNsec,
    lastSec: last.lastSec,
    lastNsec: last.lastNsec,
  };
}

function isBefore(aSec: number, aNsec: number, bSec: number, bNsec: number): boolean {
  return aSec < bSec || (aSec === bSec && aNsec < bNsec);
}
