import type { LiveCapture, LiveStatus } from '../../daemon/control/messages.ts';

/** The long window that rates are told of. */
export const WINDOW_MS = 10_000;
/** A status that is a little older than the window is still taken for its begin. */
const SLACK_MS = 500;

interface Sample {
  atMs: number;
  status: LiveStatus;
  captures: Map<number, LiveCapture>;
}

/** What all captures together did in a time. */
export interface CaptureRates {
  bytesPerS: number;
  packetsPerS: number;
}

const NO_RATES: CaptureRates = { bytesPerS: 0, packetsPerS: 0 };

/** The latest statuses of one engine: what counters were over the last interval and the last ten seconds. Never changed. */
export class StatusHistory {
  readonly #samples: readonly Sample[];

  constructor(samples: readonly Sample[] = []) {
    this.#samples = samples;
  }

  /** With one more status; without those that nobody asks for any more. @param atMs of a clock that never goes back */
  add(status: LiveStatus, atMs: number): StatusHistory {
    const captures = new Map(status.captures.map((capture) => [capture.index, capture]));
    const isSame = this.latest?.enginePid === status.enginePid;
    const kept = isSame ? this.#samples.filter((each) => atMs - each.atMs <= WINDOW_MS + SLACK_MS) : [];
    return new StatusHistory([...kept, { atMs, status, captures }]);
  }

  get latest(): LiveStatus | null {
    return this.#samples.at(-1)?.status ?? null;
  }

  /** The one before the latest, of the same engine. */
  get previous(): LiveStatus | null {
    return this.#samples.at(-2)?.status ?? null;
  }

  /** Octets and packets a second of a capture. @param index of the capture; null: of all @param isLong over the long window */
  rates(index: number | null, isLong: boolean): CaptureRates {
    const now = this.#samples.at(-1);
    const then = isLong ? this.#samples[0] : this.#samples.at(-2);
    if (now === undefined || then === undefined || now === then) return NO_RATES;
    const seconds = (now.atMs - then.atMs) / 1000;
    let bytes = 0;
    let packets = 0;
    for (const [each, capture] of now.captures) {
      if (index !== null && each !== index) continue;
      const before = then.captures.get(each);
      bytes += capture.bytes - (before?.bytes ?? 0);
      packets += capture.packets - (before?.packets ?? 0);
    }
    return { bytesPerS: bytes / seconds, packetsPerS: packets / seconds };
  }

  /** Share of a core that the engine used in the last interval; null: not known yet. */
  get engineCpu(): number | null {
    const now = this.#samples.at(-1);
    const then = this.#samples.at(-2);
    if (now === undefined || then === undefined) return null;
    return (now.status.engineCpuS - then.status.engineCpuS) / ((now.atMs - then.atMs) / 1000);
  }
}
