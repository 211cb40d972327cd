import { type TopAction, type TopState, update } from './model.ts';

/** The state of the screen, and who is told when it changes. */
export class TopStore {
  #state: TopState;
  readonly #listeners = new Set<() => void>();

  constructor(state: TopState) {
    this.#state = state;
  }

  readonly state = (): TopState => this.#state;

  readonly act = (action: TopAction): void => {
    const next = update(this.#state, action);
    if (next === this.#state) return;
    this.#state = next;
    for (const listener of this.#listeners) listener();
  };

  /** @returns ends it */
  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };
}
