import { createServer, type Server, type Socket } from 'node:net';
import type { ControlBackend, ServerCounts } from './backend.ts';
import { encodeHead } from './codec.ts';
import { ControlConnection, endSoon } from './connection.ts';
import { ControlError, streamExists } from './errors.ts';
import { frameOf, RESPONSE_MAX } from './framing.ts';
import { CONTROL_LIMITS, type ControlLimits } from './limits.ts';
import {
  CONTROL_REVISION,
  CONTROL_VERSION,
  type ControlRequest,
  type LiveCapture,
  type LiveStatus,
  type ResponseBody,
  type Selection,
} from './messages.ts';
import { liveExperiment } from './experiments.ts';
import { rankQuestionOf } from './rank-question.ts';
import { RankStreams } from './rank-streams.ts';
import { checkSelection } from './selectors.ts';
import { PacketStreams } from './packet-streams.ts';
import { wantedPackets } from './packets-wanted.ts';
import { flowStreams } from './streams.ts';

const SWEEP_MS = 500;
/** Rows of a list in one message, at most: each is below 5,000 octets, also where a namespace is named by a long path. */
const MESSAGE_ROWS = 200;
/** Characters of a text in one message, at most: one takes three octets in UTF-8. */
const MESSAGE_TEXT = 256 * 1024;

/** What the server tells of itself, for the log. */
export interface ControlServerHooks {
  opened(clients: number): void;
  closed(client: string, reason: string): void;
  refused(): void;
  /** Clients could not be taken; it goes on. */
  failed(error: Error): void;
}

/**
 * Takes clients on a listening socket and answers them. Bounded in every way (see ControlLimits); whatever a client sends,
 * it can only lose its own connection.
 */
export class ControlServer {
  readonly #backend: ControlBackend;
  readonly #hooks: ControlServerHooks;
  readonly #limits: ControlLimits;
  readonly #server: Server;
  readonly #connections = new Set<ControlConnection>();
  readonly #packets: PacketStreams;
  readonly #flows: ReturnType<typeof flowStreams>;
  readonly #rankings: RankStreams;
  /** Runs while there are clients. */
  #sweep: NodeJS.Timeout | null = null;
  #refused = 0;

  /** @param fd a listening unix socket; owned by the server from now on */
  constructor(
    fd: number,
    backend: ControlBackend,
    hooks: ControlServerHooks,
    limits: ControlLimits = CONTROL_LIMITS,
  ) {
    this.#backend = backend;
    this.#hooks = hooks;
    this.#limits = limits;
    this.#packets = new PacketStreams(backend, limits.queueBytes);
    this.#flows = flowStreams(backend, limits.queueBytes);
    this.#rankings = new RankStreams(backend, limits);
    this.#server = createServer((socket) => this.#accept(socket));
    this.#server.on('error', (error) => this.#hooks.failed(error));
    this.#server.listen({ fd });
  }

  /** Clients that are connected. */
  get size(): number {
    return this.#connections.size;
  }

  /** Tells every client that the daemon ends, and takes no more. Idempotent. */
  close(): void {
    this.#endSweep();
    this.#server.close();
    for (const connection of [...this.#connections])
      connection.fail(new ControlError('CONTROL_STOPPING', 'the daemon is ending'));
    this.#packets.close();
    this.#flows.close();
    this.#rankings.close();
  }

  #accept(socket: Socket): void {
    if (this.#connections.size >= this.#limits.clients) {
      this.#refused++;
      this.#hooks.refused();
      const error = {
        code: 'CONTROL_BUSY',
        message: `${this.#limits.clients} clients are connected, and no more are taken; try again later`,
      };
      // A peer that is gone already.
      socket.on('error', () => {});
      socket.write(frameOf([encodeHead(0, true, error)], RESPONSE_MAX));
      endSoon(socket);
      return;
    }
    const connection = new ControlConnection(socket, this.#limits, {
      welcome: () => ({
        version: CONTROL_VERSION,
        nstap: this.#backend.version,
        pid: this.#backend.pid,
        enginePid: process.pid,
        revision: CONTROL_REVISION,
      }),
      request: (from, request) => this.#request(from, request),
      cancel: async (from, id) =>
        this.#flows.remove(from, id) ||
        this.#rankings.remove(from, id) ||
        (await this.#packets.cancel(from, id)),
      hasStream: (from, id) =>
        this.#packets.has(from, id) || this.#flows.has(from, id) || this.#rankings.has(from, id),
      closed: (from, reason) => this.#closed(from, reason),
    });
    this.#connections.add(connection);
    this.#sweep ??= setInterval(() => {
      const nowMs = performance.now();
      for (const each of [...this.#connections]) each.sweep(nowMs);
    }, SWEEP_MS).unref();
    this.#hooks.opened(this.#connections.size);
  }

  #closed(connection: ControlConnection, reason: string): void {
    this.#connections.delete(connection);
    if (this.#connections.size === 0) this.#endSweep();
    this.#packets.remove(connection);
    this.#flows.remove(connection);
    this.#rankings.remove(connection);
    this.#hooks.closed(connection.client, reason);
  }

  #endSweep(): void {
    if (this.#sweep !== null) clearInterval(this.#sweep);
    this.#sweep = null;
  }

  async #request(to: ControlConnection, request: ControlRequest): Promise<void> {
    const { id, kind, body } = request;
    switch (kind) {
      case 'status':
        await this.#status(to, id);
        break;
      case 'netns':
        await sendRows(to, id, await this.#backend.netns(), (netns) => ({ netns: { netns } }));
        break;
      case 'interfaces': {
        const rows = await this.#backend.interfaces(body.netns);
        await sendRows(to, id, rows, (interfaces) => ({ interfaces: { interfaces } }));
        break;
      }
      case 'routes':
        await this.#routes(to, id, body.netns);
        break;
      case 'addCapture':
      case 'removeCapture': {
        checkSelection(body);
        const captured = await this.#backend.changeCapture(kind === 'addCapture', body);
        to.send(id, true, { capture: { captured } });
        break;
      }
      case 'packets':
        await this.#packets.add(to, id, wantedPackets(body));
        break;
      case 'flows':
        this.#watchFlows(to, id, body);
        break;
      case 'rank':
        this.#rankings.add(to, id, rankQuestionOf(body));
        break;
      case 'reload':
        await this.#backend.reload();
        to.send(id, true, {});
        break;
      case 'experimentStart': {
        const { name, netns } = body;
        const change = { type: 'start', name, netns: netns === '' ? null : netns } as const;
        to.send(id, true, { experiment: liveExperiment(await this.#backend.changeExperiment(change)) });
        break;
      }
      case 'experimentStop': {
        const { name, experimentId } = body;
        const change = {
          type: 'stop',
          name: name === '' ? null : name,
          id: experimentId === 0 ? null : experimentId,
        } as const;
        to.send(id, true, { experiment: liveExperiment(await this.#backend.changeExperiment(change)) });
        break;
      }
      case 'checkpoint':
        await this.#backend.checkpoint();
        to.send(id, true, {});
        break;
      default:
        throw new ControlError('CONTROL_BAD_REQUEST', `${kind} cannot be asked for here`);
    }
  }

  async #status(to: ControlConnection, id: number): Promise<void> {
    const counts: ServerCounts = {
      clients: this.#connections.size,
      maxClients: this.#limits.clients,
      refusedClients: this.#refused,
      skippedPackets: this.#packets.skipped,
      skippedFlows: this.#flows.skipped,
    };
    const status = await this.#backend.status(counts);
    let head: LiveStatus = status;
    for (let at = 0; at === 0 || at < status.captures.length; at += MESSAGE_ROWS) {
      const captures: LiveCapture[] = status.captures.slice(at, at + MESSAGE_ROWS);
      to.send(id, at + MESSAGE_ROWS >= status.captures.length, { status: { ...head, captures } });
      // The rest of it stands in the first message.
      head = { captures } as unknown as LiveStatus;
      await to.drained();
    }
  }

  async #routes(to: ControlConnection, id: number, netns: string): Promise<void> {
    const pieces = await this.#backend.routes(netns);
    for (const [i, piece] of pieces.entries()) {
      for (let at = 0; at === 0 || at < piece.length; at += MESSAGE_TEXT) {
        const isLast = i === pieces.length - 1 && at + MESSAGE_TEXT >= piece.length;
        to.send(id, isLast, { routes: { snapshot: piece.slice(at, at + MESSAGE_TEXT) } });
      }
      await to.drained();
    }
  }

  #watchFlows(to: ControlConnection, id: number, selection: Selection): void {
    checkSelection(selection, true);
    if (this.#flows.has(to)) throw streamExists();
    this.#flows.add(to, id, selection);
    // Says that it has begun: nothing may come for a long time.
    to.send(id, false, {});
  }
}

/** A list in as many messages as it takes; an empty one in one. */
async function sendRows<T>(
  to: ControlConnection,
  id: number,
  rows: readonly T[],
  body: (rows: T[]) => ResponseBody,
): Promise<void> {
  for (let at = 0; at === 0 || at < rows.length; at += MESSAGE_ROWS) {
    to.send(id, at + MESSAGE_ROWS >= rows.length, body(rows.slice(at, at + MESSAGE_ROWS)));
    await to.drained();
  }
}
