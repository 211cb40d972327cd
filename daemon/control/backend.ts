import type { Experiment, ExperimentChange } from '../../storage/experiments.ts';
import type { FilterNode } from '../../storage/filter-ast.ts';
import type { RouteDecision } from '../../storage/route-decision.ts';
import type { RankQuestion } from '../rank/messages.ts';
import type { ControlError } from './errors.ts';
import type {
  LiveFlow,
  LiveInterface,
  LiveNetns,
  LivePacket,
  LiveRanking,
  LiveStatus,
  Selection,
} from './messages.ts';

/** Live records that were taken, and how many had to be left out since the last time. */
export interface Taken<T> {
  list: T[];
  skipped: number;
}

/** Which packets somebody wants; checked. */
export interface PacketsWanted {
  selection: Selection;
  /** null: every packet. */
  filter: FilterNode | null;
  /** Octets of each, at most. */
  snapLen: number;
}

/** Packets for one client, who has them to itself. */
export interface PacketFeed {
  /**
   * Takes packets that are there, oldest first, and what their `routeIndex` points at; what is left stays.
   * @param packetsMax at most so many
   * @param octetsMax  and at most so many octets in a message, but for the first
   */
  take(packetsMax: number, octetsMax: number): { packets: LivePacket[]; routes: RouteDecision[] };
  /** What was counted since the last call: packets that were wanted, and those of them that found no room. */
  takeCounts(): { matched: number; skipped: number };
  /** Nothing more comes; answered when the counts are final, and what is there can still be taken. */
  end(): Promise<void>;
}

/** What the server counts itself. */
export type ServerCounts = Pick<
  LiveStatus,
  'clients' | 'maxClients' | 'refusedClients' | 'skippedPackets' | 'skippedFlows'
>;

/** What the daemon does for clients. Every promise rejects with ControlError when it cannot. */
export interface ControlBackend {
  readonly version: string;
  /** Of the supervisor. */
  readonly pid: number;
  status(counts: ServerCounts): Promise<LiveStatus>;
  netns(): Promise<LiveNetns[]>;
  /** @param netns '' for all */
  interfaces(netns: string): Promise<LiveInterface[]>;
  /** The mirrored tables of a namespace: a snapshot file in pieces. */
  routes(netns: string): Promise<string[]>;
  /** @returns interfaces of the selection that are captured then */
  changeCapture(isAdd: boolean, selection: Selection): Promise<number>;
  reload(): Promise<void>;
  /** Starts or stops an experiment, as of now. */
  changeExperiment(change: ExperimentChange): Promise<Experiment>;
  /** Has every flow written to the database as it is now. */
  checkpoint(): Promise<void>;
  /** Packets from now on; answered when they come. While nobody watches, it costs nothing. */
  openPackets(wanted: PacketsWanted): Promise<PacketFeed>;
  /** Whether flows are wanted; `takeFlows` gives none that were written before. */
  watchFlows(isOn: boolean): void;
  takeFlows(): Taken<LiveFlow>;
  /**
   * Ranks living flows at once and then every `ticks` seconds.
   * @param deliver takes each ranking; an error is the last
   * @returns ends it
   */
  rank(question: RankQuestion, deliver: (found: LiveRanking | ControlError) => void): () => void;
}
