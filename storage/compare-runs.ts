import type { FlowDatabase } from './database.ts';
import { type FlowRow, runFlows } from './query.ts';
import type { RouteDecision } from './route-decision.ts';

/** A run in a database that is open for reading. */
export interface Run {
  db: FlowDatabase;
  runId: number;
}

/** One flow as two runs over the same packets decided it. */
export interface FlowPair {
  before: FlowRow;
  after: FlowRow;
  /** Which directions' packets go another way. */
  fwd: boolean;
  rev: boolean;
}

/** Two runs that should have seen the same packets did not. */
export class RunsDifferError extends Error {
  readonly code = 'RUNS_DIFFER';

  constructor(reason: string) {
    super(`the two readings differ (${reason}): were the files written to meanwhile? Nothing is compared`);
    this.name = 'RunsDifferError';
  }
}

/**
 * What makes two decisions different ways. Not the reason, confidence and text, which tell what a snapshot knows, nor scope,
 * protocol, metric and source of the route, which a packet does not see.
 */
export const WAY_KEYS = [
  'type',
  'verdict',
  'rule',
  'table',
  'prefix',
  'gateway',
  'dev',
] as const satisfies (keyof RouteDecision)[];

/** What makes a flow the same flow in both runs. */
const SAME_KEYS = [
  'netns',
  'interface',
  'startNs',
  'endNs',
  'ipVersion',
  'proto',
  'srcPort',
  'dstPort',
  'vlanOuter',
  'vlanInner',
  'tunnelType',
  'tunnelId',
  'packetsFwd',
  'packetsRev',
] as const satisfies (keyof FlowRow)[];

/**
 * The flows of two runs over the same packets, in pairs.
 * @throws RunsDifferError when a flow of one has no partner in the other; StorageError
 */
export function* pairRuns(before: Run, after: Run): IterableIterator<FlowPair> {
  const others = runFlows(after.db, after.runId);
  try {
    for (const row of runFlows(before.db, before.runId)) {
      const other = others.next().value as FlowRow | undefined;
      if (other === undefined || !isSameFlow(row, other))
        throw new RunsDifferError(`flow ${row.flowId} is in one of them only`);
      yield {
        before: row,
        after: other,
        fwd: isOtherWay(row.routeFwd, other.routeFwd),
        rev: isOtherWay(row.routeRev, other.routeRev),
      };
    }
    if (!others.next().done) throw new RunsDifferError('the second one has more flows');
  } finally {
    others.return?.();
  }
}

function isSameFlow(a: FlowRow, b: FlowRow): boolean {
  return SAME_KEYS.every((key) => a[key] === b[key]) && a.src.equals(b.src) && a.dst.equals(b.dst);
}

function isOtherWay(a: RouteDecision | null, b: RouteDecision | null): boolean {
  if (a === null || b === null) return a !== b;
  return WAY_KEYS.some((key) => a[key] !== b[key]);
}
