import { type MessagePort, parentPort, workerData } from 'node:worker_threads';
import { StorageError } from './errors.ts';
import type { ExperimentChange } from './experiments.ts';
import type { RunInfo, StorageReply } from './messages.ts';
import type { RetentionOptions } from './retention-options.ts';
import { type StorageInlet, StorageService } from './storage-service.ts';

/** workerData of the storage thread; transfer the inlets' ports. Replies are StorageReply. */
export interface StorageThreadData {
  dbPath: string;
  run: RunInfo;
  /** The threads known from the start; empty: the first comes by `inlet`. */
  inlets: StorageInlet[];
  /** Write flows into partitions, and keep the database within these bounds. Left out: neither. */
  retention?: RetentionOptions;
}

/** From whoever started the storage thread. */
export type StorageThreadRequest =
  /** One more thread; transfer its port. Before the last of the others closes, for that ends the thread. */
  | { type: 'inlet'; inlet: StorageInlet }
  /** Somebody watches what is written, see FlowTap; transfer its port. */
  | { type: 'watch'; port: MessagePort }
  /** See StorageService.mark. */
  | { type: 'mark'; request: number; change: ExperimentChange; atNs: bigint }
  /** See StorageService.decide. */
  | { type: 'decide'; request: number; numbers: number[]; thread: number }
  /** Write what has arrived, and end, also when a capture thread never said `close`. */
  | { type: 'close' };

/** The storage thread: ends with 0 after `closed`, with 1 after a fatal `error`. */
function main(data: StorageThreadData): void {
  const reply = (message: StorageReply): void => {
    parentPort!.postMessage(message);
    if (message.type === 'closed' || (message.type === 'error' && message.fatal)) parentPort!.close();
  };
  let service: StorageService;
  try {
    service = new StorageService(data.dbPath, data.run, reply, data.retention ?? null);
  } catch (error) {
    if (!(error instanceof StorageError)) throw error;
    process.exitCode = 1;
    for (const { port } of data.inlets) port.close();
    reply({ type: 'error', code: error.code, message: error.message, fatal: true, lostRecords: 0 });
    return;
  }
  for (const inlet of data.inlets) service.add(inlet);
  parentPort!.on('message', (request: StorageThreadRequest) => {
    if (request.type === 'inlet') service.add(request.inlet);
    else if (request.type === 'watch') service.watch(request.port);
    else if (request.type === 'mark') service.mark(request.request, request.change, request.atNs);
    else if (request.type === 'decide') service.decide(request.request, request.numbers, request.thread);
    else service.close();
  });
}

main(workerData as StorageThreadData);
