import { MessageChannel, Worker } from 'node:worker_threads';
import { createBatchPool } from '../storage/batch-pool.ts';
import { isoTime } from '../storage/time.ts';
import type { CaptureReply } from './capture/capture-messages.ts';
import type { LiveThreadData } from './capture/live-thread.ts';
import { shareOf } from './capture-threads.ts';
import { meteringOf } from './config.ts';
import { extraBytes } from './extra-bytes.ts';
import type { Pipeline, PipelineStart } from './engine-pipeline.ts';
import type { Logger } from './logger.ts';
import { sibling } from './sibling.ts';
import { startStorage, type StorageNotice, upgradeText } from './storage-worker.ts';
import { version } from './version.ts';

/** Records a batch, and batches that may wait for the disk: 131,072 records, some 35 MiB, touched only when it is slow. */
const BATCH_RECORDS = 2048;
const BATCHES = 64;

/** Starts the capture threads and the storage thread of a daemon's engine. */
export function startPipeline(start: PipelineStart): Pipeline {
  const { config, log, wakeFds, requests, mirrorWakeFd, captureStarted } = start;
  const metering = meteringOf(config);
  const threads = wakeFds.map((wakeFd, i) => {
    const pool = createBatchPool(BATCH_RECORDS, BATCHES, extraBytes(config));
    const { port1, port2 } = new MessageChannel();
    const workerData: LiveThreadData = {
      options: {
        ...metering,
        maxFlows: Math.max(1, shareOf(metering.maxFlows, i, wakeFds.length)),
        auditRate: shareOf(config.auditRate, i, wakeFds.length),
      },
      pool,
      storage: port1,
      requests: [requests[i]!],
      wakeFd,
      mirrorWakeFd,
      isWatched: config.metrics !== null,
    };
    const worker = new Worker(sibling('./capture/live-thread', import.meta.url), {
      workerData,
      transferList: [port1, requests[i]!],
    });
    return { worker, inlet: { port: port2, pool } };
  });
  captureStarted();
  const run = {
    kind: 'daemon' as const,
    version: version(),
    commandLine: 'nstap daemon',
    timeseries: config.timeseries,
  };
  let storageTrouble: string | null = null;
  const storage = startStorage(
    config.db,
    run,
    threads.map(({ inlet }) => inlet),
    (notice) => {
      if (notice.type === 'error' || notice.type === 'recovered') {
        storageTrouble = notice.type === 'error' ? notice.message : null;
        pipeline.onTrouble?.(notice.type === 'error');
      }
      logStorage(log, notice);
    },
    config.retention,
  );

  const failed = Promise.withResolvers<never>();
  const stopped = threads.map(({ worker }) => {
    worker.on('error', failed.reject);
    return new Promise<void>((resolve) => {
      worker.on('message', (reply: CaptureReply) => {
        if (reply.type === 'stopped') resolve();
      });
    });
  });
  const written = async (): Promise<Record<string, number>> => {
    const totals = await storage.closed;
    await Promise.all(stopped);
    return { ...totals };
  };
  const pipeline: Pipeline = {
    captures: threads.map(({ worker }) => worker),
    addInlet: storage.addInlet,
    live: {
      watchFlows: storage.watch,
      storageTrouble: () => storageTrouble,
      mark: storage.mark,
      synced: storage.synced,
      decisions: storage.decisions,
    },
    ready: storage.ready,
    closed: Promise.race([written(), failed.promise]),
  };
  return pipeline;
}

function logStorage(log: Logger, notice: StorageNotice): void {
  switch (notice.type) {
    case 'upgrading':
      log.info({ event: 'database-upgrading', version: notice.version }, upgradeText(notice.path));
      break;
    case 'recovered':
      log.info({ event: 'storage-recovered' }, 'the database takes records again');
      break;
    case 'error':
      log.error({ event: 'storage-trouble', code: notice.code }, notice.message);
      break;
    case 'retentionTrouble':
      log.error({ event: 'retention-trouble', code: notice.code }, notice.message);
      break;
    case 'dropped': {
      const { partition, flows, octets, fromNs, untilNs, reason } = notice;
      const [from, until] = [fromNs, untilNs].map((ns) => (ns === null ? null : isoTime(ns)));
      const what = partition === 0 ? 'outside of partitions' : `of partition ${partition}`;
      log.info(
        { event: 'retention-dropped', partition, flows, octets, from, until, reason },
        `dropped ${flows} flows ${what}: ${reason}`,
      );
    }
  }
}
