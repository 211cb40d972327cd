import { setTimeout as sleep } from 'node:timers/promises';
import { ControlClient } from '../../daemon/control/client.ts';
import { ControlError } from '../../daemon/control/errors.ts';
import type { LiveRanking, LiveStatus, RankBody } from '../../daemon/control/messages.ts';
import { version } from '../../daemon/version.ts';
import { isSameQuestion } from './model.ts';

/** A daemon that has gone is looked for this often. */
const RETRY_MS = 1000;
/** The status, and with it what was lost, is asked for this often. */
const STATUS_MS = 1000;

/** What a session hears. */
export interface SessionEvents {
  ranking(ranking: LiveRanking, question: RankBody): void;
  /** @param atMs performance.now() */
  status(status: LiveStatus, atMs: number): void;
  gone(message: string): void;
}

/** What is watched of a daemon: its status, and one ranking at a time. Finds the daemon again when it has gone. */
export class TopSession {
  readonly #path: string;
  readonly #events: SessionEvents;
  readonly #ending = new AbortController();
  #client: ControlClient | null = null;
  #question: RankBody;
  /** Ends the stream that goes on, so that one with another question begins. */
  #wake: () => void = () => {};

  private constructor(path: string, question: RankBody, events: SessionEvents) {
    this.#path = path;
    this.#question = question;
    this.#events = events;
  }

  /** Connects, and begins. @throws ControlError when there is no daemon that may be asked */
  static async start(path: string, question: RankBody, events: SessionEvents): Promise<TopSession> {
    const session = new TopSession(path, question, events);
    session.#client = await connect(path);
    void session.#run();
    return session;
  }

  /** Another question from now on. */
  ask(question: RankBody): void {
    if (isSameQuestion(this.#question, question)) return;
    this.#question = question;
    this.#wake();
  }

  /** Ends the connection. Idempotent. */
  close(): void {
    this.#ending.abort();
    this.#wake();
    this.#client?.close();
  }

  async #run(): Promise<void> {
    while (!this.#ending.signal.aborted) {
      try {
        this.#client ??= await connect(this.#path);
        await Promise.all([this.#watchStatus(this.#client), this.#watchRankings(this.#client)]);
      } catch (error) {
        this.#client?.close();
        this.#client = null;
        if (this.#ending.signal.aborted) return;
        if (!(error instanceof ControlError)) throw error;
        this.#events.gone(error.message);
        await sleep(RETRY_MS, undefined, { signal: this.#ending.signal }).catch(() => {}); // it is closed
      }
    }
  }

  async #watchStatus(client: ControlClient): Promise<void> {
    while (!this.#ending.signal.aborted) {
      const askedMs = performance.now();
      const status = await client.status();
      this.#events.status(status, askedMs);
      await sleep(STATUS_MS, undefined, { signal: this.#ending.signal }).catch(() => {}); // it is closed
    }
  }

  async #watchRankings(client: ControlClient): Promise<void> {
    while (!this.#ending.signal.aborted) {
      const question = this.#question;
      const change = new AbortController();
      this.#wake = () => change.abort();
      for await (const ranking of client.rankings(question, change.signal))
        this.#events.ranking(ranking, question);
      if (!change.signal.aborted)
        throw new ControlError('CONTROL_CLOSED', `${this.#path}: the ranking has ended`);
    }
  }
}

function connect(path: string): Promise<ControlClient> {
  return ControlClient.connect(path, `nstap ${version()}`);
}
