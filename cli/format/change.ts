import type { FlowPair } from '../../storage/compare-runs.ts';
import { protocolName } from '../../storage/protocols.ts';
import type { RouteDecision } from '../../storage/route-decision.ts';
import type { Column } from './columns.ts';
import { formatCount } from './count.ts';
import { type FlowJson, flowJson } from './flow-json.ts';
import { flowText, routeText } from './flow-text.ts';

/** A flow that goes another way, in JSON: a flow with the decisions of both snapshots in place of one. */
export interface ChangeJson extends Omit<FlowJson, 'route_fwd' | 'route_rev'> {
  /** The directions that go another way. */
  differs: ('fwd' | 'rev')[];
  route_fwd_before: RouteDecision | null;
  route_fwd_after: RouteDecision | null;
  route_rev_before: RouteDecision | null;
  route_rev_after: RouteDecision | null;
}

/** The change as `replay --json --compare` prints it. */
export function changeJson({ before, after, fwd, rev }: FlowPair): ChangeJson {
  const { route_fwd, route_rev, ...flow } = flowJson(before);
  return {
    ...flow,
    differs: [...(fwd ? (['fwd'] as const) : []), ...(rev ? (['rev'] as const) : [])],
    route_fwd_before: route_fwd,
    route_fwd_after: after.routeFwd,
    route_rev_before: route_rev,
    route_rev_after: after.routeRev,
  };
}

/** A direction of a flow that goes another way: a line of the table. */
export interface ChangedDirection {
  pair: FlowPair;
  isForward: boolean;
}

/** The directions of a flow that go another way. */
export function changedDirections(pair: FlowPair): ChangedDirection[] {
  return [true, false].filter((way) => (way ? pair.fwd : pair.rev)).map((isForward) => ({ pair, isForward }));
}

/** Packets and frame octets of a direction. */
export function sizeOf({ pair: { before }, isForward }: ChangedDirection): {
  packets: number;
  bytes: number;
} {
  return isForward
    ? { packets: before.packetsFwd, bytes: before.bytesFwd }
    : { packets: before.packetsRev, bytes: before.bytesRev };
}

function decisions({ pair, isForward }: ChangedDirection): [RouteDecision | null, RouteDecision | null] {
  const { before, after } = pair;
  return isForward ? [before.routeFwd, after.routeFwd] : [before.routeRev, after.routeRev];
}

/** "forward -> drop", or "forward" when that stays. */
export function verdictChange(change: ChangedDirection): string {
  const [before, after] = decisions(change).map((route) => route?.verdict ?? route?.type ?? 'none');
  return before === after ? before! : `${before} -> ${after}`;
}

/** What differs between two ways that read the same otherwise. */
function wayText(route: RouteDecision | null, other: RouteDecision | null): string {
  const text = routeText(route);
  if (route === null || text !== routeText(other)) return text;
  return `${text} rule ${route.rule ?? '-'}`;
}

/** What a person wants to see of a change. */
export const CHANGE_COLUMNS: readonly Column<ChangedDirection>[] = [
  { title: 'PROTO', align: 'left', dropOrder: 5, text: ({ pair }) => protocolName(pair.before.proto) },
  { title: 'FLOW', align: 'left', dropOrder: 0, text: ({ pair }) => flowText(pair.before) },
  { title: 'DIR', align: 'left', dropOrder: 3, text: ({ isForward }) => (isForward ? 'fwd' : 'rev') },
  {
    title: 'PACKETS',
    align: 'right',
    dropOrder: 7,
    text: (change) => formatCount(sizeOf(change).packets),
  },
  { title: 'BYTES', align: 'right', dropOrder: 6, text: (change) => formatCount(sizeOf(change).bytes) },
  { title: 'VERDICT', align: 'left', dropOrder: 2, text: verdictChange },
  {
    title: 'BEFORE -> AFTER',
    align: 'left',
    dropOrder: 0,
    text: (change) => {
      const [before, after] = decisions(change);
      return `${wayText(before, after)} -> ${wayText(after, before)}`;
    },
  },
];
