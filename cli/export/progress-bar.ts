import { SingleBar } from 'cli-progress';

/** Between two drawings: a terminal shows no more, and drawing takes time. */
const DRAW_MS = 100;

/** A progress bar on stderr where that is a terminal, nothing elsewhere. */
export class ProgressBar {
  readonly #bar: SingleBar;
  #next = 0;
  #isOpen = true;

  /** null where there is no terminal to draw on. @param total asked only when there is one @param unit "flows" */
  static open(total: () => number, unit: string): ProgressBar | null {
    return process.stderr.isTTY ? new ProgressBar(total(), unit) : null;
  }

  private constructor(total: number, unit: string) {
    const format = `[{bar}] {percentage}% | {done} of {all} ${unit} | {eta_formatted} left`;
    this.#bar = new SingleBar({ format, hideCursor: true, clearOnComplete: true, stream: process.stderr });
    this.#bar.start(total, 0, { done: '0', all: total.toLocaleString('en-US') });
  }

  show(done: number): void {
    const now = performance.now();
    if (now < this.#next || !this.#isOpen) return;
    this.#next = now + DRAW_MS;
    this.#bar.update(done, { done: done.toLocaleString('en-US') });
  }

  /** Takes it away and gives the cursor back. Idempotent. */
  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#bar.stop();
  }
}
