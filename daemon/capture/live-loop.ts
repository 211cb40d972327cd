import { POLLIN } from '../kernel/constants.ts';
import { takeEvent } from '../kernel/eventfd.ts';
import { RING_RETIRE_MS } from '../kernel/packet-socket.ts';
import { PollSet } from '../kernel/poll.ts';
import { threadCpuNs } from '../kernel/thread-clock.ts';
import type { LiveSource, PacketSink } from './packet-source.ts';

/** Longest time between two ticks while there is something to do. */
const TICK_MS = 200;
/** And at rest: between two looks at an interface that may be gone, which the supervisor mostly tells sooner. */
const IDLE_TICK_MS = 500;
/** Shortest time between two ticks: under load the loop turns far more often than anything times out. */
const TICK_MIN_MS = 10;
/**
 * How long a source that is to be closed, and takes nothing new, is still drained: a block that is not full comes after RING_RETIRE_MS, and the
 * timer may be late by as much. A removed namespace must be let go within a second.
 */
const LINGER_MS = 3 * RING_RETIRE_MS;
/** On a host that is so busy that the timer is later still, packets that are known to be there are waited for until then. */
const LINGER_MAX_MS = 500;
/** Longest rest after a turn that gave packets, should all of its sources allow one. */
const REST_MAX_MS = 10;

/** What the loop calls, in its own thread, between two polls. */
export interface LiveLoopHooks {
  /**
   * At least every 200 ms, also under full load, and every 500 ms when nothing came since the last one: expire flows, flush
   * batches, read counters.
   * @param nowSec wall clock, whole seconds since the epoch
   */
  tick(nowSec: number): void;
  /** @returns true when something waits for the next tick, which then comes after 200 ms in any case */
  isWaiting(): boolean;
  /** Once a turn, between packets: a piece of work that can wait. @returns true when there is more of it */
  work(): boolean;
  /** The eventfd was signalled: look at the message port. May call `add`, `remove` and `stop`. */
  wake(): void;
  /**
   * A source is at its end, drained for the last time, and is closed when this returns: read its last `stats` here.
   * @param reason why: the source's own `ended`, or what `remove` was told
   * @param cpuNs  see LiveLoop.cpuNs
   */
  ended(captureIndex: number, source: LiveSource, reason: string, cpuNs: number): void;
}

interface Entry {
  captureIndex: number;
  readonly source: LiveSource;
  /** Of the thread, while it drained the source. */
  cpuNs: number;
  pollIndex: number;
  /** When to close it, in performance.now() time; Infinity while it is wanted. */
  closeAtMs: number;
  /** When to close it though packets are missing. */
  lastCloseAtMs: number;
  reason: string;
}

/**
 * The loop of a live capture thread: blocks in poll(2) over its sources and an eventfd, and drains what is ready, each
 * source in turn and at most its bound, until it is stopped and every source is closed.
 */
export class LiveLoop {
  /** Takes every packet of every source. May be another one between two turns. */
  sink: PacketSink;
  readonly #wakeFd: number;
  readonly #hooks: LiveLoopHooks;
  readonly #poll = new PollSet();
  readonly #entries = new Map<number, Entry>();
  #changed = true;
  #stopping: string | null = null;

  /**
   * @param wakeFd an eventfd of openEvent, which other threads signal; stays the caller's
   * @param sink   takes every packet of every source
   */
  constructor(wakeFd: number, sink: PacketSink, hooks: LiveLoopHooks) {
    this.#wakeFd = wakeFd;
    this.sink = sink;
    this.#hooks = hooks;
  }

  /** Sources that are open, those on their way out included. */
  get size(): number {
    return this.#entries.size;
  }

  /** The open source of a capture. */
  source(captureIndex: number): LiveSource | undefined {
    return this.#entries.get(captureIndex)?.source;
  }

  /**
   * Nanoseconds of CPU that draining the open source of a capture took so far, its flows included. Looks that found nothing
   * ready are not in it.
   */
  cpuNs(captureIndex: number): number {
    return this.#entries.get(captureIndex)?.cpuNs ?? 0;
  }

  /** Adds a source, which the loop owns from now on. @throws RangeError when the index is taken */
  add(captureIndex: number, source: LiveSource): void {
    if (this.#entries.has(captureIndex)) throw new RangeError(`capture ${captureIndex} is already open`);
    this.#entries.set(captureIndex, {
      captureIndex,
      source,
      cpuNs: 0,
      pollIndex: -1,
      closeAtMs: Infinity,
      lastCloseAtMs: Infinity,
      reason: '',
    });
    this.#changed = true;
    if (this.#stopping !== null) this.remove(captureIndex, this.#stopping);
  }

  /**
   * Lets a source go on as another capture; read its counters before. All that it received until now and has not delivered
   * is the other's.
   * @throws RangeError when there is no source, or the other index is taken
   */
  rename(captureIndex: number, newIndex: number): void {
    const entry = this.#entries.get(captureIndex);
    if (entry === undefined || this.#entries.has(newIndex))
      throw new RangeError(`capture ${captureIndex} cannot go on as ${newIndex}`);
    entry.source.handOver(newIndex);
    entry.captureIndex = newIndex;
    entry.cpuNs = 0;
    this.#entries.delete(captureIndex);
    this.#entries.set(newIndex, entry);
  }

  /** Stops a source, drains it for as long as a packet may still wait in its ring, then closes it. Unknown indexes are no error:
   * the source may have ended by itself meanwhile. */
  remove(captureIndex: number, reason: string): void {
    const entry = this.#entries.get(captureIndex);
    if (entry === undefined || entry.closeAtMs !== Infinity) return;
    entry.source.stop();
    const nowMs = performance.now();
    entry.closeAtMs = nowMs + LINGER_MS;
    entry.lastCloseAtMs = nowMs + LINGER_MAX_MS;
    entry.reason = reason;
  }

  /** Removes every source; `run` returns when the last one is closed. */
  stop(reason: string): void {
    this.#stopping = reason;
    for (const index of this.#entries.keys()) this.remove(index, reason);
  }

  /** Blocks the thread until `stop`. @throws SyscallError from poll; nothing else ends it early */
  run(): void {
    let lastTickMs = performance.now();
    /** Something came since the last tick, or waits for the next. */
    let isActive = true;
    let more = false;
    let restMs = 0;
    while (this.#stopping === null || this.#entries.size > 0) {
      if (this.#changed) this.#rebuild();
      if (restMs > 0) this.#poll.rest(restMs);
      this.#poll.wait(more ? 0 : this.#timeoutMs(lastTickMs + (isActive ? TICK_MS : IDLE_TICK_MS)));
      if (this.#poll.revents(0) !== 0 && takeEvent(this.#wakeFd)) {
        isActive = true;
        this.#hooks.wake();
      }
      const nowMs = performance.now();
      const tick = nowMs - lastTickMs >= TICK_MIN_MS;
      more = false;
      restMs = REST_MAX_MS;
      let delivered = false;
      // CPU when the source before was drained; -1: not known. A look at one that is not ready is not worth the clock.
      let cpuNs = -1;
      for (const entry of this.#entries.values()) {
        // pollIndex -1: added by the wake hook just now. On a tick all are looked at, as some ends make no event.
        const ready = entry.pollIndex >= 0 && this.#poll.revents(entry.pollIndex) !== 0;
        const closing = nowMs >= entry.closeAtMs;
        if (!ready && !tick && !closing) continue;
        isActive ||= ready;
        if (ready && cpuNs < 0) cpuNs = threadCpuNs();
        if (entry.source.drain(this.sink) > 0) {
          more = true;
          delivered = true;
          restMs = Math.min(restMs, entry.source.restMs);
        }
        if (ready) {
          const beforeNs = cpuNs;
          cpuNs = threadCpuNs();
          entry.cpuNs += cpuNs - beforeNs;
        } else cpuNs = -1;
        if (closing && nowMs < entry.lastCloseAtMs && entry.source.pending() > 0)
          entry.closeAtMs = nowMs + RING_RETIRE_MS;
        else if (closing) this.#close(entry, entry.reason);
        else if (entry.source.ended !== null) this.#close(entry, entry.source.ended);
      }
      if (!delivered || this.#stopping !== null) restMs = 0;
      if (this.#hooks.work()) {
        more = true;
        restMs = 0;
      }
      if (tick) {
        lastTickMs = nowMs;
        this.#hooks.tick(Math.floor(Date.now() / 1000));
        isActive = delivered || this.#hooks.isWaiting();
      }
    }
    this.#poll.close();
  }

  #close(entry: Entry, reason: string): void {
    // One drain is bounded; nothing that is ready now may be lost to that.
    const beforeNs = threadCpuNs();
    for (let turns = 0; turns < 1000 && entry.source.drain(this.sink) > 0; turns++);
    entry.cpuNs += threadCpuNs() - beforeNs;
    this.#entries.delete(entry.captureIndex);
    this.#changed = true;
    try {
      this.#hooks.ended(entry.captureIndex, entry.source, reason, entry.cpuNs);
    } finally {
      entry.source.close();
    }
  }

  #timeoutMs(tickAtMs: number): number {
    const nowMs = performance.now();
    let until = tickAtMs;
    for (const entry of this.#entries.values()) until = Math.min(until, entry.closeAtMs);
    return Math.max(0, Math.ceil(until - nowMs));
  }

  #rebuild(): void {
    this.#poll.clear();
    this.#poll.add(this.#wakeFd, POLLIN);
    for (const entry of this.#entries.values()) entry.pollIndex = this.#poll.add(entry.source.fd, POLLIN);
    this.#changed = false;
  }
}
