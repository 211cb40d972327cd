import type { MessagePort } from 'node:worker_threads';
import type { RouteRequest } from '../../storage/messages.ts';
import type { RouteDecision } from '../../storage/route-decision.ts';
import type { Disagreement } from './audit.ts';
import type { RouteUpdate } from '../routes/update.ts';
import type { Compared } from '../routes/verify.ts';

/** workerData of the mirror thread. */
export interface MirrorThreadData {
  /** eventfd that wakes this thread after a message was posted to it. */
  wakeFd: number;
  /** Each takes RoutesMessage, gives RouteSample: the capture threads. */
  routes: MessagePort[];
  /** eventfds that wake them. */
  routesWakeFds: number[];
  /** Takes RouteRequest: the storage thread, for counts and the tables over time. Null: nobody wants them. */
  storage: MessagePort | null;
  /** False: the tables are not stored over time. */
  history: boolean;
  /** The parent gets the counts as well. Left out: it does not. */
  isWatched?: boolean;
}

/** Counts of a namespace, as storage takes them. */
export type RouteCountsRequest = Extract<RouteRequest, { type: 'routeAudit' | 'routeMirror' }>;

/** To the mirror thread. */
export type MirrorRequest =
  /** @param fds of openMirrorFds; owned by the thread from now on */
  | { type: 'add'; netns: string; netnsId: string; fds: number[] }
  /** The namespace is gone: close everything in it. */
  | { type: 'remove'; netnsId: string }
  /** The tables of a namespace, for who asks; answered by `listed` with the same number. */
  | { type: 'list'; request: number; netnsId: string }
  | { type: 'stop' };

/** From the mirror thread. */
export type MirrorReply =
  /** The first update is on its way to the capture threads, or there will be none for now (`reason`). */
  | { type: 'loaded'; netnsId: string; reason: string | null }
  | { type: 'failed'; netnsId: string; reason: string }
  /** A snapshot file in pieces, or why there is none. */
  | { type: 'listed'; netnsId: string; request: number; pieces: string[]; reason: string | null }
  /** The kernel answers otherwise than we decided: everything that it takes to ask again. Not each one, see RouteAudit. */
  | { type: 'disagreed'; netns: string; netnsId: string; disagreement: Disagreement }
  /** When asked for: what was counted of a namespace since the start. */
  | { type: 'counts'; netnsId: string; counts: RouteCountsRequest }
  /** No more of a namespace will come. */
  | { type: 'removed'; netnsId: string };

/** To the capture thread. */
export type RoutesMessage =
  | { type: 'routes'; netnsId: string; update: RouteUpdate }
  /** The namespace is gone; another may come that has its number. */
  | { type: 'remove-routes'; netnsId: string };

/** A question that a captured packet raised, and the answer of the tables in force, to be asked of the kernel too. */
export interface RouteSample {
  netnsId: string;
  version: 4 | 6;
  /** Network order. */
  dst: Uint8Array;
  src: Uint8Array;
  /** 0: the host itself sends. */
  iifIndex: number;
  tos: number;
  /** 0: left out, with the ports. */
  proto: number;
  sport: number;
  dport: number;
  /** Null: the kernel cannot be asked this. */
  decision: RouteDecision | null;
  /** For `agreesWithKernel`. */
  compared: Compared;
  others: RouteDecision[];
}
