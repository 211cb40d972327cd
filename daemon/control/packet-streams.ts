import type { ControlBackend, PacketFeed, PacketsWanted } from './backend.ts';
import { encodeBody } from './codec.ts';
import type { ControlConnection } from './connection.ts';
import { ControlError, streamExists } from './errors.ts';
import type { PacketsMessage } from './messages.ts';

/** Packets are fetched, and sent, this often: with the ring's own delay they are seen within 50 ms. */
const TURN_MS = 5;
/** Packets and octets a turn for all clients together, in equal shares: 51,200 packets and 50 MiB a second. */
const TURN_PACKETS = 256;
const TURN_OCTETS = 256 * 1024;
/** A turn that comes late, on a busy host, has the shares of at most so many. */
const LATE_TURNS_MAX = 10;
/** A share is at least that, however many watch. */
const SHARE_PACKETS_MIN = 16;
/** Of one message; its packets count for the longest names that there are as well, and decisions come to that. */
const MESSAGE_OCTETS = 800_000;

interface Watcher {
  readonly connection: ControlConnection;
  readonly id: number;
  /** null: it is being opened. */
  feed: PacketFeed | null;
  /** Since the last look its queue was full: what finds no room is for its own sake. */
  isSlow: boolean;
  isEnded: boolean;
  /** Not yet told. */
  matched: number;
  skipped: number;
  skippedClient: number;
}

/**
 * The clients that watch packets, each with a feed of its own: what came is fetched every few milliseconds and sent. Of a client that
 * does not keep up nothing is fetched, so that its feed runs full, and it is told how much it missed; nobody waits for it.
 */
export class PacketStreams {
  /** Packets that some client did not get. */
  skipped = 0;
  readonly #backend: ControlBackend;
  readonly #queueBytes: number;
  readonly #watchers = new Set<Watcher>();
  #timer: NodeJS.Timeout | null = null;
  #turnMs = 0;

  constructor(backend: ControlBackend, queueBytes: number) {
    this.#backend = backend;
    this.#queueBytes = queueBytes;
  }

  /** Begins a stream, and says so. @throws ControlError */
  async add(connection: ControlConnection, id: number, wanted: PacketsWanted): Promise<void> {
    if (this.has(connection)) throw streamExists();
    const watcher: Watcher = {
      connection,
      id,
      feed: null,
      isSlow: false,
      isEnded: false,
      matched: 0,
      skipped: 0,
      skippedClient: 0,
    };
    this.#watchers.add(watcher);
    try {
      watcher.feed = await this.#backend.openPackets(wanted);
    } catch (error) {
      this.#delete(watcher);
      throw error;
    }
    // The client has gone meanwhile, or the daemon is ending.
    if (watcher.isEnded) {
      void release(watcher.feed);
      return;
    }
    connection.send(id, false, {});
    this.#timer ??= setInterval(() => this.#turn(), TURN_MS);
  }

  has(connection: ControlConnection, id?: number): boolean {
    return this.#find(connection, id) !== undefined;
  }

  /** Ends a stream in good order: what was copied for it is still sent, then the last counts. @returns false when there was none */
  async cancel(connection: ControlConnection, id: number): Promise<boolean> {
    const watcher = this.#find(connection, id);
    if (watcher?.feed == null) return false;
    try {
      await watcher.feed.end();
      do await connection.drained();
      while (!watcher.isEnded && this.#send(watcher, Infinity, Infinity) > 0);
      this.#tell(watcher, true);
    } finally {
      this.#delete(watcher);
    }
    return true;
  }

  /** The connection is gone. */
  remove(connection: ControlConnection): void {
    for (const watcher of this.#watchers) {
      if (watcher.connection !== connection) continue;
      this.#delete(watcher);
      if (watcher.feed !== null) void release(watcher.feed);
    }
  }

  close(): void {
    for (const { connection } of this.#watchers) this.remove(connection);
  }

  #find(connection: ControlConnection, id?: number): Watcher | undefined {
    for (const watcher of this.#watchers)
      if (watcher.connection === connection && (id === undefined || watcher.id === id)) return watcher;
    return undefined;
  }

  #delete(watcher: Watcher): void {
    watcher.isEnded = true;
    this.#watchers.delete(watcher);
    if (this.#watchers.size > 0 || this.#timer === null) return;
    clearInterval(this.#timer);
    this.#timer = null;
  }

  #turn(): void {
    const nowMs = performance.now();
    const turns = Math.min(LATE_TURNS_MAX, Math.max(1, (nowMs - this.#turnMs) / TURN_MS));
    this.#turnMs = nowMs;
    const packets = Math.max(SHARE_PACKETS_MIN, Math.floor((TURN_PACKETS * turns) / this.#watchers.size));
    const octets = Math.floor((TURN_OCTETS * turns) / this.#watchers.size);
    for (const watcher of this.#watchers) {
      if (watcher.feed === null) continue;
      const isSlow = watcher.connection.queuedBytes >= this.#queueBytes;
      if (isSlow) {
        watcher.isSlow = true;
        this.#count(watcher);
        continue;
      }
      this.#send(watcher, packets, octets);
      // What was left out is told as soon as there is room, also when nothing more comes.
      this.#tell(watcher, false);
      watcher.isSlow = false;
    }
  }

  /** Sends at most so many packets. @returns how many */
  #send(watcher: Watcher, packetsMax: number, octetsMax: number): number {
    let sent = 0;
    for (let octets = 0; sent < packetsMax && octets < octetsMax; ) {
      if (watcher.connection.queuedBytes >= this.#queueBytes) break;
      const { packets, routes } = watcher.feed!.take(packetsMax - sent, MESSAGE_OCTETS);
      if (packets.length === 0) break;
      sent += packets.length;
      for (const packet of packets) octets += packet.octets.length;
      this.#message(watcher, packets, routes);
    }
    return sent;
  }

  /** Tells what was left out, or at the end all that was counted. */
  #tell(watcher: Watcher, isLast: boolean): void {
    this.#count(watcher);
    if (isLast || watcher.skipped > 0 || watcher.skippedClient > 0) this.#message(watcher, [], []);
  }

  #message(watcher: Watcher, packets: PacketsMessage['packets'], routes: PacketsMessage['routes']): void {
    this.#count(watcher);
    const { matched, skipped, skippedClient } = watcher;
    watcher.matched = watcher.skipped = watcher.skippedClient = 0;
    const body = { packets: { packets, routes, matched, skipped, skippedClient } };
    watcher.connection.sendEncoded(watcher.id, false, encodeBody(body));
  }

  #count(watcher: Watcher): void {
    const { matched, skipped } = watcher.feed!.takeCounts();
    watcher.matched += matched;
    if (watcher.isSlow) watcher.skippedClient += skipped;
    else watcher.skipped += skipped;
    this.skipped += skipped;
  }
}

/** Of a client that has gone: nobody is there to be told when the capture thread does not answer. */
async function release(feed: PacketFeed): Promise<void> {
  try {
    await feed.end();
  } catch (error) {
    if (!(error instanceof ControlError)) throw error;
  }
}
