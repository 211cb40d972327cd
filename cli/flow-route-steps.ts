import { bytesToWords } from '../daemon/routes/words.ts';
import { RouteEngine, RouteQuery } from '../daemon/routes/engine.ts';
import type { RouteStep } from '../daemon/routes/resolve.ts';
import { PacketType } from '../decoders/packet-fields.ts';
import type { FlowDatabase } from '../storage/database.ts';
import type { FlowCapture } from '../storage/flow-capture.ts';
import type { FlowRow } from '../storage/query.ts';
import type { RouteDecision } from '../storage/route-decision.ts';
import { tablesAt } from './past-snapshot.ts';

const ICMP_NUMBERS = [1, 58];

/** How a decision came about, as far as it can be told now. */
export interface RouteSteps {
  /** Rules tried, with the tables as they were; null where those are not known. */
  steps: RouteStep[] | null;
  /** Since when the tables were so, in nanoseconds since the epoch. */
  tablesSinceNs: bigint | null;
  /** Why there are no steps, or what they do not explain. */
  note: string | null;
}

/**
 * Decides again what was decided on a flow, with the tables that its namespace had then.
 * @param direction whose decision it is
 * @param atNs      when it was made
 * @throws StorageError, RouteUpdateError
 */
export function routeSteps(
  db: FlowDatabase,
  row: FlowRow,
  capture: FlowCapture,
  direction: 'fwd' | 'rev',
  decision: RouteDecision,
  atNs: bigint,
): RouteSteps {
  const without = (note: string): RouteSteps => ({ steps: null, tablesSinceNs: null, note });
  if (row.tunnelType !== null) return without('it is inside a tunnel: the flow around it is what was routed');
  if (capture.runKind === 'replay')
    return without(
      'only the decision is stored: a replay keeps no tables; `nstap route get` with the same --routes or --snapshot shows the rules',
    );
  if (row.netns === null) return without('only the decision is stored');
  const tables = tablesAt(db, row.netns, atNs);
  if (tables === null)
    return without(
      'only the decision is stored: the tables of that time are not known (see docs/route-history.md)',
    );
  if (capture.netnsId !== null && capture.netnsId !== tables.netnsId)
    return without(
      `only the decision is stored: the tables that are known of ${row.netns} are of another namespace of that name`,
    );
  const engine = new RouteEngine(tables.snapshot);
  let nearest: { decision: RouteDecision; steps: RouteStep[] } | null = null;
  for (const pktType of packetTypes(decision)) {
    const explained = engine.explain(questionOf(row, capture, direction, pktType));
    if (isSame(explained.decision, decision))
      return { steps: explained.steps, tablesSinceNs: tables.sinceNs, note: null };
    if (nearest === null || explained.decision.stage === decision.stage) nearest = explained;
  }
  const { decision: other, steps } = nearest!;
  return {
    steps,
    tablesSinceNs: tables.sinceNs,
    note: `with the tables that are stored of that time the answer would be ${other.text ?? other.type}, which is not what was decided: they changed at about that time, or the packet had what a flow does not keep (a mark, another DSCP)`,
  };
}

/** How a packet may have been seen that led to a decision of this stage; the likeliest first. */
function packetTypes({ stage, type }: RouteDecision): number[] {
  const group =
    type === 'multicast' ? PacketType.Multicast : type === 'broadcast' ? PacketType.Broadcast : null;
  const likely =
    stage === 'input' ? [PacketType.Host, PacketType.Outgoing] : [PacketType.Outgoing, PacketType.Host];
  const all = [...likely, PacketType.Multicast, PacketType.Broadcast, PacketType.OtherHost];
  return group === null ? all : [group, ...all.filter((each) => each !== group)];
}

function questionOf(
  row: FlowRow,
  capture: FlowCapture,
  direction: 'fwd' | 'rev',
  pktType: number,
): RouteQuery {
  const isFwd = direction === 'fwd';
  const q = new RouteQuery();
  q.version = row.ipVersion;
  bytesToWords(isFwd ? row.src : row.dst, q.src);
  bytesToWords(isFwd ? row.dst : row.src, q.dst);
  q.pktType = pktType;
  q.ifIndex = capture.ifIndex ?? 0;
  q.proto = row.proto;
  const hasPorts = row.srcPort !== null && !ICMP_NUMBERS.includes(row.proto);
  q.sport = hasPorts ? (isFwd ? row.srcPort : row.dstPort)! : 0;
  q.dport = hasPorts ? (isFwd ? row.dstPort : row.srcPort)! : 0;
  q.l4Known = row.srcPort !== null;
  // DSCP is the upper six bits; what ECN said is not kept, and no rule looks at it.
  q.tos = ((isFwd ? row.dscpFwd : row.dscpRev) ?? 0) << 2;
  return q;
}

const COMPARED = ['type', 'verdict', 'rule', 'table', 'prefix', 'gateway', 'dev', 'stage'] as const;

function isSame(a: RouteDecision, b: RouteDecision): boolean {
  return COMPARED.every((key) => a[key] === b[key]);
}
