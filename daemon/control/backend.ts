import type { Experiment, ExperimentChange } from '../../storage/experiments.ts';
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
  /** Which packets are wanted from now on; empty: none, and taking them costs nothing. */
  watchPackets(selections: readonly Selection[]): void;
  /** The packets that came since the last call, oldest first. */
  takePackets(): Taken<LivePacket>;
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
