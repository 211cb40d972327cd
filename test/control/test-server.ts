import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ControlBackend, PacketFeed, PacketsWanted, Taken } from '../../daemon/control/backend.ts';
import { decodeResponse, encodeRequest } from '../../daemon/control/codec.ts';
import type { RankQuestion } from '../../daemon/rank/messages.ts';
import { ControlError } from '../../daemon/control/errors.ts';
import { FrameReader, frameOf, REQUEST_MAX, RESPONSE_MAX } from '../../daemon/control/framing.ts';
import { CONTROL_LIMITS, type ControlLimits } from '../../daemon/control/limits.ts';
import type {
  ControlResponse,
  LiveCapture,
  LiveFlow,
  LiveInterface,
  LivePacket,
  LiveRanking,
  LiveStatus,
  RequestBodies,
  PacketsRequest,
  RequestKind,
  Selection,
} from '../../daemon/control/messages.ts';
import { ControlServer } from '../../daemon/control/server.ts';
import { bindUnix, listenUnix } from '../../daemon/kernel/unix-listener.ts';
import type { Experiment, ExperimentChange } from '../../storage/experiments.ts';
import type { RouteDecision } from '../../storage/route-decision.ts';
import { until } from '../kernel/lab.ts';

/** A packet of `octets` octets. */
export function livePacket(octets: number, netns = 'a', name = 'v0'): LivePacket {
  return {
    timeS: 1,
    timeNs: 2,
    netns,
    interface: name,
    linkType: 1,
    packetType: 0,
    wireLength: octets,
    capturedLength: octets,
    octets: new Uint8Array(octets).fill(7),
    vlanTci: 0,
    vlanTpid: 0,
    route: '',
    verdict: '',
    routeIndex: 0,
  };
}

/** A ranking that is watched. */
export interface RankedBy {
  question: RankQuestion;
  deliver: (found: LiveRanking | ControlError) => void;
}

/** A request for packets that leaves nothing out. */
export const ANY_PACKETS: PacketsRequest = { netns: '', interface: '', filter: '', snapLength: 0 };

/** Packets that wait for one client of a TestBackend, at most; beyond, they are skipped. */
export const FEED_MAX = 1000;

/** What the capture thread would hold for one client. */
export class TestFeed implements PacketFeed {
  readonly wanted: PacketsWanted;
  readonly waiting: LivePacket[] = [];
  readonly routes: RouteDecision[] = [];
  isEnded = false;
  #matched = 0;
  #skipped = 0;
  readonly #ended: () => void;

  constructor(wanted: PacketsWanted, ended: () => void) {
    this.wanted = wanted;
    this.#ended = ended;
  }

  give(list: readonly LivePacket[], skipped = 0): void {
    const room = Math.min(list.length, FEED_MAX - this.waiting.length);
    this.waiting.push(...list.slice(0, room));
    this.#matched += list.length + skipped;
    this.#skipped += list.length - room + skipped;
  }

  take(packetsMax: number, octetsMax: number): { packets: LivePacket[]; routes: RouteDecision[] } {
    let octets = 0;
    let count = 0;
    for (; count < Math.min(packetsMax, this.waiting.length); count++) {
      octets += this.waiting[count]!.octets.length + 4800;
      if (octets > octetsMax && count > 0) break;
    }
    return { packets: this.waiting.splice(0, count), routes: count === 0 ? [] : this.routes };
  }

  takeCounts(): { matched: number; skipped: number } {
    const counts = { matched: this.#matched, skipped: this.#skipped };
    this.#matched = this.#skipped = 0;
    return counts;
  }

  end(): Promise<void> {
    this.isEnded = true;
    this.#ended();
    return Promise.resolve();
  }
}

/** The daemon behind a server, as the test wants it. */
export class TestBackend implements ControlBackend {
  readonly version = '9.9.9';
  readonly pid = 4711;
  flows: Taken<LiveFlow> = { list: [], skipped: 0 };
  /** Of the clients that watch packets. */
  feeds: TestFeed[] = [];
  /** Why packets cannot be watched. */
  refusal: ControlError | null = null;
  watchesFlows = false;
  rows: LiveInterface[] = [];
  changes: [boolean, Selection][] = [];
  experiments: ExperimentChange[] = [];
  checkpoints = 0;
  readonly ranked = new Set<RankedBy>();

  /** Of `status`; null: it fails. */
  captures: Partial<LiveCapture>[] | null = null;

  status(): Promise<LiveStatus> {
    if (this.captures === null) return Promise.reject(new Error('told to fail'));
    return Promise.resolve({ captures: this.captures } as LiveStatus);
  }
  netns(): Promise<never[]> {
    return Promise.resolve([]);
  }
  interfaces(): Promise<LiveInterface[]> {
    return Promise.resolve(this.rows);
  }
  routes(): Promise<string[]> {
    return Promise.resolve(['x'.repeat(600_000), 'end']);
  }
  changeCapture(isAdd: boolean, selection: Selection): Promise<number> {
    this.changes.push([isAdd, { ...selection }]);
    return Promise.resolve(this.changes.length);
  }
  reload(): Promise<void> {
    return Promise.resolve();
  }
  changeExperiment(change: ExperimentChange): Promise<Experiment> {
    this.experiments.push(change);
    if (change.type === 'stop' && change.id === null && change.name === null)
      return Promise.reject(new ControlError('CONTROL_NOT_FOUND', 'none is running'));
    return Promise.resolve({
      id: 3,
      name: change.name ?? '',
      number: 2,
      netns: change.type === 'start' ? change.netns : null,
      startedNs: 1_700_000_000_123_000_000n,
      endedNs: change.type === 'start' ? null : 1_700_000_001_999_999_999n,
    });
  }
  checkpoint(): Promise<void> {
    this.checkpoints++;
    return Promise.resolve();
  }
  openPackets(wanted: PacketsWanted): Promise<PacketFeed> {
    if (this.refusal !== null) return Promise.reject(this.refusal);
    const feed = new TestFeed(wanted, () => {
      this.feeds = this.feeds.filter((each) => each !== feed);
    });
    this.feeds.push(feed);
    return Promise.resolve(feed);
  }
  watchFlows(isOn: boolean): void {
    this.watchesFlows = isOn;
  }
  rank(question: RankQuestion, deliver: (found: LiveRanking | ControlError) => void): () => void {
    const ranked = { question, deliver };
    this.ranked.add(ranked);
    return () => this.ranked.delete(ranked);
  }
  takeFlows(): Taken<LiveFlow> {
    const taken = this.flows;
    this.flows = { list: [], skipped: 0 };
    return taken;
  }
}

/** A server in this process, on a socket of its own. */
export class TestServer implements Disposable {
  readonly backend = new TestBackend();
  readonly path: string;
  readonly reasons: string[] = [];
  readonly server: ControlServer;
  refused = 0;
  readonly #dir = mkdtempSync(join(tmpdir(), 'nsd-control-'));

  constructor(limits: Partial<ControlLimits> = {}) {
    this.path = join(this.#dir, 'control.sock');
    const fd = bindUnix(this.path);
    listenUnix(fd, this.path);
    this.server = new ControlServer(
      fd,
      this.backend,
      {
        opened: () => {},
        closed: (_client, reason) => this.reasons.push(reason),
        refused: () => this.refused++,
        failed: (error) => {
          throw error;
        },
      },
      { ...CONTROL_LIMITS, ...limits },
    );
  }

  [Symbol.dispose](): void {
    this.server.close();
    rmSync(this.#dir, { recursive: true, force: true });
  }
}

/** A client that sends whatever it likes. */
export class RawClient implements Disposable {
  readonly socket: Socket;
  readonly responses: ControlResponse[] = [];
  isClosed = false;
  readonly #reader = new FrameReader(RESPONSE_MAX);

  private constructor(path: string) {
    this.socket = connect(path);
    this.socket.on('error', () => {});
    this.socket.on('close', () => {
      this.isClosed = true;
    });
    this.socket.on('data', (chunk) => {
      this.#reader.push(chunk);
      for (let frame = this.#reader.next(); frame !== null; frame = this.#reader.next())
        this.responses.push(decodeResponse(frame));
    });
  }

  static async connect(path: string): Promise<RawClient> {
    const client = new RawClient(path);
    await once(client.socket, 'connect');
    return client;
  }

  /** Connects and says hello. */
  static async greeted(path: string): Promise<RawClient> {
    const client = await RawClient.connect(path);
    client.send(1, 'hello', { version: 1, client: 'raw' });
    await until('welcome', () => client.responses.length > 0);
    client.responses.length = 0;
    return client;
  }

  send<K extends RequestKind>(id: number, kind: K, body: RequestBodies[K]): void {
    this.socket.write(frameOf([encodeRequest(id, kind, body)], REQUEST_MAX));
  }

  /** Waits for the error that ends the connection. @returns its code */
  async refused(): Promise<string | undefined> {
    await until('the connection is closed', () => this.isClosed);
    return this.responses.find(({ id, error }) => id === 0 && error !== null)?.error?.code;
  }

  [Symbol.dispose](): void {
    this.socket.destroy();
  }
}
