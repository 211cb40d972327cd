import type { RankQuestion } from '../rank/messages.ts';
import type { ControlBackend } from './backend.ts';
import { encodeBody } from './codec.ts';
import type { ControlConnection } from './connection.ts';
import { ControlError, streamExists } from './errors.ts';
import { RESPONSE_MAX } from './framing.ts';
import type { ControlLimits } from './limits.ts';
import type { LiveRanking } from './messages.ts';

/** Octets of the rest of a response. */
const HEAD_ROOM = 64;

interface RankStream {
  connection: ControlConnection;
  id: number;
  end(): void;
}

/**
 * The clients that watch rankings. Each ranking stands for itself, so that a client that does not keep up misses some, and what
 * it reads next is up to date.
 */
export class RankStreams {
  readonly #backend: ControlBackend;
  readonly #limits: ControlLimits;
  readonly #streams = new Set<RankStream>();

  constructor(backend: ControlBackend, limits: ControlLimits) {
    this.#backend = backend;
    this.#limits = limits;
  }

  /** Begins a stream. @throws ControlError CONTROL_BUSY */
  add(connection: ControlConnection, id: number, question: RankQuestion): void {
    if (this.has(connection)) throw streamExists();
    if (this.#streams.size >= this.#limits.rankings)
      throw new ControlError(
        'CONTROL_BUSY',
        `${this.#limits.rankings} rankings are watched, and no more are made; try again later`,
      );
    const stream: RankStream = { connection, id, end: () => {} };
    this.#streams.add(stream);
    // Says that it has begun, before anything comes.
    connection.send(id, false, {});
    stream.end = this.#backend.rank(question, (found) => this.#deliver(stream, found));
  }

  has(connection: ControlConnection, id?: number): boolean {
    return this.#find(connection, id) !== undefined;
  }

  /** Ends a stream, or that of a connection. @returns false when there was none */
  remove(connection: ControlConnection, id?: number): boolean {
    const stream = this.#find(connection, id);
    if (stream === undefined) return false;
    this.#streams.delete(stream);
    stream.end();
    return true;
  }

  close(): void {
    for (const { end } of this.#streams) end();
    this.#streams.clear();
  }

  #find(connection: ControlConnection, id?: number): RankStream | undefined {
    for (const stream of this.#streams)
      if (stream.connection === connection && (id === undefined || stream.id === id)) return stream;
    return undefined;
  }

  #deliver(stream: RankStream, found: LiveRanking | ControlError): void {
    if (!this.#streams.has(stream)) return;
    const { connection, id } = stream;
    if (found instanceof ControlError) {
      this.#streams.delete(stream);
      connection.sendError(id, found);
      return;
    }
    const octets = encodeRanking(found);
    if (connection.queuedBytes + octets.length > this.#limits.queueBytes) return;
    connection.sendEncoded(id, false, octets);
  }
}

/** The longest part of it that fits into one message: long names and decisions may be too much for all rows. */
function encodeRanking(ranking: LiveRanking): Uint8Array {
  let { flows, groups, routes } = ranking;
  for (;;) {
    const octets = encodeBody({ ranking: { ...ranking, flows, groups, routes } });
    if (octets.length + HEAD_ROOM <= RESPONSE_MAX) return octets;
    // Without rows nothing points at a decision.
    if (flows.length + groups.length === 0) routes = [];
    flows = flows.slice(0, flows.length >> 1);
    groups = groups.slice(0, groups.length >> 1);
  }
}
