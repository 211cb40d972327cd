import { connect, type Socket } from 'node:net';
import { decodeResponse, encodeRequest } from './codec.ts';
import type { Experiment, ExperimentChange } from '../../storage/experiments.ts';
import type { FilterNode } from '../../storage/filter-ast.ts';
import { encodeFilter } from '../../storage/filter-json.ts';
import { DECISION_KEYS, type RouteDecision } from '../../storage/route-decision.ts';
import { type ControlCode, ControlError } from './errors.ts';
import { experimentOf } from './experiments.ts';
import { FrameReader, frameOf, REQUEST_MAX, RESPONSE_MAX } from './framing.ts';
import {
  CONTROL_VERSION,
  type ControlResponse,
  type FlowsMessage,
  type LiveInterface,
  type LiveNetns,
  type LiveRanking,
  type LiveStatus,
  type PacketsMessage,
  type RankBody,
  type RequestBodies,
  type RequestKind,
  type Selection,
  type Welcome,
} from './messages.ts';

/** An engine that is being started anew takes no client for a moment: the supervisor holds the socket meanwhile. */
const HELLO_MS = 15_000;
/** The daemon gives up before that, and says so. */
const ANSWER_MS = 30_000;
/** Messages of a stream that wait for whoever reads it; beyond, the socket is not read, and the daemon drops and counts. */
const STREAM_MESSAGES = 64;

interface Pending {
  readonly kind: RequestKind;
  readonly received: ControlResponse[];
  readonly isStream: boolean;
  isEnded: boolean;
  /** Wakes who waits for the next message. */
  wake: () => void;
}

/** Which packets a client wants. */
export interface PacketsAsked extends Partial<Selection> {
  /** null or left out: every packet. */
  filter?: FilterNode | null;
  /** Octets of each, at most; left out: 256. */
  snapLength?: number;
}

/**
 * A connection to the daemon's control socket. Requests may be made while others are under way; the daemon answers them one
 * after the other. Everything rejects with ControlError.
 */
export class ControlClient {
  readonly path: string;
  readonly #socket: Socket;
  readonly #reader = new FrameReader(RESPONSE_MAX);
  readonly #pending = new Map<number, Pending>();
  #nextId = 1;
  #failure: ControlError | null = null;
  #welcome: Welcome | null = null;

  private constructor(path: string, socket: Socket) {
    this.path = path;
    this.#socket = socket;
    socket.on('data', (chunk) => this.#read(chunk));
    socket.on('error', (error) => this.#fail(connectionError(path, error)));
    socket.on('close', () =>
      this.#fail(new ControlError('CONTROL_CLOSED', `${path}: the daemon has closed the connection`)),
    );
  }

  /**
   * Connects and says hello.
   * @param path   of the socket
   * @param name   of the program, for the daemon's log
   * @throws ControlError: CONTROL_NO_DAEMON nobody listens there, CONTROL_DENIED no right to, CONTROL_VERSION another
   *         version, CONTROL_BUSY too many clients
   */
  static async connect(path: string, name: string): Promise<ControlClient> {
    const client = new ControlClient(path, connect(path));
    try {
      const answer = await client.#ask('hello', { version: CONTROL_VERSION, client: name }, HELLO_MS);
      client.#welcome = answer[0]?.welcome ?? null;
      return client;
    } catch (error) {
      client.close();
      throw error;
    }
  }

  /** What the daemon said of itself. */
  get welcome(): Welcome {
    if (this.#welcome === null) throw new Error('control client: not greeted');
    return this.#welcome;
  }

  /** How the daemon does, now. */
  async status(): Promise<LiveStatus> {
    const parts = (await this.#ask('status', {})).flatMap(({ status }) => status ?? []);
    return { ...parts[0]!, captures: parts.flatMap(({ captures }) => captures) };
  }

  /** Namespaces that the daemon knows. */
  async netns(): Promise<LiveNetns[]> {
    return (await this.#ask('netns', {})).flatMap(({ netns }) => netns?.netns ?? []);
  }

  /** Interfaces, and why they are not captured. @param netns only of this namespace */
  async interfaces(netns = ''): Promise<LiveInterface[]> {
    const answer = await this.#ask('interfaces', { netns });
    return answer.flatMap(({ interfaces }) => interfaces?.interfaces ?? []);
  }

  /** The tables of a namespace as the daemon mirrors them: the text of a snapshot file, in pieces. */
  async routes(netns: string): Promise<string[]> {
    return (await this.#ask('routes', { netns })).flatMap(({ routes }) => routes?.snapshot ?? []);
  }

  /** Captures more, now and when it comes. @returns interfaces of the selection that are captured now */
  async addCapture(selection: Selection): Promise<number> {
    return (await this.#ask('addCapture', selection))[0]?.capture?.captured ?? 0;
  }

  /** Captures less. @returns as `addCapture` */
  async removeCapture(selection: Selection): Promise<number> {
    return (await this.#ask('removeCapture', selection))[0]?.capture?.captured ?? 0;
  }

  /** Has the daemon read its configuration again. */
  async reload(): Promise<void> {
    await this.#ask('reload', {});
  }

  /** Starts or stops an experiment, as of now. CONTROL_REFUSED: it is running; CONTROL_NOT_FOUND: none is. */
  async changeExperiment(change: ExperimentChange): Promise<Experiment> {
    const { name } = change;
    const [answer] =
      change.type === 'start'
        ? await this.#ask('experimentStart', { name: change.name, netns: change.netns ?? '' })
        : await this.#ask('experimentStop', { name: name ?? '', experimentId: change.id ?? 0 });
    return experimentOf(answer!.experiment!);
  }

  /** Has the daemon write every flow as it is now. Answered when they are in the database. */
  async checkpoint(): Promise<void> {
    await this.#ask('checkpoint', {});
  }

  /**
   * Packets as they are captured, until the caller leaves the loop. Who reads slowly gets less, and is told how much less.
   * One such stream a connection. Once `signal` is aborted the daemon ends the stream: what it has already copied still comes,
   * and the last message has the last counts. Who leaves the loop gets neither.
   * @param begun called when the daemon has begun: packets from then on come
   */
  async *packets(
    asked: PacketsAsked = {},
    begun?: () => void,
    signal?: AbortSignal,
  ): AsyncGenerator<PacketsMessage, void> {
    const { netns = '', interface: name = '', filter = null, snapLength = 0 } = asked;
    if ((filter !== null || snapLength !== 0) && this.welcome.revision < 1)
      throw new ControlError(
        'CONTROL_VERSION',
        `packets ${this.path}: the daemon (nstap ${this.welcome.nstap}) is older and knows no filters and no snap length; restart it`,
      );
    const body = {
      netns,
      interface: name,
      filter: filter === null ? '' : encodeFilter(filter),
      snapLength,
    };
    for await (const { packets } of this.#stream('packets', body, begun, signal))
      if (packets) yield { ...packets, routes: packets.routes.map(wholeDecision) };
  }

  /** Flow records as they are written, as `packets`. */
  async *flows(selection: Selection = { netns: '', interface: '' }): AsyncGenerator<FlowsMessage, void> {
    for await (const { flows } of this.#stream('flows', selection)) if (flows) yield flows;
  }

  /**
   * Living flows, or what they add up to, the first ones first: at once and then every interval, until the caller leaves the
   * loop or `signal` is aborted. One such stream a connection.
   */
  async *rankings(body: RankBody, signal?: AbortSignal): AsyncGenerator<LiveRanking, void> {
    for await (const { ranking } of this.#stream('rank', body, undefined, signal)) {
      if (ranking) yield { ...ranking, routes: ranking.routes.map(wholeDecision) };
    }
  }

  /** Ends the connection, and with it every stream. Idempotent. */
  close(): void {
    this.#fail(new ControlError('CONTROL_CLOSED', `${this.path}: the connection was closed`));
    this.#socket.destroy();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #send<K extends RequestKind>(kind: K, body: RequestBodies[K], isStream: boolean): [number, Pending] {
    if (this.#failure !== null) throw this.#failure;
    const id = this.#nextId++;
    const pending: Pending = { kind, received: [], isStream, isEnded: false, wake: () => {} };
    this.#pending.set(id, pending);
    this.#socket.write(frameOf([encodeRequest(id, kind, body)], REQUEST_MAX));
    return [id, pending];
  }

  /** All parts of an answer. */
  async #ask<K extends RequestKind>(
    kind: K,
    body: RequestBodies[K],
    limitMs = ANSWER_MS,
  ): Promise<ControlResponse[]> {
    const [id, pending] = this.#send(kind, body, false);
    const timer = setTimeout(() => {
      const seconds = limitMs / 1000;
      this.#fail(
        new ControlError(
          'CONTROL_TIMEOUT',
          `${kind} ${this.path}: no answer within ${seconds} s; is it nstap?`,
        ),
      );
      this.#socket.destroy();
    }, limitMs);
    try {
      while (!pending.isEnded) await this.#more(pending);
      return pending.received;
    } finally {
      clearTimeout(timer);
      this.#pending.delete(id);
    }
  }

  async *#stream<K extends 'packets' | 'flows' | 'rank'>(
    kind: K,
    body: RequestBodies[K],
    begun?: () => void,
    signal?: AbortSignal,
  ): AsyncGenerator<ControlResponse, void> {
    const [id, pending] = this.#send(kind, body, true);
    let cancelled: Promise<unknown> | null = null;
    const cancel = (): void => {
      if (this.#failure !== null || pending.isEnded || cancelled !== null) return;
      cancelled = this.#ask('cancel', { id }).finally(() => {
        pending.isEnded = true;
        pending.wake();
      });
      // Told by the loop, which fails as well.
      cancelled.catch(() => {});
    };
    signal?.addEventListener('abort', cancel);
    if (signal?.aborted) cancel();
    let isBegun = false;
    try {
      while (!pending.isEnded || pending.received.length > 0) {
        const next = pending.received.shift();
        if (next === undefined) await this.#more(pending);
        else {
          this.#flow();
          if (!isBegun) begun?.();
          isBegun = true;
          yield next;
        }
      }
    } finally {
      signal?.removeEventListener('abort', cancel);
      this.#pending.delete(id);
      this.#flow();
      cancel();
      await cancelled;
    }
  }

  /** Waits for something to come for a request. @throws ControlError when it failed, or the connection */
  async #more(pending: Pending): Promise<void> {
    if (this.#failure !== null) throw this.#failure;
    await new Promise<void>((resolve) => {
      pending.wake = resolve;
    });
    if (pending.received.length === 0 && this.#failure !== null) throw this.#failure;
    const error = pending.received.at(-1)?.error;
    if (error)
      throw new ControlError(error.code as ControlCode, `${pending.kind} ${this.path}: ${error.message}`);
  }

  #read(chunk: Uint8Array): void {
    try {
      this.#reader.push(chunk);
      for (let frame = this.#reader.next(); frame !== null; frame = this.#reader.next())
        this.#take(decodeResponse(frame));
      this.#flow();
    } catch (error) {
      this.#fail(error as ControlError);
      this.#socket.destroy();
    }
  }

  #take(response: ControlResponse): void {
    const { id, end, error } = response;
    if (id === 0 && error)
      throw new ControlError(error.code as ControlCode, `${this.path}: ${error.message}`);
    const pending = this.#pending.get(id);
    // Of a stream that was cancelled meanwhile.
    if (pending === undefined) return;
    pending.received.push(response);
    pending.isEnded = end;
    pending.wake();
  }

  /** Reads the socket only while somebody keeps up with what came. */
  #flow(): void {
    const isFull = [...this.#pending.values()].some(
      ({ isStream, received }) => isStream && received.length >= STREAM_MESSAGES,
    );
    if (isFull) this.#socket.pause();
    else this.#socket.resume();
  }

  #fail(failure: ControlError): void {
    if (this.#failure !== null) return;
    this.#failure = failure;
    for (const { wake } of this.#pending.values()) wake();
  }
}

/** What does not apply is not sent: it is null again. */
function wholeDecision(sent: RouteDecision): RouteDecision {
  const partial: Partial<RouteDecision> = sent;
  const keys = DECISION_KEYS.map((key) => [key, partial[key] ?? null] as const);
  return Object.fromEntries(keys) as unknown as RouteDecision;
}

function connectionError(path: string, error: NodeJS.ErrnoException): ControlError {
  const told = (code: ControlCode, text: string): ControlError =>
    new ControlError(code, `connect ${path}: ${error.code}, ${text}`, { cause: error });
  switch (error.code) {
    case 'ENOENT':
    case 'ECONNREFUSED':
      return told('CONTROL_NO_DAEMON', 'nobody listens there; is the daemon running (`nstap daemon`)?');
    case 'EACCES':
    case 'EPERM':
      return told(
        'CONTROL_DENIED',
        'only root and members of the group nstap may; use sudo, or join the group',
      );
    case 'EAGAIN':
      return told('CONTROL_BUSY', 'too many clients wait there; try again later');
    default:
      return told('CONTROL_CLOSED', error.message);
  }
}
