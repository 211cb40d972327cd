import { MessageChannel, type MessagePort } from 'node:worker_threads';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Experiment, ExperimentChange } from '../storage/experiments.ts';
import type { FlowTapMessage, TappedFlow } from '../storage/flow-tap.ts';
import type { CaptureInfo } from '../storage/messages.ts';
import type { KnownDecision } from '../storage/route-decision.ts';
import { sum } from '../storage/sum.ts';
import type { CaptureReply, CaptureRequest, ThreadCounts } from './capture/capture-messages.ts';
import type { ControlBackend, PacketFeed, PacketsWanted, ServerCounts, Taken } from './control/backend.ts';
import { ControlError } from './control/errors.ts';
import type {
  LiveFlow,
  LiveInterface,
  LiveNetns,
  LiveRanking,
  LiveStatus,
  Selection,
} from './control/messages.ts';
import { liveCapture, liveFlow } from './live-records.ts';
import { PacketFeeds } from './packet-feeds.ts';
import { Questions } from './questions.ts';
import type { RankPlace, RankQuestion } from './rank/messages.ts';
import { decisionInThread, taggedDecision, threadOfDecision } from './rank/decision-tag.ts';
import { Rankings } from './rankings.ts';
import type { ControlReport, EngineCommand } from './engine-messages.ts';
import type { PipelineLive } from './engine-pipeline.ts';
import type { SlabShared } from './flow/slab.ts';
import type { MirrorReply, MirrorRequest } from './mirror/messages.ts';
import { version } from './version.ts';

/** Counts that are this old are good enough: however many clients ask, the capture thread is asked ten times a second. */
const COUNTS_MS = 100;
/** However many clients ask, flows are written at once no more often than this. */
const CHECKPOINT_MS = 1000;
/** Captures that have ended and whose last records may still be under way. */
const ENDED_MAX = 1024;
/** What the engine lends to the control server. */
export interface EngineControlHost {
  database: string;
  maxFlows: number;
  live: PipelineLive;
  /** Capture threads. */
  threads: number;
  /** @param thread the only one that gets it; left out: all do */
  toCapture(request: CaptureRequest, thread?: number): void;
  toMirror(request: MirrorRequest): void;
  report(report: ControlReport): void;
}

/**
 * What the engine does for control clients: asks its threads, and the supervisor for what only that one knows or may do. Of
 * packets and flows it passes on what the taps give.
 */
export class EngineControl implements ControlBackend {
  readonly version = version();
  readonly pid = process.ppid;
  readonly #host: EngineControlHost;
  readonly #questions = new Questions();
  readonly #captures = new Map<number, CaptureInfo>();
  #ended: number[] = [];
  /** Namespaces by name, for their routes. */
  readonly #netns = new Map<string, string>();
  readonly #beganMs = performance.now();
  #uptimeMs = 0;
  #restarts = 0;
  #counts: Promise<ThreadCounts> | null = null;
  #countedMs = -COUNTS_MS;
  /** The checkpoint that is under way, and the one that is to come; when the latest began. */
  #lastCheckpoint: Promise<void> = Promise.resolve();
  #nextCheckpoint: Promise<void> | null = null;
  #checkpointMs = -CHECKPOINT_MS;
  #rows: LiveInterface[] = [];
  readonly #packets: PacketFeeds;
  #flowPort: MessagePort | null = null;
  #flows: TappedFlow[] = [];
  #skippedFlows = 0;
  readonly #rankings: Rankings;

  constructor(host: EngineControlHost) {
    this.#host = host;
    this.#packets = new PacketFeeds(
      this.#questions,
      this.#captures,
      (request, thread) => host.toCapture(request, thread),
      host.threads,
    );
    this.#rankings = new Rankings({
      share: () => this.#askThreads<SlabShared>((request) => ({ type: 'share', request })),
      places: () => [...this.#captures.values()].map(placeOf),
      decisions: (numbers) => this.#decisions(numbers),
      tellDecisions: (isOn) => host.toCapture({ type: 'tell-decisions', isOn }),
    });
  }

  // -- what the engine hears --

  /** The supervisor says how long the daemon has run, and how often its engine ended. @returns this */
  began({ uptimeMs, restarts }: { uptimeMs: number; restarts: number }): this {
    this.#uptimeMs = uptimeMs;
    this.#restarts = restarts;
    return this;
  }

  /** A capture is being opened. */
  addCapture(info: CaptureInfo): void {
    this.#captures.set(info.index, info);
    this.#rankings.addPlace(placeOf(info));
  }

  /** A capture has ended; its last records may still come. */
  endCapture(captureIndex: number): void {
    this.#ended.push(captureIndex);
    if (this.#ended.length <= ENDED_MAX) return;
    this.#captures.delete(this.#ended.shift()!);
  }

  /** A namespace's routes are followed. */
  setNetns(netns: string, netnsId: string): void {
    this.#netns.set(netns, netnsId);
  }

  /** A namespace is gone. */
  removeNetns(netnsId: string): void {
    for (const [netns, id] of this.#netns) if (id === netnsId) this.#netns.delete(netns);
  }

  /** What the supervisor answers. */
  supervisorSaid(command: Extract<EngineCommand, { type: 'interfaces' | 'answer' }>): void {
    const { request } = command;
    if (command.type === 'interfaces') {
      this.#rows.push(...command.rows);
      if (!command.isLast) return;
      this.#questions.answer(request, this.#rows);
      this.#rows = [];
    } else if (command.error === null) this.#questions.answer(request, command.captured);
    else this.#questions.fail(request, new ControlError(command.error.code, command.error.message));
  }

  /** What the capture thread answers. */
  captureSaid(reply: Extract<CaptureReply, { type: 'counted' | 'shared' | 'tapped' }>): void {
    this.#questions.answer(reply.request, reply.type === 'shared' ? reply.slab : reply);
  }

  /** What the mirror thread answers. */
  mirrorSaid({ request, pieces, reason }: Extract<MirrorReply, { type: 'listed' }>): void {
    if (reason === null) this.#questions.answer(request, pieces);
    else this.#questions.fail(request, new ControlError('CONTROL_FAILED', reason));
  }

  // -- what clients ask --

  async status(counts: ServerCounts): Promise<LiveStatus> {
    const thread = await this.#threadCounts();
    const engineMs = performance.now() - this.#beganMs;
    const { user, system } = process.cpuUsage();
    return {
      nstap: this.version,
      pid: this.pid,
      enginePid: process.pid,
      uptimeS: (this.#uptimeMs + engineMs) / 1000,
      engineUptimeS: engineMs / 1000,
      engineRestarts: this.#restarts,
      database: this.#host.database,
      storageTrouble: this.#host.live.storageTrouble() ?? '',
      flows: thread.flows,
      maxFlows: this.#host.maxFlows,
      createdFlows: thread.createdFlows,
      queuedBatches: thread.queuedBatches,
      maxQueuedBatches: thread.batches,
      engineCpuS: (user + system) / 1e6,
      engineRssBytes: process.memoryUsage.rss(),
      ...counts,
      captures: thread.captures.flatMap(
        (each) => liveCapture(each, this.#captures.get(each.captureIndex)) ?? [],
      ),
    };
  }

  async netns(): Promise<LiveNetns[]> {
    const byId = new Map<string, LiveNetns>();
    for (const row of await this.interfaces('')) {
      const { netns, netnsId, reason } = row;
      let entry = byId.get(netnsId);
      if (entry === undefined) {
        entry = { netns, netnsId, interfaces: 0, captured: 0, reason };
        byId.set(netnsId, entry);
      }
      if (row.interface !== '') entry.interfaces++;
      if (!row.captured) continue;
      entry.captured++;
      entry.reason = '';
    }
    return [...byId.values()];
  }

  async interfaces(netns: string): Promise<LiveInterface[]> {
    const rows = await this.#questions.ask<LiveInterface[]>((request) =>
      this.#host.report({ type: 'list-interfaces', request }),
    );
    if (netns === '') return rows;
    const own = rows.filter((row) => row.netns === netns);
    if (own.length === 0)
      throw new ControlError('CONTROL_NOT_FOUND', `there is no namespace ${JSON.stringify(netns)}`);
    return own.filter((row) => row.interface !== '');
  }

  routes(netns: string): Promise<string[]> {
    const netnsId = this.#netns.get(netns);
    if (netnsId === undefined)
      throw new ControlError(
        'CONTROL_NOT_FOUND',
        `namespace ${JSON.stringify(netns)} is not captured, so its routes are not followed`,
      );
    return this.#questions.ask((request) => this.#host.toMirror({ type: 'list', request, netnsId }));
  }

  changeCapture(isAdd: boolean, selection: Selection): Promise<number> {
    return this.#questions.ask((request) =>
      this.#host.report({ type: 'change-capture', request, isAdd, selection }),
    );
  }

  async reload(): Promise<void> {
    await this.#questions.ask((request) => this.#host.report({ type: 'reload', request }));
  }

  changeExperiment(change: ExperimentChange): Promise<Experiment> {
    return this.#host.live.mark(change);
  }

  checkpoint(): Promise<void> {
    this.#nextCheckpoint ??= this.#startCheckpoint();
    return this.#nextCheckpoint;
  }

  openPackets(wanted: PacketsWanted): Promise<PacketFeed> {
    return this.#packets.open(wanted);
  }

  watchFlows(isOn: boolean): void {
    if (isOn === (this.#flowPort !== null)) return;
    this.#flowPort?.close();
    this.#flowPort = null;
    this.#flows = [];
    this.#skippedFlows = 0;
    if (!isOn) return;
    const { port1, port2 } = new MessageChannel();
    port1.on('message', ({ flows, skipped }: FlowTapMessage) => {
      // The one before is taken: `takeFlows` asks for the next.
      this.#flows = flows;
      this.#skippedFlows += skipped;
    });
    this.#flowPort = port1;
    this.#host.live.watchFlows(port2);
  }

  takeFlows(): Taken<LiveFlow> {
    const list = this.#flows.map((flow) => liveFlow(flow, this.#captures.get(flow.captureIndex)));
    const skipped = this.#skippedFlows;
    if (list.length > 0 || skipped > 0) this.#flowPort?.postMessage(null);
    this.#flows = [];
    this.#skippedFlows = 0;
    return { list, skipped };
  }

  rank(question: RankQuestion, deliver: (found: LiveRanking | ControlError) => void): () => void {
    return this.#rankings.watch(question, deliver);
  }

  /** Whoever asks before it begins waits for the same one. */
  async #startCheckpoint(): Promise<void> {
    await this.#lastCheckpoint;
    await sleep(Math.max(0, this.#checkpointMs + CHECKPOINT_MS - performance.now()));
    this.#checkpointMs = performance.now();
    this.#nextCheckpoint = null;
    const written = Promise.all(
      this.#threadNumbers().map((thread) =>
        this.#host.live.synced((request) => this.#host.toCapture({ type: 'checkpoint', request }, thread)),
      ),
    ).then(() => {});
    this.#lastCheckpoint = written.catch(() => {}); // told to those who asked for that one
    await written;
  }

  #threadCounts(): Promise<ThreadCounts> {
    if (this.#counts === null || performance.now() - this.#countedMs > COUNTS_MS) {
      this.#countedMs = performance.now();
      this.#counts = this.#askThreads<ThreadCounts>((request) => ({ type: 'count', request })).then((all) =>
        all.reduce(addCounts),
      );
    }
    return this.#counts;
  }

  #threadNumbers(): number[] {
    return Array.from({ length: this.#host.threads }, (_, thread) => thread);
  }

  /** Asks each capture thread. @returns their answers in their order */
  #askThreads<T>(ask: (request: number) => CaptureRequest): Promise<T[]> {
    return Promise.all(
      this.#threadNumbers().map((thread) =>
        this.#questions.ask<T>((request) => this.#host.toCapture(ask(request), thread)),
      ),
    );
  }

  async #decisions(numbers: number[]): Promise<KnownDecision[]> {
    const found = await Promise.all(
      this.#threadNumbers().map(async (thread) => {
        const own = numbers.filter((number) => threadOfDecision(number) === thread).map(decisionInThread);
        if (own.length === 0) return [];
        const known = await this.#host.live.decisions(own, thread);
        return known.map(([number, decision]): KnownDecision => [taggedDecision(number, thread), decision]);
      }),
    );
    return found.flat();
  }
}

/** What two capture threads count, together. */
function addCounts(a: ThreadCounts, b: ThreadCounts): ThreadCounts {
  const captures = new Map(a.captures.map((each) => [each.captureIndex, each.counters]));
  for (const { captureIndex, counters } of b.captures) {
    const other = captures.get(captureIndex);
    captures.set(captureIndex, other === undefined ? counters : sum(other, counters));
  }
  return {
    flows: a.flows + b.flows,
    createdFlows: a.createdFlows + b.createdFlows,
    queuedBatches: a.queuedBatches + b.queuedBatches,
    batches: a.batches + b.batches,
    captures: [...captures].map(([captureIndex, counters]) => ({ captureIndex, counters })),
  };
}

function placeOf({ index: captureIndex, netns, netnsId, interface: name }: CaptureInfo): RankPlace {
  return { captureIndex, netns, netnsId, interface: name };
}
