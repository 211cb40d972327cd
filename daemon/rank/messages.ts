import type { FilterNode } from '../../storage/filter-ast.ts';
import type { KnownDecision } from '../../storage/route-decision.ts';
import type { SlabShared } from '../flow/slab.ts';

/** What the rows of a ranking are. */
export const RANK_VIEWS = ['flows', 'talkers', 'interfaces', 'routes'] as const;
export type RankView = (typeof RANK_VIEWS)[number];

/**
 * What rows can be ranked by: octets a second (`rate`), sent by the originator or the address (`sent`) and to it (`received`), over
 * the long window (`window`), packets a second (`pps`), totals of living flows (`bytes`, `packets`), when a flow began (`start`),
 * how many flows a group has (`flows`).
 */
export const RANK_SORTS = [
  'rate',
  'sent',
  'received',
  'window',
  'pps',
  'bytes',
  'packets',
  'start',
  'flows',
] as const;
export type RankSort = (typeof RANK_SORTS)[number];

/** What is to be ranked, and how. */
export interface RankQuestion {
  view: RankView;
  /** null: all flows. */
  filter: FilterNode | null;
  sort: RankSort;
  /** The smallest first. */
  isAscending: boolean;
  /** Rows, at most. */
  limit: number;
  /** Ticks, of a second each, between two answers, and that rates are of. */
  ticks: number;
}

/** Octets a second and packets a second; `window` over the last ten seconds. */
export interface Rates {
  bytesFwdPerS: number;
  bytesRevPerS: number;
  bytesPerSWindow: number;
  packetsPerS: number;
}

/** A living flow, its counters as FlowBatch has them. */
export interface RankedFlow extends Rates {
  seq: number;
  captureIndex: number;
  ipVersion: number;
  proto: number;
  /** In hexadecimal. */
  src: string;
  dst: string;
  srcMac: string | null;
  dstMac: string | null;
  hasPorts: boolean;
  vlans: number[];
  /** Code of TUNNEL_TYPES; `tunnelId` -1: none. */
  tunnelType: number;
  tunnelId: number;
  history: string;
  /** Decision numbers, see taggedDecision; -1: none. */
  routeFwd: number;
  routeRev: number;
  isRouteChanged: boolean;
  /** The rest, by the names of FlowColumns. */
  columns: Record<RankedColumn, number>;
}

/** Columns of FlowBatch that are told as they are. */
export const RANKED_COLUMNS = [
  'srcPort',
  'dstPort',
  'startSec',
  'startNsec',
  'endSec',
  'endNsec',
  'packetsFwd',
  'packetsRev',
  'bytesFwd',
  'bytesRev',
  'ipBytesFwd',
  'ipBytesRev',
  'payloadBytesFwd',
  'payloadBytesRev',
  'tcpFlagsFwd',
  'tcpFlagsRev',
  'connState',
  'rttNs',
  'retransmitsFwd',
  'retransmitsRev',
  'outOfOrderFwd',
  'outOfOrderRev',
  'zeroWindowsFwd',
  'zeroWindowsRev',
  'ttlMinFwd',
  'ttlMaxFwd',
  'ttlMinRev',
  'ttlMaxRev',
  'dscpFwd',
  'dscpRev',
] as const;
export type RankedColumn = (typeof RANKED_COLUMNS)[number];

/** Flows added up; which of the fields say what they have in common depends on the view. */
export interface RankedGroup {
  /** talkers, interfaces: the capture; routes: one of the captures of the namespace. */
  captureIndex: number;
  /** talkers: in hexadecimal; else ''. */
  address: string;
  /** routes: a number of the decision, see taggedDecision; else -1. */
  route: number;
  flows: number;
  bytes: number;
  packets: number;
  /** Octets a second: sent by the address and to it; else all in `sent`. */
  sentPerS: number;
  receivedPerS: number;
  bytesPerSWindow: number;
  packetsPerS: number;
}

/** What was found, at a moment. */
export interface RankAnswer {
  /** Time that rates are of, and the long window; 0: nothing is known of rates yet. */
  intervalMs: number;
  windowMs: number;
  /** Living flows that match, and what they sent in all a second. */
  matched: number;
  bytesPerS: number;
  packetsPerS: number;
  /** Rows there are. */
  rows: number;
  flows: RankedFlow[];
  groups: RankedGroup[];
  /** CPU of the ranking thread so far, in nanoseconds. */
  cpuNs: number;
}

/** Of a capture, what rankings tell apart. */
export interface RankPlace {
  captureIndex: number;
  netns: string | null;
  netnsId: string | null;
  interface: string | null;
}

/** workerData of the ranking thread. */
export interface RankThreadData {
  /** Flow tables, one of each capture thread. */
  slabs: SlabShared[];
  places: RankPlace[];
}

/** To the ranking thread. */
export type RankRequest =
  | { type: 'watch'; watch: number; question: RankQuestion }
  | { type: 'unwatch'; watch: number }
  | { type: 'place'; place: RankPlace }
  /** Of what `need` asked for, what is known: the rest may be known later. */
  | { type: 'decisions'; decisions: KnownDecision[] }
  | { type: 'close' };

/** From the ranking thread. */
export type RankReply =
  | { type: 'ranked'; watch: number; answer: RankAnswer }
  /** Decisions that a filter asks for, or that may be the same one for several threads. */
  | { type: 'need'; numbers: number[] };
