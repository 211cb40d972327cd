import { counted } from '../format/count.ts';

/** A line about what is missing, at most so often. */
const NOTICE_MS = 1000;

/** Why packets are missing. */
type Reason = 'daemon' | 'client' | 'interrupted';

const REASONS: Readonly<Record<Reason, string>> = {
  daemon: 'more than the daemon gives; a filter makes them fewer',
  client: 'this output takes no more',
  interrupted: 'after the interruption',
};

/**
 * Counts packets so that each is accounted for: shown + skipped = matched. Tells on stderr what is missing as it happens, and all
 * of it at the end.
 */
export class TailCounts {
  shown = 0;
  skipped = 0;
  /** As the daemon counts them. */
  matched = 0;
  kernelDrops = 0;
  /** Since the last notice. */
  #shownSince = 0;
  readonly #since: Record<Reason, number> = { daemon: 0, client: 0, interrupted: 0 };
  #noticedMs: number;
  readonly #tell: (line: string) => void;

  /** @param tell takes a line without its line feed */
  constructor(tell: (line: string) => void, nowMs = performance.now()) {
    this.#tell = tell;
    this.#noticedMs = nowMs - NOTICE_MS;
  }

  show(): void {
    this.shown++;
    this.#shownSince++;
  }

  skip(count: number, reason: Reason): void {
    this.skipped += count;
    this.#since[reason] += count;
  }

  /** Tells what was left out since the last time, if something was. @param isLast also when that is not long ago */
  notice(isLast = false, nowMs = performance.now()): void {
    if (!isLast && nowMs - this.#noticedMs < NOTICE_MS) return;
    const since = Object.entries(this.#since) as [Reason, number][];
    const missing = since.reduce((sum, [, count]) => sum + count, 0);
    if (missing > 0) {
      const total = missing + this.#shownSince;
      const why = since.flatMap(([reason, count]) => (count === 0 ? [] : [REASONS[reason]])).join('; ');
      this.#tell(`-- ${number(missing)} of ${counted(total, 'packet')} not shown (${why})`);
      this.#noticedMs = nowMs;
      for (const [reason] of since) this.#since[reason] = 0;
    } else if (nowMs - this.#noticedMs < NOTICE_MS) return;
    this.#shownSince = 0;
  }

  /** The last lines, as tcpdump has them. @param verb "shown" or "written" */
  summary(verb: string): string {
    return [
      `${counted(this.shown, 'packet')} ${verb}`,
      `${counted(this.matched, 'packet')} matched`,
      `${counted(this.skipped, 'packet')} skipped`,
      `${counted(this.kernelDrops, 'packet')} dropped by kernel`,
    ]
      .map((line) => `${line}\n`)
      .join('');
  }
}

function number(value: number): string {
  return value.toLocaleString('en-US');
}
