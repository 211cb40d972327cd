import type { ControlBackend, Taken } from './backend.ts';
import { encodeBody } from './codec.ts';
import type { ControlConnection } from './connection.ts';
import type { LiveFlow, ResponseBody, Selection } from './messages.ts';
import { type Selects, selectsOf } from './selectors.ts';

/** Live records are fetched, and sent, this often. */
const TURN_MS = 20;
/** Records in one message, at most: each is below 5,000 octets, also where a namespace is named by a long path. */
const MESSAGE_RECORDS = 200;

interface Watcher {
  connection: ControlConnection;
  id: number;
  selection: Selection;
  selects: Selects;
  key: string;
  /** Left out since its last message: for its own sake, and before they came here. */
  skippedClient: number;
  skipped: number;
}

/** What a stream is of, and where it comes from. */
interface Feed<T> {
  take(): Taken<T>;
  changed(selections: readonly Selection[]): void;
  body(list: T[], skippedClient: number, skipped: number): ResponseBody;
}

/**
 * The clients that watch flows: while there are any, what came is fetched every 20 ms and sent to each that
 * wants it. A client that does not keep up gets less, and is told how much less; nobody waits for it.
 */
export class LiveStreams<T extends { netns: string; interface: string }> {
  /** Records that some client did not get. */
  skipped = 0;
  readonly #feed: Feed<T>;
  readonly #queueBytes: number;
  readonly #watchers = new Set<Watcher>();
  #timer: NodeJS.Timeout | null = null;

  constructor(feed: Feed<T>, queueBytes: number) {
    this.#feed = feed;
    this.#queueBytes = queueBytes;
  }

  /** Begins a stream. */
  add(connection: ControlConnection, id: number, selection: Selection): void {
    const key = `${selection.netns}\0${selection.interface}`;
    this.#watchers.add({
      connection,
      id,
      selection,
      selects: selectsOf(selection),
      key,
      skippedClient: 0,
      skipped: 0,
    });
    this.#changed();
  }

  has(connection: ControlConnection, id?: number): boolean {
    return this.#find(connection, id) !== undefined;
  }

  /** Ends a stream, or all of a connection. @returns false when there was none */
  remove(connection: ControlConnection, id?: number): boolean {
    const before = this.#watchers.size;
    for (let w = this.#find(connection, id); w !== undefined; w = this.#find(connection, id))
      this.#watchers.delete(w);
    if (this.#watchers.size === before) return false;
    this.#changed();
    return true;
  }

  close(): void {
    this.#watchers.clear();
    this.#changed();
  }

  #find(connection: ControlConnection, id?: number): Watcher | undefined {
    for (const watcher of this.#watchers)
      if (watcher.connection === connection && (id === undefined || watcher.id === id)) return watcher;
    return undefined;
  }

  #changed(): void {
    this.#feed.changed([...this.#watchers].map(({ selection }) => selection));
    if (this.#watchers.size > 0) this.#timer ??= setInterval(() => this.#turn(), TURN_MS);
    else if (this.#timer !== null) {
      clearInterval(this.#timer);
      this.#timer = null;
    }
  }

  #turn(): void {
    const { list, skipped } = this.#feed.take();
    this.skipped += skipped;
    for (const watcher of this.#watchers) watcher.skipped += skipped;
    for (let at = 0; at === 0 || at < list.length; at += MESSAGE_RECORDS)
      this.#send(list.slice(at, at + MESSAGE_RECORDS));
  }

  /** One encoding serves all who want the same and have lost nothing of it. */
  #send(list: T[]): void {
    const encoded = new Map<string, { count: number; octets: Uint8Array }>();
    for (const watcher of this.#watchers) {
      const { connection, skippedClient, skipped } = watcher;
      // What was left out is told as soon as there is room, also when nothing more comes.
      if (list.length === 0 && skippedClient === 0 && skipped === 0) continue;
      const key = `${watcher.key}\0${skippedClient}\0${skipped}`;
      let message = encoded.get(key);
      if (message === undefined) {
        const wanted = list.filter((record) => watcher.selects(record));
        const octets = encodeBody(this.#feed.body(wanted, skippedClient, skipped));
        message = { count: wanted.length, octets };
        encoded.set(key, message);
      }
      if (message.count === 0 && skippedClient === 0 && skipped === 0) continue;
      if (connection.queuedBytes + message.octets.length > this.#queueBytes) {
        watcher.skippedClient += message.count;
        this.skipped += message.count;
        continue;
      }
      connection.sendEncoded(watcher.id, false, message.octets);
      watcher.skippedClient = 0;
      watcher.skipped = 0;
    }
  }
}

/** Flow records as they are written. */
export function flowStreams(backend: ControlBackend, queueBytes: number): LiveStreams<LiveFlow> {
  return new LiveStreams<LiveFlow>(
    {
      take: () => backend.takeFlows(),
      changed: (selections) => backend.watchFlows(selections.length > 0),
      body: (flows, skippedClient, skipped) => ({ flows: { flows, skippedClient, skipped } }),
    },
    queueBytes,
  );
}
