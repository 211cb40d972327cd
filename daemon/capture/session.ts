import { randomInt } from 'node:crypto';
import type { MessagePort } from 'node:worker_threads';
import type { BatchPool } from '../../storage/batch-pool.ts';
import type { PacketFields } from '../../decoders/packet-fields.ts';
import type { CaptureCounters, CaptureInfo, CountedSpan } from '../../storage/messages.ts';
import type { RouteDecision } from '../../storage/route-decision.ts';
import type { MeteringOptions } from '../config.ts';
import { FlowTable } from '../flow/table.ts';
import { MAX_CAPTURES } from '../flow/table-options.ts';
import type { FlowTimeouts } from '../flow/timeouts.ts';
import { RouteEngine } from '../routes/engine.ts';
import type { RouteSample } from '../mirror/messages.ts';
import type { RouteSnapshot } from '../routes/snapshot.ts';
import type { RouteUpdate } from '../routes/update.ts';
import { Meter } from './meter.ts';
import { RecordQueue } from './record-queue.ts';
import { RouteFeed } from './route-feed.ts';
import { RouteTagger } from './route-tag.ts';
import { TunnelMeter } from './tunnel-meter.ts';
import type { WantedFlows } from './wanted-flows.ts';

/** How a capture thread meters, whatever its source. Plain data. */
export interface MeterOptions extends MeteringOptions {
  /** Decisions a second and namespace that are asked of the kernel too; 0 for none (replay). */
  auditRate: number;
  /** Of the flow table's hash; left out, a random one, so that nobody can choose addresses that collide. */
  seed?: number;
}

/** What is known of a live source beside its packets; nothing is of a file. */
export interface SourceCounts {
  /** null: what was read is what was received. */
  received: number | null;
  kernelDrops: number;
  duplicates: number;
  /** See CaptureCounters. */
  cpuNs: number;
  span: CountedSpan | null;
}

const NO_COUNTS: SourceCounts = { received: null, kernelDrops: 0, duplicates: 0, cpuNs: 0, span: null };

/**
 * What every capture thread has, live or replay: the meter with its flow table, the route tagger, and the queue to
 * storage, with the capture points registered in all of them.
 */
export class CaptureSession {
  readonly meter: Meter | TunnelMeter;
  readonly table: FlowTable;
  readonly queue: RecordQueue;
  readonly #tagger: RouteTagger;
  readonly #feed: RouteFeed;
  readonly #captures = new Map<number, CaptureInfo>();
  /** The table looks into it whenever a flow may be over. */
  readonly #timeouts: FlowTimeouts;

  /**
   * @param wait   see RecordQueue
   * @param wanted looks at which flow each packet is put on; left out: nobody does
   */
  constructor(
    options: MeterOptions,
    pool: BatchPool,
    port: MessagePort,
    wait: boolean,
    wanted: WantedFlows | null = null,
  ) {
    this.#tagger = new RouteTagger(options.auditRate);
    this.#feed = new RouteFeed(this.#tagger);
    this.queue = new RecordQueue(pool, port, this.#tagger, wait);
    const { tunnels, seed = randomInt(2 ** 31) } = options;
    this.#timeouts = { ...options.timeouts };
    this.table = new FlowTable(
      { ...options, timeouts: this.#timeouts, seed, tunnels: tunnels !== 'outer' },
      this.queue,
      this.#tagger,
    );
    const places = wanted?.over(this.table) ?? this.table;
    this.meter = tunnels === 'outer' ? new Meter(places) : new TunnelMeter(places, tunnels);
  }

  /** Registers a capture point; must come before its first packet. */
  addCapture(info: CaptureInfo): void {
    if (info.index >= MAX_CAPTURES)
      throw new RangeError(`capture point ${info.index}: at most ${MAX_CAPTURES} a run`);
    this.#captures.set(info.index, info);
    this.meter.counters.reserve(info.index);
    this.#tagger.setCapture(info.index, info.netnsId ?? '', info.ifIndex ?? 0);
    this.queue.capture(info);
  }

  /** What `configure` says holds from now on; a flow notices at its next checkpoint, or when it would have ended. */
  configure(auditRate: number, timeouts: FlowTimeouts): void {
    this.#tagger.sampler.rate = auditRate;
    Object.assign(this.#timeouts, timeouts);
  }

  /** Notes the filter that a capture point has from now on. */
  setFilter(captureIndex: number, filter: string | null): void {
    this.queue.filter(captureIndex, filter);
  }

  /** Puts a namespace's routes in force. @param netnsId as in CaptureInfo; "" for files without a namespace */
  setRoutes(netnsId: string, snapshot: RouteSnapshot): void {
    this.#tagger.setRoutes(netnsId, new RouteEngine(snapshot));
  }

  /** Takes a change of a namespace's routes; `workRoutes` puts it in force. */
  updateRoutes(netnsId: string, update: RouteUpdate): void {
    this.#feed.push(netnsId, update);
  }

  /** Puts a piece of the changes in force that wait. @returns true when there is more to do */
  workRoutes(): boolean {
    return this.#feed.work(Date.now());
  }

  /** True while the first tables of a namespace are taken in: packets seen now would be tagged as unknown. */
  isLoadingRoutes(netnsId: string): boolean {
    return this.#feed.isLoading(netnsId);
  }

  /** The namespace is gone. */
  removeRoutes(netnsId: string): void {
    this.#feed.remove(netnsId);
  }

  /** Decisions to be asked of the kernel, taken since the last call. */
  takeRouteSamples(): RouteSample[] {
    return this.#tagger.sampler.take();
  }

  /** A capture point that was registered and has not ended. */
  capture(captureIndex: number): CaptureInfo | undefined {
    return this.#captures.get(captureIndex);
  }

  /** The decision for the packet that was metered last, for who watches; see RouteTagger. */
  decide(view: DataView, fields: PacketFields): RouteDecision {
    return this.#tagger.decide(view, fields);
  }

  /** The capture points registered so far. */
  captures(): Iterable<CaptureInfo> {
    return this.#captures.values();
  }

  /** All counters of a capture point. */
  counters(captureIndex: number, { span: _, ...source }: SourceCounts): CaptureCounters {
    const packets = this.meter.counters.read(captureIndex);
    return {
      ...packets,
      ...source,
      received: source.received ?? packets.packets,
      shedRecords: this.table.shed[captureIndex]!,
      shedRouteChanges: this.table.shedRouteChanges[captureIndex]!,
      evictedFlows: this.table.evicted[captureIndex]!,
      untrackedFlows: this.table.trouble.untracked[captureIndex]!,
      shedHints: this.table.extras?.shed[captureIndex] ?? 0,
      aliveFlows: this.table.alive[captureIndex]!,
    };
  }

  /** Ends a capture point: its flows are written, its last counters sent. @returns those counters */
  endCapture(captureIndex: number, source: SourceCounts = NO_COUNTS): CaptureCounters {
    this.table.endCapture(captureIndex);
    this.queue.flush();
    const counters = this.counters(captureIndex, source);
    this.queue.counters(captureIndex, counters, source.span, true);
    this.#captures.delete(captureIndex);
    return counters;
  }
}
