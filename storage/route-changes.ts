import type { FlowDatabase } from './database.ts';
import type { RouteDecision } from './route-decision.ts';
import { toNs } from './time.ts';

/** A decision that packets of one direction of a flow had, and from when. */
export interface RouteChange {
  /** fwd: packets of the originator. */
  direction: 'fwd' | 'rev';
  /** Nanoseconds since the epoch: of the direction's first decision the start of the flow. */
  sinceNs: bigint;
  decision: RouteDecision;
}

type Row = [isRev: number, sec: number | null, nsec: number | null, decisionId: number];

/**
 * Makes the reader of one flow's decisions over time. It is to be asked only for flows that have changes, see the columns
 * `route_orig_side` and `start_ns` of `flows`.
 * @param decisions decision by its database id
 * @returns in the order of time. Without a direction's first decision, or empty, when changes were shed
 */
export function routeChangeReader(
  db: FlowDatabase,
  decisions: (id: number) => RouteDecision,
): (flowId: number, origSide: number, startNs: bigint) => RouteChange[] {
  // The first decision has no time, and NULL sorts first. Within a direction, seq has the order of equal times.
  const statement = db
    .prepare<[number, number], Row>(
      `SELECT side <> ?, since_ns / 1000000000, since_ns % 1000000000, decision_id FROM route_changes WHERE flow_id = ?
       ORDER BY since_ns, 1, seq`,
    )
    .raw();
  return (flowId, origSide, startNs) =>
    statement.all(origSide, flowId).map(([isRev, sec, nsec, decisionId]) => ({
      direction: isRev === 1 ? 'rev' : 'fwd',
      sinceNs: sec === null ? startNs : toNs(sec, nsec!),
      decision: decisions(decisionId),
    }));
}
