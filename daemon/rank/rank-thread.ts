import { parentPort, workerData } from 'node:worker_threads';
import type { KnownDecision } from '../../storage/route-decision.ts';
import { openSlab } from '../flow/slab.ts';
import { threadCpuNs } from '../kernel/thread-clock.ts';
import { FlowActivity } from './activity.ts';
import { KnownDecisions } from './known-decisions.ts';
import type { RankPlace, RankQuestion, RankReply, RankRequest, RankThreadData } from './messages.ts';
import { type RankContext, Ranking } from './ranking.ts';

/** From tick to tick. */
const TICK_MS = 1000;
/** With very many flows a tick takes long: then they come less often, so that this thread uses a core no more than one part in: */
const SHARE = 3;

interface Watch {
  ranking: Ranking;
  /** Ticks until the next answer. */
  left: number;
  /** The answer waits for decisions. */
  isHeld: boolean;
}

/**
 * The ranking thread: looks at the flow tables of the capture threads once a second and tells who watches which flows are first.
 * The capture threads know nothing of it.
 */
function main(data: RankThreadData): void {
  const activities = data.slabs.map((slab) => new FlowActivity(openSlab(slab)));
  const places = new Map<number, RankPlace>(data.places.map((place) => [place.captureIndex, place]));
  const decisions = new KnownDecisions();
  const watches = new Map<number, Watch>();
  const reply = (message: RankReply): void => parentPort!.postMessage(message);

  const context: RankContext = {
    activities,
    place: (captureIndex) => places.get(captureIndex),
    decisions,
  };

  function tick(): void {
    const beganMs = performance.now();
    for (const activity of activities) activity.tick(beganMs);
    for (const [number, watch] of watches) {
      watch.left--;
      // The first rates are shown as soon as there are some.
      if (watch.left > 0 && activities[0]!.ticks !== 2) continue;
      watch.left = watch.ranking.question.ticks;
      answer(number, watch, true);
    }
    ask();
    const tookMs = performance.now() - beganMs;
    timer = setTimeout(tick, Math.max(TICK_MS - tookMs, tookMs * (SHARE - 1)));
  }

  /** @param mayWait decisions that are asked for may be waited for; else what they would tell is left out */
  function answer(number: number, watch: Watch, mayWait: boolean): void {
    const found = watch.ranking.answer();
    watch.isHeld = mayWait && watch.ranking.isWaiting;
    if (!watch.isHeld) reply({ type: 'ranked', watch: number, answer: { ...found, cpuNs: threadCpuNs() } });
  }

  function ask(): void {
    const numbers = decisions.takeNeeded();
    if (numbers.length > 0) reply({ type: 'need', numbers });
  }

  function begin(number: number, question: RankQuestion): void {
    const watch = { ranking: new Ranking(question, context), left: question.ticks, isHeld: false };
    watches.set(number, watch);
    // Nobody waits for a tick to see what another filter finds.
    answer(number, watch, true);
    ask();
  }

  function learn(list: readonly KnownDecision[]): void {
    decisions.learn(list);
    for (const [number, watch] of watches) if (watch.isHeld) answer(number, watch, false);
  }

  let timer: NodeJS.Timeout | undefined;
  parentPort!.on('message', (request: RankRequest) => {
    switch (request.type) {
      case 'watch':
        begin(request.watch, request.question);
        break;
      case 'unwatch':
        watches.delete(request.watch);
        break;
      case 'place':
        places.set(request.place.captureIndex, request.place);
        break;
      case 'decisions':
        learn(request.decisions);
        break;
      case 'close':
        clearTimeout(timer);
        parentPort!.close();
    }
  });
  tick();
}

main(workerData as RankThreadData);
