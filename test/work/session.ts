import type { MessagePort } from 'node:worker_threads';
import { CaptureSession } from '../../daemon/capture/session.ts';
import { defaultMetering } from '../../daemon/config.ts';
import { BatchPool, createBatchPool } from '../../storage/batch-pool.ts';
import type { StorageRequest } from '../../storage/messages.ts';
import { captureInfo } from '../storage/records.ts';
import { routes } from './routes.ts';

/** A capture thread's session with routes, whose records are taken and forgotten at once. */
export class ForgettingSession {
  readonly session: CaptureSession;
  /** Records that were taken. */
  records = 0;

  /** @param isReplay waits for storage, as a replay does */
  constructor(isReplay: boolean) {
    const pool = new BatchPool(createBatchPool(1024, 8));
    const port = {
      postMessage: (request: StorageRequest): void => {
        if (request.type !== 'batch') return;
        this.records += pool.batch(request.batch).count;
        pool.release(request.batch);
      },
    };
    this.session = new CaptureSession(
      { ...defaultMetering(), maxFlows: 4096, auditRate: 0, seed: 1 },
      pool,
      port as MessagePort,
      isReplay,
    );
    this.session.setRoutes('', routes());
  }

  /** A capture point over whose packets routes decide. */
  open(index: number): void {
    this.session.addCapture({ ...captureInfo(index), netns: null, netnsId: null });
  }
}
