import type { CaptureCounters, CountedSpan } from './messages.ts';
import { sum } from './sum.ts';
import { toNs } from './time.ts';

/** What a channel tells of a capture point; see the `counters` request. */
export interface CaptureState {
  counters: CaptureCounters;
  /** Of the packets counted; null where it is not known. */
  span: CountedSpan | null;
  /** True when the capture point is at its end. */
  final: boolean;
}

/** What holds for a row of `captures`. Times in nanoseconds since the epoch, null: there is none, or it is not known. */
export interface CaptureTotals {
  counters: CaptureCounters;
  /** Of the first packet. */
  firstNs: bigint | null;
  /**
   * Of the last packet; earlier where a thread that goes on has not counted up to there. Should the engine die, all packets that are
   * in no counter come later than this: a gap begins here.
   */
  lastNs: bigint | null;
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
   * @returns what holds for the row: of a point that is not shared, what this one tells
   */
  tell(channel: object, index: number, state: CaptureState): CaptureTotals {
    const row = this.#rows.get(index);
    if (row === undefined) {
      const { counters, span, final } = state;
      return { counters, firstNs: firstOf(span), lastNs: lastOf(span), final };
    }
    const states = new Map(row.states).set(channel, state);
    const all = [...states.values()];
    const haveAllTold = all.length === row.channels;
    const final = haveAllTold && all.every((s) => s.final);
    this.#set(index, final ? undefined : { ...row, states });
    return {
      counters: all.map((s) => s.counters).reduce(sum),
      firstNs: all.map(({ span }) => firstOf(span)).reduce(earlier),
      lastNs: haveAllTold ? lastOfAll(all) : null,
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

/** See CaptureTotals.lastNs. */
function lastOfAll(all: readonly CaptureState[]): bigint | null {
  const last = all.map(({ span }) => lastOf(span)).reduce(later);
  const goingOn = all.filter(({ final }) => !final).map(({ span }) => countedUntil(span));
  return last === null || goingOn.includes(null) ? null : [last, ...goingOn].reduce(earlier);
}

/** Until when every packet of a thread is counted. */
function countedUntil(span: CountedSpan | null): bigint | null {
  const { countedUntilMs = 0 } = span ?? {};
  return later(lastOf(span), countedUntilMs > 0 ? BigInt(countedUntilMs) * 1_000_000n : null);
}

function firstOf(span: CountedSpan | null): bigint | null {
  return span === null || span.firstSec < 0 ? null : toNs(span.firstSec, span.firstNsec);
}

function lastOf(span: CountedSpan | null): bigint | null {
  return span === null || span.firstSec < 0 ? null : toNs(span.lastSec, span.lastNsec);
}

/** The earlier of two times, or the one that is known. */
function earlier(a: bigint | null, b: bigint | null): bigint | null {
  if (a === null || b === null) return a ?? b;
  return a < b ? a : b;
}

/** The later of two times, or the one that is known. */
function later(a: bigint | null, b: bigint | null): bigint | null {
  if (a === null || b === null) return a ?? b;
  return a > b ? a : b;
}
