import { type MessagePort, parentPort, workerData } from 'node:worker_threads';
import { SavefileError } from '../../decoders/savefile-error.ts';
import { BatchPool, type BatchPoolShared } from '../../storage/batch-pool.ts';
import { type CaptureCounters, zeroCounters } from '../../storage/messages.ts';
import { sum } from '../../storage/sum.ts';
import { Census } from '../flow/census.ts';
import { MAX_CAPTURES } from '../flow/table-options.ts';
import type { RouteSnapshot } from '../routes/snapshot.ts';
import { type CarveCounts, type CarveOrder, Carver } from './carver.ts';
import { FileSource, type FilterOf } from './file-source.ts';
import { CaptureSession, type MeterOptions } from './session.ts';
import { type Shard, ShardMeter } from './shard-meter.ts';
import { SharedWindows, type SharedWindowsMemory } from './shared-windows.ts';
import { StopLine } from './stop-line.ts';
import { WantedFlows } from './wanted-flows.ts';
import { WindowMeter } from './window-meter.ts';

/** Progress is told this often. */
const PROGRESS_MS = 100;
/** Records of flows that go on reach storage this often, also while a pipe is silent. */
const FLUSH_MS = 200;

/** workerData of the replay thread. */
export interface ReplayThreadData {
  options: MeterOptions;
  pool: BatchPoolShared;
  /** To the storage thread. */
  storage: MessagePort;
  /** Paths; "-" is stdin. */
  files: string[];
  /** tcpdump expression, or null. */
  filter: string | null;
  /** Namespace name that the flows get, or null. */
  netns: string | null;
  snapshot: RouteSnapshot | null;
  /** Packets to write to a file of their own, or null. */
  carve: CarveOrder | null;
  /** Where reading shall stop, see StopLine: what was read by then is stored. */
  stop: SharedArrayBuffer;
  /** This thread's part of the packets. */
  shard: Shard;
  /** What several threads share; null: there is one. */
  shared: SharedReading | null;
}

/** What the threads of one replay share that meter a part of the packets each. */
export interface SharedReading {
  /** See Census. */
  census: SharedArrayBuffer;
  windows: SharedWindowsMemory;
  /** Octets of each file, in their order: all threads shall read the same of one that is still written. */
  octets: number[];
}

/** What was wrong with a file; what came before the offset was kept. */
export interface FileError {
  file: string;
  offset: number | null;
  reason: string;
}

/** Time as whole seconds and nanoseconds. */
export type Instant = [number, number];

/** To the replay thread, once: it may read. */
export type ReplayRequest = 'begin';

/** From the replay thread to whoever started it. */
export type ReplayReply =
  | {
      type: 'progress';
      file: string;
      fileNumber: number;
      bytesRead: number;
      totalBytes: number | null;
      packets: number;
    }
  /** No more is read: at the end of the last file, or because it shall stop. */
  | { type: 'ending'; stopped: boolean }
  | {
      type: 'done';
      counters: CaptureCounters;
      errors: FileError[];
      first: Instant | null;
      last: Instant | null;
      filtered: number;
      /** Packets lost where the files were captured, as far as they tell; null when none does. */
      dropped: number | null;
      /** LINKTYPE_ values in order of first appearance. */
      linkTypes: number[];
      flows: number;
      /** Packets read, those that other threads meter included. */
      seen: number;
      /** null when nothing was to be carved. */
      carved: CarveCounts | null;
    };

/**
 * A replay thread: files in, batches of flow records out, through the same meter as live packets. Where there are several, each
 * reads all of the files and meters its part of the packets, see ShardMeter; what they say of the files is the same.
 */
async function main(data: ReplayThreadData): Promise<void> {
  const wanted = data.carve === null ? null : new WantedFlows(data.carve.wanted);
  const session = new CaptureSession(data.options, new BatchPool(data.pool), data.storage, true, wanted);
  const carver = data.carve === null ? null : new Carver(data.carve, session, wanted!);
  const { shard, shared } = data;
  const sharded =
    shared === null ? null : new ShardMeter(session.meter, session.table, shard, data.options.tunnels);
  const census = shared === null ? null : new Census(shared.census, shard.count);
  const windows = shared === null ? null : new SharedWindows(shared.windows, shard.index);
  if (census !== null) session.table.clock.share(census);
  if (data.snapshot !== null) session.setRoutes('', data.snapshot);
  const ifIndexes = new Map(data.snapshot?.links.map((link) => [link.name, link.ifIndex]));
  let total = zeroCounters();
  const errors: FileError[] = [];
  const linkTypes: number[] = [];
  let captures = 0;
  let filtered = 0;
  let dropped: number | null = null;
  let first: Instant | null = null;
  let last: Instant | null = null;
  let nextProgressMs = 0;
  const filter = data.filter === null ? null : await filterOf(data.filter);
  const line = new StopLine(data.stop, shard.index);
  const shallStop = (): boolean => line.isReached();

  const flushing =
    data.options.checkpointSec > 0 ? setInterval(() => session.queue.flushIfTaken(), FLUSH_MS) : undefined;
  for (const [fileNumber, file] of data.files.entries()) {
    if (shallStop()) {
      post({ type: 'ending', stopped: true });
      break;
    }
    const opened: number[] = [];
    const source = new FileSource(
      file,
      filter,
      carver ?? sharded ?? session.meter,
      (_, info) => {
        if (captures >= MAX_CAPTURES)
          throw new SavefileError(
            'SAVEFILE_OPEN',
            file,
            null,
            `more than ${MAX_CAPTURES} interfaces in one replay`,
          );
        const index = captures++;
        opened.push(index);
        if (!linkTypes.includes(info.linkType)) linkTypes.push(info.linkType);
        session.addCapture({
          index,
          netns: data.netns,
          netnsId: null,
          interface: info.name,
          ifIndex: ifIndexes.get(info.name ?? '') ?? null,
          linkType: info.linkType,
          source: 'file',
          file,
          filter: data.filter,
          sharedBy: shard.count,
        });
        sharded?.reserve(index);
        carver?.addInterface(index, info, data.files.length > 1 ? file : null);
        return index;
      },
      {
        octets: shared?.octets[fileNumber],
        together:
          shared === null || windows === null
            ? null
            : { windows, meter: new WindowMeter(sharded!), fileNumber, windowLen: shared.windows.windowLen },
      },
    );
    const packetsSoFar = (): number =>
      opened.reduce((n, i) => n + session.meter.counters.packets(i), total.packets);
    try {
      await source.read((bytesRead, totalBytes) => {
        const now = performance.now();
        if (now < nextProgressMs) return;
        nextProgressMs = now + PROGRESS_MS;
        post({ type: 'progress', file, fileNumber, bytesRead, totalBytes, packets: packetsSoFar() });
      }, shallStop);
    } catch (error) {
      errors.push(fileError(file, error));
    }
    const stopped = shallStop();
    if (stopped || fileNumber === data.files.length - 1) post({ type: 'ending', stopped });
    session.table.endAll(stopped ? 'shutdown' : 'eof');
    for (const index of opened) total = sum(total, session.endCapture(index));
    filtered += source.times.filtered;
    if (source.times.dropped !== null) dropped = (dropped ?? 0) + source.times.dropped;
    if (source.times.first !== null && (first === null || before(source.times.first, first)))
      first = source.times.first;
    if (source.times.last !== null && (last === null || before(last, source.times.last)))
      last = source.times.last;
  }
  clearInterval(flushing);
  census?.leave();
  carver?.close();
  session.queue.close();
  const flows = session.table.created;
  const carved = carver?.counts ?? null;
  const seen = sharded?.seen ?? total.packets;
  post({
    type: 'done',
    counters: total,
    errors,
    first,
    last,
    filtered,
    dropped,
    linkTypes,
    flows,
    seen,
    carved,
  });
  parentPort!.close();
}

/** libpcap is loaded only where there is something to compile: it is a fifth of what a thread loads. */
async function filterOf(expression: string): Promise<FilterOf> {
  const { compileFilter } = await import('../kernel/libpcap.ts');
  return (linkType, snapLen) => compileFilter(expression, linkType, snapLen);
}

function post(message: ReplayReply): void {
  parentPort!.postMessage(message);
}

/** A file that is damaged or refused by the filter's compiler is told and the next one read; anything else is a bug. */
function fileError(file: string, error: unknown): FileError {
  if (error instanceof SavefileError && error.code !== 'SAVEFILE_WRITE')
    return { file, offset: error.offset, reason: error.reason };
  if (error instanceof Error && error.name === 'PcapError')
    return { file, offset: null, reason: error.message };
  throw error;
}

function before(a: Instant, b: Instant): boolean {
  return a[0] < b[0] || (a[0] === b[0] && a[1] < b[1]);
}

await new Promise((resolve) => parentPort!.once('message', resolve));
await main(workerData as ReplayThreadData);
