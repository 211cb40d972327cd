import { close as closeInBackground } from 'node:fs';
import { MessageChannel, Worker } from 'node:worker_threads';
import type { CaptureInfo } from '../storage/messages.ts';
import type { CaptureOpen, CaptureReply } from './capture/capture-messages.ts';
import { CaptureThreads, type OpenedCapture } from './capture-threads.ts';
import type { ControlServer } from './control/server.ts';
import { EngineControl } from './engine-control.ts';
import { serveControl } from './serve-control.ts';
import { changeFilter } from './capture/change-filter.ts';
import type { EngineCommand, EngineConfig, EngineReport } from './engine-messages.ts';
import type { Pipeline, StartPipeline } from './engine-pipeline.ts';
import { ENGINE_SCM_FD } from './engine-process.ts';
import { openEvent, signalEvent } from './kernel/eventfd.ts';
import { close } from './kernel/libc.ts';
import { setCapabilities } from './kernel/privileges.ts';
import { ScmSocket } from './kernel/scm.ts';
import { createLogger, type Logger } from './logger.ts';
import { MetricsStore } from './metrics/store.ts';
import { offerMetrics } from './offer-metrics.ts';
import type { MirrorReply, MirrorRequest, MirrorThreadData } from './mirror/messages.ts';
import { sibling } from './sibling.ts';

/**
 * The engine's main thread: takes descriptors from the supervisor, gives them to the threads, and passes on what the
 * threads report. Packets, routes and records never come through here.
 */
class Engine {
  readonly #scm = new ScmSocket(ENGINE_SCM_FD);
  readonly #startPipeline: StartPipeline;
  readonly #mirrorThread: URL;
  /** Namespace of every capture that was given to the capture thread and has not ended. */
  readonly #captures = new Map<number, string>();
  /** Captures that wait for the routes of their namespace: their packets wait in the ring meanwhile. */
  readonly #waiting = new Map<string, OpenedCapture[]>();
  readonly #mirrorWake = openEvent();
  readonly #log: Logger = createLogger('engine', 'info');
  #pipeline: Pipeline | null = null;
  #threads: CaptureThreads | null = null;
  #mirror: Worker | null = null;
  /** null: the pipeline cannot be watched. */
  #control: EngineControl | null = null;
  #server: ControlServer | null = null;
  /** null: nobody asked for metrics. */
  #metrics: MetricsStore | null = null;
  #stopping = false;

  constructor(startPipeline: StartPipeline, mirrorThread: URL) {
    this.#startPipeline = startPipeline;
    this.#mirrorThread = mirrorThread;
  }

  /** Takes every command that is there. A broken channel to the supervisor is the end of it: the engine drains. */
  commands(): void {
    try {
      for (let m = this.#scm.receive(); m !== 'empty'; m = this.#scm.receive()) {
        if (m === 'closed') {
          this.stop('supervisor is gone');
          break;
        }
        this.#command(m.payload as EngineCommand, m.fds);
      }
    } catch (error) {
      this.fail(error as Error);
    }
  }

  /** Drains, writes every flow, and ends the process with 0. Further calls do nothing. */
  stop(reason: string): void {
    if (this.#stopping) return;
    this.#stopping = true;
    this.#log.info({ event: 'draining', reason }, `draining: ${reason}`);
    if (this.#pipeline === null) process.exit(0);
    for (const waiting of this.#waiting.values()) for (const request of waiting) this.#add(request);
    this.#waiting.clear();
    this.#server?.close();
    this.#toMirror({ type: 'stop' });
    this.#threads?.send({ type: 'stop' });
  }

  /** Ends the process with 1; the supervisor starts another. What storage has committed stays. */
  fail(error: Error): never {
    this.#log.fatal({ event: 'engine-failed', err: error }, error.message);
    process.exit(1);
  }

  #start(config: EngineConfig): void {
    this.#log.level = config.logLevel;
    this.#metrics = config.metrics === null ? null : new MetricsStore();
    const routes = Array.from({ length: config.fanout }, () => new MessageChannel());
    const wakeFds = routes.map(openEvent);
    this.#pipeline = this.#startPipeline({
      config,
      log: this.#log,
      wakeFds,
      mirrorWakeFd: this.#mirrorWake,
      requests: routes.map(({ port1 }) => port1),
      // With libpcap the capture thread has inherited two capabilities by now; nobody else needs them.
      captureStarted: () => setCapabilities([]),
    });
    this.#pipeline.onTrouble = (isInTrouble) => {
      if (this.#metrics !== null) this.#metrics.isInTrouble = isInTrouble;
    };
    const threads = this.#pipeline.captures.map((worker, i) => ({ worker, wakeFd: wakeFds[i]! }));
    this.#threads = new CaptureThreads(threads, (reply) => this.#captureReply(reply));
    const { addInlet, live } = this.#pipeline;
    if (live !== null)
      this.#control = new EngineControl({
        database: config.db,
        maxFlows: config.maxFlows,
        live,
        threads: config.fanout,
        toCapture: (request, thread) => this.#threads?.send(request, thread),
        toMirror: (request) => this.#toMirror(request),
        report: (report) => this.#report(report),
      });
    const storage = addInlet === null ? null : new MessageChannel();
    if (storage !== null) addInlet?.(storage.port1);
    const mirrorData: MirrorThreadData = {
      wakeFd: this.#mirrorWake,
      routes: routes.map(({ port2 }) => port2),
      routesWakeFds: wakeFds,
      storage: storage?.port2 ?? null,
      history: config.routeHistory,
      isWatched: config.metrics !== null,
    };
    this.#mirror = new Worker(this.#mirrorThread, {
      workerData: mirrorData,
      transferList: [...mirrorData.routes, ...(storage === null ? [] : [storage.port2])],
    });
    this.#mirror.on('message', (reply: MirrorReply) => this.#mirrorReply(reply));
    this.#mirror.on('error', (error) => this.fail(error));
    this.#pipeline.closed.then(
      (summary) => {
        if (!this.#stopping) this.fail(new Error('the capture thread ended by itself'));
        this.#log.info({ event: 'drained', ...summary }, 'drained');
        process.exit(0);
      },
      (error: Error) => this.fail(error),
    );
    this.#pipeline.ready.then(
      () => {
        this.#report({ type: 'ready' });
        if (this.#metrics !== null && config.metrics !== null)
          offerMetrics(this.#metrics, config.metrics, this.#log);
      },
      (error: Error) => this.fail(error),
    );
  }

  #command(command: EngineCommand, fds: number[]): void {
    const [fd] = fds;
    if (command.type === 'start') {
      this.#start(command.config);
      return;
    }
    if (this.#stopping || this.#pipeline === null) {
      for (const unused of fds) close(unused);
      return;
    }
    switch (command.type) {
      case 'netns':
        if (fd === undefined) throw new Error('command netns without its descriptor');
        if (!this.#waiting.has(command.netnsId)) this.#waiting.set(command.netnsId, []);
        this.#control?.setNetns(command.netns, command.netnsId);
        this.#toMirror({ type: 'add', netns: command.netns, netnsId: command.netnsId, fds });
        break;
      case 'ring': {
        if (fd === undefined) throw new Error('command ring without its descriptor');
        const { ring, cooked, loopback } = command;
        this.#capture(
          command.capture,
          fds.map((each) => ({ kind: 'ring' as const, fd: each, ring, cooked, loopback })),
        );
        break;
      }
      case 'libpcap': {
        if (fd === undefined) throw new Error('command libpcap without its descriptor');
        const { snapLen, bufferBytes } = command;
        this.#capture(command.capture, [{ kind: 'libpcap', netnsFd: fd, snapLen, bufferBytes }]);
        break;
      }
      case 'remove-capture':
        this.#removeCapture(command.captureIndex, command.reason);
        break;
      case 'rename-capture':
        this.#renameCapture(command.captureIndex, command.capture);
        break;
      case 'remove-netns':
        this.#removeNetns(command.netnsId);
        break;
      case 'control':
        if (fd === undefined) throw new Error('command control without its descriptor');
        if (this.#control === null) close(fd);
        else this.#server = serveControl(fd, this.#control.began(command), this.#log);
        break;
      case 'interfaces':
      case 'answer':
        this.#control?.supervisorSaid(command);
        break;
      case 'configure': {
        const { auditRate, logLevel, timeouts } = command.settings;
        this.#log.level = logLevel;
        this.#threads?.send({ type: 'configure', auditRate, timeouts });
        break;
      }
      case 'filter': {
        const { captureIndex, filter, program } = command;
        this.#setFilter(captureIndex, filter, program === null ? null : Buffer.from(program, 'base64'));
        break;
      }
      case 'shutdown':
        this.stop('asked to');
    }
  }

  #capture(capture: CaptureInfo, opens: CaptureOpen[]): void {
    this.#control?.addCapture(capture);
    const request = { capture, opens };
    const waiting = this.#waiting.get(capture.netnsId ?? '');
    if (waiting === undefined) this.#add(request);
    else waiting.push(request);
  }

  #add(request: OpenedCapture): void {
    this.#captures.set(request.capture.index, request.capture.netnsId ?? '');
    this.#metrics?.addCapture(request.capture);
    this.#threads?.add(request);
  }

  #setFilter(captureIndex: number, filter: string | null, program: Uint8Array | null): void {
    if (this.#captures.has(captureIndex)) {
      this.#threads?.send({ type: 'filter', captureIndex, filter, program });
      return;
    }
    const later = [...this.#waiting.values()].flat().find(({ capture }) => capture.index === captureIndex);
    try {
      if (later !== undefined) changeFilter(later.capture, later.opens, filter, program);
    } catch (error) {
      this.#filterFailed(captureIndex, (error as Error).message);
    }
  }

  #filterFailed(captureIndex: number, reason: string): void {
    this.#log.error(
      { event: 'filter-failed', captureIndex, reason },
      `the filter stays as it was: ${reason}`,
    );
  }

  #removeCapture(captureIndex: number, reason: string): void {
    if (this.#captures.has(captureIndex)) {
      this.#threads?.send({ type: 'remove', captureIndex, reason });
      return;
    }
    for (const waiting of this.#waiting.values()) {
      const at = waiting.findIndex((request) => request.capture.index === captureIndex);
      if (at >= 0) for (const request of waiting.splice(at, 1)) this.#drop(request);
    }
  }

  #renameCapture(captureIndex: number, capture: CaptureInfo): void {
    const netnsId = capture.netnsId ?? '';
    this.#control?.endCapture(captureIndex);
    this.#control?.addCapture(capture);
    const waiting = this.#waiting.get(netnsId)?.find((request) => request.capture.index === captureIndex);
    if (waiting !== undefined) waiting.capture = capture;
    else {
      // When the capture has ended by itself meanwhile, the thread says that of the new number.
      this.#captures.delete(captureIndex);
      this.#captures.set(capture.index, netnsId);
      this.#metrics?.addCapture(capture);
      this.#threads?.send({ type: 'rename', captureIndex, capture });
    }
  }

  /** Closes everything of a namespace, so that it can go: its sockets would keep it, and its veth pairs, alive. */
  #removeNetns(netnsId: string): void {
    for (const request of this.#waiting.get(netnsId) ?? []) this.#drop(request);
    this.#waiting.delete(netnsId);
    this.#control?.removeNetns(netnsId);
    this.#toMirror({ type: 'remove', netnsId });
    for (const [captureIndex, of] of this.#captures)
      if (of === netnsId) this.#threads?.send({ type: 'remove', captureIndex, reason: 'namespace removed' });
  }

  #captureReply(reply: CaptureReply): void {
    switch (reply.type) {
      case 'opened':
        this.#report({ type: 'opened', captureIndex: reply.captureIndex });
        break;
      case 'failed':
      case 'ended':
        this.#captures.delete(reply.captureIndex);
        this.#control?.endCapture(reply.captureIndex);
        this.#metrics?.endCapture(reply.captureIndex, reply.type === 'ended' ? reply.counters : undefined);
        this.#report({
          type: reply.type,
          captureIndex: reply.captureIndex,
          reason: reply.reason.slice(0, 1000),
        });
        break;
      case 'close':
        // In libuv's threads, several at once: the namespace is kept until it is done.
        closeInBackground(reply.fd, (error) => {
          if (error !== null) this.#log.error({ event: 'close-failed', err: error }, error.message);
        });
        break;
      case 'counted':
      case 'shared':
      case 'tapped':
        this.#control?.captureSaid(reply);
        break;
      case 'renamed':
        this.#metrics?.endCapture(reply.captureIndex, reply.counters);
        break;
      case 'filter-failed':
        this.#filterFailed(reply.captureIndex, reply.reason);
        break;
      case 'counters':
        this.#metrics?.setAll(reply.counters, reply.load);
        break;
      case 'alive':
        this.#report({ type: 'alive' });
        break;
      case 'stopped':
        this.#log.debug({ event: 'capture-stopped' }, 'capture thread is drained');
    }
  }

  #mirrorReply(reply: MirrorReply): void {
    if (reply.type === 'listed') {
      this.#control?.mirrorSaid(reply);
      return;
    }
    const { netnsId } = reply;
    if (reply.type === 'counts') {
      this.#metrics?.setRoutes(reply.counts);
      return;
    }
    if (reply.type === 'removed') {
      this.#metrics?.endRoutes(netnsId);
      return;
    }
    if (reply.type === 'disagreed') {
      const { netns, disagreement } = reply;
      const text = `route audit: the kernel decides otherwise in ${netns}: ${disagreement.command}`;
      this.#log.warn({ event: 'route-disagreement', netns, netnsId, ...disagreement }, text);
      return;
    }
    if (reply.reason !== null)
      this.#log.warn({ event: 'routes-failed', netnsId, reason: reply.reason }, `routes: ${reply.reason}`);
    if (reply.type !== 'loaded') return;
    const waiting = this.#waiting.get(netnsId);
    this.#waiting.delete(netnsId);
    for (const request of waiting ?? []) this.#add(request);
  }

  /** Of a capture that the capture thread has never seen. */
  #drop({ capture, opens }: OpenedCapture): void {
    for (const open of opens) close(open.kind === 'ring' ? open.fd : open.netnsFd);
    this.#control?.endCapture(capture.index);
  }

  #toMirror(request: MirrorRequest): void {
    this.#mirror?.postMessage(request);
    signalEvent(this.#mirrorWake);
  }

  #report(report: EngineReport): void {
    process.stdout.write(`${JSON.stringify(report)}\n`);
  }
}

/**
 * Runs the engine in this process, which the supervisor has started (see EngineProcess): commands on descriptor 3, the
 * doorbell and lifeline on stdin, reports on stdout. The process ends by itself.
 * @param startPipeline the threads that packets go through
 * @param mirrorThread  the thread that follows the routes
 */
export function runEngine(
  startPipeline: StartPipeline,
  mirrorThread: URL = sibling('./mirror/thread', import.meta.url),
): void {
  const engine = new Engine(startPipeline, mirrorThread);
  process.on('uncaughtException', (error) => engine.fail(error));
  // Ctrl-C reaches the whole process group; the supervisor decides what it means.
  process.on('SIGINT', () => {});
  process.on('SIGTERM', () => engine.stop('SIGTERM'));
  // The supervisor is gone; the end of stdin says so as well, and that drains.
  process.stdout.on('error', () => {});
  process.stdin.on('data', () => engine.commands());
  process.stdin.on('end', () => {
    engine.commands();
    engine.stop('supervisor is gone');
  });
}
