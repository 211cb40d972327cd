import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import type { KnownDecision, RouteDecision } from '../storage/route-decision.ts';
import { ControlError } from './control/errors.ts';
import type { LiveRanking } from './control/messages.ts';
import type { SlabShared } from './flow/slab.ts';
import { decisionsOf, liveRanking } from './live-ranking.ts';
import type {
  RankAnswer,
  RankPlace,
  RankQuestion,
  RankReply,
  RankRequest,
  RankThreadData,
} from './rank/messages.ts';
import { sibling } from './sibling.ts';

/** The thread stays so long after the last who watched: whoever comes back has rates at once. */
const LINGER_MS = 15_000;
/** Decisions that are kept for who watches. */
const DECISIONS_MAX = 16_384;
/** Storage is waited for so long; then flows are told without their routes. */
const DECISIONS_MS = 500;

type Deliver = (found: LiveRanking | ControlError) => void;

/** What rankings need of the engine. */
export interface RankHost {
  /** The memory of each capture thread's flow table. */
  share(): Promise<SlabShared[]>;
  /** Captures whose flows may live. */
  places(): RankPlace[];
  /** Route decisions that are written. @param numbers see taggedDecision */
  decisions(numbers: number[]): Promise<KnownDecision[]>;
  /** Whether decisions are to be written as they are made. */
  tellDecisions(isOn: boolean): void;
}

interface Watch {
  question: RankQuestion;
  deliver: Deliver;
  /** What came last, while the one before is being told. */
  next: RankAnswer | null;
  isTelling: boolean;
}

/** Rankings for control clients: a thread that makes them, while somebody watches, and what it does not know of its own. */
export class Rankings {
  readonly #host: RankHost;
  readonly #watches = new Map<number, Watch>();
  readonly #decisions = new Map<number, RouteDecision>();
  readonly #places = new Map<number, RankPlace>();
  #nextWatch = 1;
  #worker: Worker | null = null;
  #isStarting = false;
  #linger: NodeJS.Timeout | undefined;

  constructor(host: RankHost) {
    this.#host = host;
  }

  /** See ControlBackend.rank. */
  watch(question: RankQuestion, deliver: Deliver): () => void {
    const number = this.#nextWatch++;
    this.#watches.set(number, { question, deliver, next: null, isTelling: false });
    clearTimeout(this.#linger);
    if (this.#worker !== null) this.#post({ type: 'watch', watch: number, question });
    else void this.#start();
    return () => this.#unwatch(number);
  }

  /** A capture is being opened. */
  addPlace(place: RankPlace): void {
    if (this.#worker === null) return;
    this.#places.set(place.captureIndex, place);
    this.#post({ type: 'place', place });
  }

  #unwatch(number: number): void {
    if (!this.#watches.delete(number)) return;
    this.#post({ type: 'unwatch', watch: number });
    this.#stopWhenUnwatched();
  }

  #stopWhenUnwatched(): void {
    if (this.#watches.size > 0) return;
    clearTimeout(this.#linger);
    this.#linger = setTimeout(() => this.#stop(), LINGER_MS);
    this.#linger.unref();
  }

  async #start(): Promise<void> {
    if (this.#isStarting) return;
    this.#isStarting = true;
    try {
      this.#host.tellDecisions(true);
      const slabs = await this.#host.share();
      const places = this.#host.places();
      for (const place of places) this.#places.set(place.captureIndex, place);
      const worker = new Worker(sibling('./rank/rank-thread', import.meta.url), {
        workerData: { slabs, places } satisfies RankThreadData,
      });
      worker.on('message', (reply: RankReply) => this.#take(reply));
      worker.on('error', (error) => this.#failed(worker, error));
      this.#worker = worker;
      for (const [watch, { question }] of this.#watches) this.#post({ type: 'watch', watch, question });
      this.#stopWhenUnwatched();
    } catch (error) {
      this.#failed(null, error as Error);
    } finally {
      this.#isStarting = false;
    }
  }

  #stop(): void {
    this.#post({ type: 'close' });
    this.#release();
  }

  /** Without the thread nothing is kept, and decisions are written when their flows are. */
  #release(): void {
    clearTimeout(this.#linger);
    this.#worker = null;
    this.#host.tellDecisions(false);
    this.#decisions.clear();
    this.#places.clear();
  }

  /** Whoever watches is told, and may ask again; capture goes on. */
  #failed(worker: Worker | null, error: Error): void {
    if (worker !== this.#worker) return;
    this.#release();
    const told = new ControlError('CONTROL_FAILED', `rank: ${error.message}`, { cause: error });
    const watches = [...this.#watches.values()];
    this.#watches.clear();
    for (const { deliver } of watches) deliver(told);
  }

  #post(request: RankRequest): void {
    this.#worker?.postMessage(request);
  }

  #take(reply: RankReply): void {
    if (reply.type === 'need') void this.#supply(reply.numbers);
    else {
      const watch = this.#watches.get(reply.watch);
      if (watch === undefined) return;
      watch.next = reply.answer;
      if (!watch.isTelling) void this.#tell(reply.watch, watch);
    }
  }

  async #supply(numbers: number[]): Promise<void> {
    await this.#learn(numbers);
    const decisions = numbers.flatMap((number): KnownDecision[] => {
      const decision = this.#decisions.get(number);
      return decision === undefined ? [] : [[number, decision]];
    });
    this.#post({ type: 'decisions', decisions });
  }

  async #tell(number: number, watch: Watch): Promise<void> {
    watch.isTelling = true;
    for (let answer = watch.next; answer !== null; answer = watch.next) {
      watch.next = null;
      await this.#learn(decisionsOf(answer));
      if (this.#watches.get(number) !== watch) return;
      const decision = (index: number): RouteDecision | undefined => this.#decisions.get(index);
      watch.deliver(liveRanking(answer, (captureIndex) => this.#places.get(captureIndex), decision));
    }
    watch.isTelling = false;
  }

  /** Asks for the decisions that are not known; those that cannot be told (in time) stay unknown. */
  async #learn(numbers: number[]): Promise<void> {
    const wanted = numbers.filter((number) => !this.#decisions.has(number));
    if (wanted.length === 0) return;
    const found = this.#host.decisions(wanted).catch((): KnownDecision[] => []);
    const late = sleep(DECISIONS_MS, [] as KnownDecision[], { ref: false });
    const decisions = await Promise.race([found, late]);
    if (this.#decisions.size + decisions.length > DECISIONS_MAX) this.#decisions.clear();
    for (const [number, decision] of decisions) this.#decisions.set(number, decision);
  }
}
