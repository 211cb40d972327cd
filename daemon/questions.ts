import { ControlError } from './control/errors.ts';

/** The thread or process that owes an answer may be the one that hangs. */
const QUESTION_MS = 10_000;
/** Questions that wait for an answer of another thread or the supervisor. */
const QUESTIONS_MAX = 256;

interface Question {
  resolve(answer: unknown): void;
  reject(error: ControlError): void;
  timer: NodeJS.Timeout;
}

/** Questions that are under way, by number. */
export class Questions {
  readonly #open = new Map<number, Question>();
  #next = 1;

  /** Asks with a number of its own. @throws ControlError CONTROL_BUSY at the bound */
  ask<T>(ask: (request: number) => void): Promise<T> {
    if (this.#open.size >= QUESTIONS_MAX)
      return Promise.reject(
        new ControlError('CONTROL_BUSY', 'too much is being asked at once; try again later'),
      );
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    const request = this.#next++;
    const late = (): void =>
      this.fail(request, new ControlError('CONTROL_TIMEOUT', `no answer within ${QUESTION_MS / 1000} s`));
    const timer = setTimeout(late, QUESTION_MS);
    this.#open.set(request, { resolve: resolve as Question['resolve'], reject, timer });
    ask(request);
    return promise;
  }

  /** An answer that comes too late is nobody's. */
  answer(request: number, answer: unknown): void {
    this.#close(request)?.resolve(answer);
  }

  fail(request: number, error: ControlError): void {
    this.#close(request)?.reject(error);
  }

  #close(request: number): Question | undefined {
    const question = this.#open.get(request);
    this.#open.delete(request);
    clearTimeout(question?.timer);
    return question;
  }
}
