import type { MessagePort, Worker } from 'node:worker_threads';
import type { Experiment, ExperimentChange } from '../storage/experiments.ts';
import type { KnownDecision } from '../storage/route-decision.ts';
import type { EngineConfig } from './engine-messages.ts';
import type { Logger } from './logger.ts';

/** What the engine gives to the threads that packets go through. */
export interface PipelineStart {
  config: EngineConfig;
  log: Logger;
  /** For each capture thread the eventfd that wakes it; it is signalled after each message to it. */
  wakeFds: number[];
  /** And its second port of requests (CaptureRequest): routes come here. To be transferred. */
  requests: MessagePort[];
  /** eventfd that wakes the mirror thread, which is at the other end of those. */
  mirrorWakeFd: number;
  /**
   * To be called when the capture threads have been started and no other one has: a thread inherits the capabilities of
   * the one that starts it, and the capture threads alone are to have some.
   */
  captureStarted(): void;
}

/** The threads, running. */
export interface Pipeline {
  /** As many as eventfds were given. Each takes CaptureRequest, gives CaptureReply. */
  captures: Worker[];
  /** Adds a port to the storage thread for the mirror thread; null: nothing is stored of routes. */
  addInlet: ((port: MessagePort) => void) | null;
  /** For control clients; null: nothing can be watched. */
  live: PipelineLive | null;
  /** Settles when packets can be stored: the database is open. Rejects with the reason when it cannot be. */
  ready: Promise<unknown>;
  /** Called when trouble with the database begins (true) and when it has passed. For the engine to set. */
  onTrouble?: (isInTrouble: boolean) => void;
  /** Settles with counts for the log when all is written after a `stop`; rejects when a thread failed. */
  closed: Promise<Record<string, number>>;
}

/** What can be seen of the threads while they run. */
export interface PipelineLive {
  /** Has a reader told what is written, see FlowTap. @param port storage's end of the channel; transferred */
  watchFlows(port: MessagePort): void;
  /** Why the database takes no records just now, or null. */
  storageTrouble(): string | null;
  /** Starts or stops an experiment, as of now. Rejects with ControlError. */
  mark(change: ExperimentChange): Promise<Experiment>;
  /** Waits for what a capture thread sends before its `sync`. @param ask see StorageWorker */
  synced(ask: (request: number) => void): Promise<void>;
  /** See StorageWorker. */
  decisions(numbers: number[], thread: number): Promise<KnownDecision[]>;
}

/** Starts the capture threads and the storage thread. */
export type StartPipeline = (start: PipelineStart) => Pipeline;
