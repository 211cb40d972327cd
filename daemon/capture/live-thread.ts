import type { MessagePort } from 'node:worker_threads';
import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import { BatchPool, type BatchPoolShared } from '../../storage/batch-pool.ts';
import type { CaptureReply, CaptureRequest } from './capture-messages.ts';
import { LiveLoop } from './live-loop.ts';
import { openSource } from './open-source.ts';
import type { LiveSource } from './packet-source.ts';
import { CaptureSession, type MeterOptions, type SourceLosses } from './session.ts';

/** Capture counters are sent to storage this often, and written records at the latest after FLUSH_MS. */
const COUNTERS_MS = 1000;
const FLUSH_MS = 200;

/** workerData of the live capture thread. */
export interface LiveThreadData {
  options: MeterOptions;
  pool: BatchPoolShared;
  /** To the storage thread. */
  storage: MessagePort;
  /** From threads other than the parent (the netlink thread), read like the parent's port. */
  requests: MessagePort[];
  /** eventfd that wakes the thread after a message was posted. */
  wakeFd: number;
}

/**
 * The live capture thread: rings in, batches of flow records out. It never returns to its event loop while it captures;
 * messages are fetched between two polls.
 */
function main(data: LiveThreadData): void {
  const session = new CaptureSession(data.options, new BatchPool(data.pool), data.storage, false);
  const ports = [parentPort!, ...data.requests];
  const reply = (message: CaptureReply): void => parentPort!.postMessage(message);
  let nextFlushMs = 0;
  let nextCountersMs = 0;

  const loop = new LiveLoop(data.wakeFd, session.meter, {
    tick(nowSec) {
      session.table.tick(nowSec);
      const now = performance.now();
      if (now >= nextFlushMs) {
        nextFlushMs = now + FLUSH_MS;
        session.queue.flushIfTaken();
      }
      if (now >= nextCountersMs) {
        nextCountersMs = now + COUNTERS_MS;
        for (const { index } of session.captures()) {
          const source = loop.source(index);
          if (source) session.queue.counters(index, session.counters(index, losses(source)), false);
        }
      }
    },
    wake() {
      for (const port of ports) {
        for (let m = receiveMessageOnPort(port); m !== undefined; m = receiveMessageOnPort(port)) {
          handle(m.message as CaptureRequest);
        }
      }
    },
    ended(captureIndex, source, reason) {
      session.endCapture(captureIndex, losses(source));
      reply({ type: 'ended', captureIndex, reason });
    },
  });

  function handle(request: CaptureRequest): void {
    switch (request.type) {
      case 'add':
        add(request);
        break;
      case 'remove':
        loop.remove(request.captureIndex, request.reason);
        break;
      case 'routes':
        session.setRoutes(request.netnsId, request.snapshot);
        break;
      case 'stop':
        loop.stop('stopped');
    }
  }

  function add(request: Extract<CaptureRequest, { type: 'add' }>): void {
    const { index } = request.capture;
    try {
      const { source, linkType } = openSource(request.capture, request.open);
      try {
        session.addCapture({ ...request.capture, linkType });
        loop.add(index, source);
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

function losses(source: LiveSource): SourceLosses {
  return { kernelDrops: source.stats().drops, duplicates: source.duplicates };
}

main(workerData as LiveThreadData);
