import { writeSync } from 'node:fs';
import { constants } from 'node:os';
import { exitNow } from '../daemon/kernel/exit.ts';
import { ENDING_SIGNALS } from './interruptible.ts';

/** How long reading may take to notice that it shall stop. A silent pipe never does. */
const NOTICE_MS = 2000;

/**
 * Ctrl-C during work that can be stopped in good order: the first signal asks for it, a second one, or work that does not
 * notice the first, ends the process at once.
 */
export class Interruption {
  readonly #controller = new AbortController();
  readonly #restore: () => void;
  readonly #loss: string;
  #signalStatus = 0;
  #isEnding = false;
  #isStopped = false;
  #timer: NodeJS.Timeout | null = null;

  /**
   * @param restore gives the terminal back and removes temporary files; called before the process ends at once
   * @param loss    what is lost then, for the message
   */
  constructor(restore: () => void, loss = 'flows that had not ended are not stored') {
    this.#restore = restore;
    this.#loss = loss;
    for (const signal of ENDING_SIGNALS) process.on(signal, this.#signalled);
  }

  /** Aborted by the first signal. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Exit status, 128 and the signal's number, when the work was stopped before its end; else null. */
  get status(): number | null {
    return this.#isStopped ? this.#signalStatus : null;
  }

  /** To be called when the work is ending and only needs time. @param stopped whether because of the signal */
  ending(stopped: boolean): void {
    this.#isEnding = true;
    this.#isStopped = stopped;
    this.#clear();
  }

  /** Signals do again what they did before. Idempotent. */
  close(): void {
    this.#clear();
    for (const signal of ENDING_SIGNALS) process.removeListener(signal, this.#signalled);
  }

  #clear(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
  }

  readonly #signalled = (signal: (typeof ENDING_SIGNALS)[number]): void => {
    if (this.#signalStatus !== 0) this.#giveUp();
    this.#signalStatus = 128 + constants.signals[signal];
    this.#controller.abort();
    if (!this.#isEnding) this.#timer = setTimeout(() => this.#giveUp(), NOTICE_MS);
  };

  #giveUp(): never {
    this.#restore();
    writeSync(2, `nstap: interrupted: ${this.#loss}\n`);
    exitNow(this.#signalStatus);
  }
}
