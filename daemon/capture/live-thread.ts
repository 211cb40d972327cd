import type { MessagePort } from 'node:worker_threads';
import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import { BatchPool, type BatchPoolShared } from '../../storage/batch-pool.ts';
import type { CaptureCounters, CaptureInfo } from '../../storage/messages.ts';
import { signalEvent } from '../kernel/eventfd.ts';
import { threadCpuNs } from '../kernel/thread-clock.ts';
import type { CaptureReply, CaptureRequest, CountedCapture, ThreadCounts } from './capture-messages.ts';
import { changeFilter } from './change-filter.ts';
import { RING_RETIRE_MS } from '../kernel/packet-socket.ts';
import { LiveLoop } from './live-loop.ts';
import { openSource } from './open-source.ts';
import type { LiveSource } from './packet-source.ts';
import { PacketTaps } from './packet-taps.ts';
import { CaptureSession, type MeterOptions, type SourceCounts } from './session.ts';

/** Capture counters that changed are sent to storage this often, and written records at the latest after FLUSH_MS. */
const COUNTERS_MS = 1000;
/** Signs of life, of which the supervisor misses five before it calls the engine hung. */
const ALIVE_MS = 3000;
/** While no counter changes, storage is told this often how much CPU the thread took. */
const LOAD_MS = 10_000;
const FLUSH_MS = 200;
/** Between being asked for a checkpoint and writing it: what was sent before comes out of the ring meanwhile. */
const CHECKPOINT_DELAY_MS = 3 * RING_RETIRE_MS;
/** While the queue is full, a checkpoint is tried again for so long. */
const CHECKPOINT_PATIENCE_MS = 10_000;
/** At the end storage may take so long to take a batch, and so long for all of them: the supervisor waits for 30 s. */
const DRAIN_MS = 5000;
const DRAIN_TOTAL_MS = 25_000;

type AddRequest = Extract<CaptureRequest, { type: 'add' }>;
type FilterRequest = Extract<CaptureRequest, { type: 'filter' }>;

/** workerData of the live capture thread. */
export interface LiveThreadData {
  options: MeterOptions;
  pool: BatchPoolShared;
  /** To the storage thread. */
  storage: MessagePort;
  /** From threads other than the parent, read like the parent's port; the first is the mirror's and takes RouteSample. */
  requests: MessagePort[];
  /** eventfd that wakes the thread after a message was posted. */
  wakeFd: number;
  /** The mirror's, signalled after samples were posted to it. Left out: nobody waits for them. */
  mirrorWakeFd?: number;
  /** The parent is told what every capture has counted, too. Left out: it is not. */
  isWatched?: boolean;
}

/**
 * The live capture thread: rings in, batches of flow records out. It never returns to its event loop while it captures;
 * messages are fetched between two polls.
 */
function main(data: LiveThreadData): void {
  const session = new CaptureSession(data.options, new BatchPool(data.pool), data.storage, false);
  const reply = (message: CaptureReply): void => parentPort!.postMessage(message);
  const closeFd = (fd: number): void => reply({ type: 'close', fd });
  const waiting: AddRequest[] = [];
  /** Namespaces that are gone, whose routes the packets that are still in the rings were sent by. */
  const leaving = new Set<string>();
  const taps = new PacketTaps(session.meter, (view, fields) => session.decide(view, fields));
  const checkpoints: { request: number; askedMs: number }[] = [];
  let tellsDecisions = false;
  let nextFlushMs = 0;
  let nextCountersMs = 0;
  let nextAliveMs = 0;
  let nextLoadMs = 0;

  const loop = new LiveLoop(data.wakeFd, session.meter, {
    tick(nowSec) {
      session.table.tick(nowSec);
      removeRoutes();
      const now = performance.now();
      if (checkpoints.length > 0) writeCheckpoints(now);
      if (now >= nextFlushMs) {
        nextFlushMs = now + FLUSH_MS;
        postSamples();
        session.queue.flushIfTaken();
        if (tellsDecisions) session.queue.flushDecisions();
      }
      if (now >= nextCountersMs) {
        nextCountersMs = now + COUNTERS_MS;
        tellCounters(now);
      }
      if (now >= nextAliveMs) {
        nextAliveMs = now + ALIVE_MS;
        reply({ type: 'alive' });
      }
    },
    isWaiting: () => checkpoints.length > 0 || session.queue.hasRecords,
    work() {
      const more = session.workRoutes();
      if (waiting.length > 0) openWaiting();
      return more;
    },
    wake() {
      for (const port of [...data.requests, parentPort!]) read(port);
    },
    ended(captureIndex, source, reason, cpuNs) {
      const counters = session.endCapture(captureIndex, countsOf(source, cpuNs));
      taps.endCapture(captureIndex);
      removeRoutes();
      reply({ type: 'ended', captureIndex, reason, ...(data.isWatched ? { counters } : {}) });
    },
  });

  function postSamples(): void {
    const samples = session.takeRouteSamples();
    for (const sample of samples) data.requests[0]?.postMessage(sample);
    if (samples.length > 0 && data.mirrorWakeFd !== undefined) signalEvent(data.mirrorWakeFd);
  }

  function countsOf(source: LiveSource, cpuNs: number): SourceCounts {
    const { received, drops } = source.stats();
    const { firstSec, firstNsec, lastSec, lastNsec } = source.span;
    const span = { firstSec, firstNsec, lastSec, lastNsec, countedUntilMs: source.drainedUntilMs };
    return { received, kernelDrops: drops, duplicates: source.duplicates, cpuNs, span };
  }

  /** Counters of every capture that is open. @param each called with them, and with the times of its packets */
  function countAll(
    each?: (captureIndex: number, counters: CaptureCounters, span: SourceCounts['span']) => void,
  ): CountedCapture[] {
    const all: CountedCapture[] = [];
    for (const { index: captureIndex } of session.captures()) {
      const source = loop.source(captureIndex);
      if (source === undefined) continue;
      const counts = countsOf(source, loop.cpuNs(captureIndex));
      const counters = session.counters(captureIndex, counts);
      each?.(captureIndex, counters, counts.span);
      all.push({ captureIndex, counters });
    }
    return all;
  }

  function tellCounters(nowMs: number): void {
    let isDue = nowMs >= nextLoadMs;
    const counters = countAll((captureIndex, of, span) => {
      if (session.queue.counters(captureIndex, of, span, false)) isDue = true;
    });
    if (isDue) nextLoadMs = nowMs + LOAD_MS;
    const load = session.queue.load(threadCpuNs(), isDue);
    if (data.isWatched) reply({ type: 'counters', counters, load });
  }

  function read(port: MessagePort): void {
    for (let m = receiveMessageOnPort(port); m !== undefined; m = receiveMessageOnPort(port))
      handle(m.message as CaptureRequest);
  }

  function handle(request: CaptureRequest): void {
    switch (request.type) {
      case 'add':
        // The routes of its namespace were sent before it, on another port.
        for (const port of data.requests) read(port);
        add(request);
        break;
      case 'remove':
        remove(request.captureIndex, request.reason);
        break;
      case 'rename':
        rename(request.captureIndex, request.capture);
        break;
      case 'routes':
        // Another namespace that got the number of one that is gone.
        if (request.update.isFull) leaving.delete(request.netnsId);
        session.updateRoutes(request.netnsId, request.update);
        break;
      case 'tap':
        taps.add(request.id, request.wish);
        tapped(request.request);
        break;
      case 'untap':
        taps.remove(request.id);
        tapped(request.request);
        break;
      case 'count':
        reply({ type: 'counted', request: request.request, ...counts() });
        break;
      case 'share':
        reply({ type: 'shared', request: request.request, slab: session.table.shared });
        break;
      case 'tell-decisions':
        tellsDecisions = request.isOn;
        break;
      case 'filter':
        setFilter(request);
        break;
      case 'configure':
        session.configure(request.auditRate, request.timeouts);
        break;
      case 'checkpoint':
        checkpoints.push({ request: request.request, askedMs: performance.now() });
        break;
      case 'remove-routes':
        leaving.add(request.netnsId);
        break;
      case 'stop':
        for (const each of waiting.splice(0)) open(each);
        // Sources take nothing new from here on, so waiting for storage loses nothing.
        session.queue.drain(DRAIN_MS, DRAIN_TOTAL_MS);
        loop.stop('stopped');
    }
  }

  function tapped(request: number): void {
    loop.sink = taps.size > 0 ? taps : session.meter;
    reply({ type: 'tapped', request });
  }

  /** For those that were asked for long enough ago; whoever asked has stopped waiting for those that cannot be written. */
  function writeCheckpoints(nowMs: number): void {
    while (checkpoints.length > 0 && nowMs - checkpoints[0]!.askedMs >= CHECKPOINT_DELAY_MS) {
      const { request, askedMs } = checkpoints[0]!;
      if (session.table.checkpoint()) session.queue.sync(request);
      else if (nowMs - askedMs < CHECKPOINT_PATIENCE_MS) return;
      checkpoints.shift();
    }
  }

  function counts(): ThreadCounts {
    const { live: flows, created: createdFlows } = session.table;
    const { waiting: queuedBatches, size: batches } = session.queue;
    return { flows, createdFlows, queuedBatches, batches, captures: countAll() };
  }

  /** Forgets the routes of namespaces that are gone and whose rings are empty. */
  function removeRoutes(): void {
    if (leaving.size === 0) return;
    const captures = [...session.captures(), ...waiting.map(({ capture }) => capture)];
    for (const netnsId of leaving) {
      if (captures.some((capture) => capture.netnsId === netnsId)) continue;
      leaving.delete(netnsId);
      session.removeRoutes(netnsId);
    }
  }

  /** Packets wait in the ring until the first tables of their namespace are in force. */
  function add(request: AddRequest): void {
    if (session.isLoadingRoutes(request.capture.netnsId ?? '')) waiting.push(request);
    else open(request);
  }

  function openWaiting(): void {
    for (const request of waiting.splice(0)) add(request);
  }

  function remove(captureIndex: number, reason: string): void {
    const at = waiting.findIndex(({ capture }) => capture.index === captureIndex);
    // Never opened here, but what its ring holds counts: opened and drained like any other.
    if (at >= 0) for (const request of waiting.splice(at, 1)) open(request);
    loop.remove(captureIndex, reason);
  }

  /** The flows of the former capture end here, the same socket goes on with those of the next. */
  function rename(captureIndex: number, capture: CaptureInfo): void {
    const request = waiting.find((each) => each.capture.index === captureIndex);
    if (request !== undefined) {
      request.capture = capture;
      return;
    }
    const source = loop.source(captureIndex);
    const former = session.capture(captureIndex);
    try {
      if (source === undefined || former === undefined) throw new Error('it has ended by itself');
      const { linkType } = former;
      const next = { ...capture, linkType };
      session.addCapture(next);
      taps.addCapture(next);
      const counters = session.endCapture(captureIndex, countsOf(source, loop.cpuNs(captureIndex)));
      taps.endCapture(captureIndex);
      reply({ type: 'renamed', captureIndex, counters });
      loop.rename(captureIndex, capture.index);
      reply({ type: 'opened', captureIndex: capture.index, linkType });
    } catch (error) {
      reply({ type: 'failed', captureIndex: capture.index, reason: (error as Error).message });
    }
  }

  function setFilter({ captureIndex, filter, program }: FilterRequest): void {
    try {
      const later = waiting.find(({ capture }) => capture.index === captureIndex);
      if (later !== undefined) {
        changeFilter(later.capture, [later.open], filter, program);
        return;
      }
      // Unknown: it has ended by itself meanwhile.
      const source = loop.source(captureIndex);
      if (source === undefined) return;
      if (source.setFilter === undefined) throw new Error('its filter cannot change while it is open');
      source.setFilter(program);
      session.setFilter(captureIndex, filter);
    } catch (error) {
      reply({ type: 'filter-failed', captureIndex, reason: (error as Error).message });
    }
  }

  function open(request: AddRequest): void {
    const { index } = request.capture;
    try {
      const { source, linkType } = openSource(request.capture, request.open, closeFd);
      try {
        const capture = { ...request.capture, linkType };
        session.addCapture(capture);
        loop.add(index, source);
        taps.addCapture(capture);
      } catch (error) {
        source.close(); // nobody owns it: its descriptor would keep the namespace alive
        throw error;
      }
      reply({ type: 'opened', captureIndex: index, linkType });
    } catch (error) {
      reply({ type: 'failed', captureIndex: index, reason: (error as Error).message });
    }
  }

  loop.run();
  session.table.endAll('shutdown');
  session.queue.close();
  reply({ type: 'stopped' });
  parentPort!.close();
}

main(workerData as LiveThreadData);
