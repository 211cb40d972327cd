/** Where in the kernel's path the decision falls. */
export type RouteStage = 'output' | 'forward' | 'input';
/** What happens to the packet. */
export type RouteVerdict = 'deliver' | 'forward' | 'send' | 'drop';
export type RouteObserved = 'agrees' | 'differs' | 'n/a';
export type RouteConfidence = 'exact' | 'assumed';

/** RTN_* of linux/rtnetlink.h in lower case, and what nstap adds. */
export type RouteType =
  | 'unicast'
  | 'local'
  | 'broadcast'
  | 'anycast'
  | 'multicast'
  | 'blackhole'
  | 'unreachable'
  | 'prohibit'
  | 'throw'
  | 'nat'
  | 'no_route'
  | 'martian'
  | 'not_routed'
  | 'unknown';

/**
 * The route decision of one packet, to the letter of the JSON contract: keys that do not apply are null.
 * The storage layer keeps one record per distinct answer; flows point at it, one per direction.
 */
export interface RouteDecision {
  type: RouteType;
  verdict: RouteVerdict | null;
  /** Preference of the matching rule. */
  rule: number | null;
  /** As `ip` prints it: "main", "local", "default", else the number as a string. */
  table: string | null;
  /** Always with its length: "0.0.0.0/0". */
  prefix: string | null;
  gateway: string | null;
  dev: string | null;
  scope: string | null;
  protocol: string | null;
  metric: number | null;
  prefsrc: string | null;
  stage: RouteStage | null;
  observed: RouteObserved;
  confidence: RouteConfidence;
  /** One sentence when verdict is drop, confidence is assumed, or the type is unknown; else null. */
  reason: string | null;
  /** One line as `ip route` prints it. */
  text: string | null;
}

/** A decision with its number within a capture thread. */
export type KnownDecision = readonly [number: number, decision: RouteDecision];

/** Compared with the interface by the compiler: none missing, none too many. */
const KEYS: Record<keyof RouteDecision, true> = {
  type: true,
  verdict: true,
  rule: true,
  table: true,
  prefix: true,
  gateway: true,
  dev: true,
  scope: true,
  protocol: true,
  metric: true,
  prefsrc: true,
  stage: true,
  observed: true,
  confidence: true,
  reason: true,
  text: true,
};

/** The keys of a decision, in the order of the JSON contract. */
export const DECISION_KEYS = Object.keys(KEYS) as (keyof RouteDecision)[];

/** What reads rows of `route_decisions` as decisions; a condition may follow. */
export const DECISION_SQL = `SELECT ${DECISION_KEYS.map((key) => (key === 'table' ? 'table_name AS "table"' : key)).join(', ')} FROM route_decisions`;
