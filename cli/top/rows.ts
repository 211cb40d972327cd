import type { LiveRankedFlow, LiveRankedGroup, LiveRanking } from '../../daemon/control/messages.ts';
import type { RankSort } from '../../daemon/rank/messages.ts';
import type { RouteDecision, RouteVerdict } from '../../storage/route-decision.ts';
import { placeText } from './losses.ts';
import type { StatusHistory } from './status-history.ts';

/** A row of a view as numbers: what it is ranked by. */
export type RowValues = Record<RankSort, number>;

interface RowBase {
  /** Stays the same as long as the row is of the same thing. */
  key: string;
  values: RowValues;
  /** What becomes of the packets, for the colour. */
  verdict: RouteVerdict | null;
}

/** A row of one of the views. */
export type TopRow = RowBase &
  (
    | { kind: 'flow'; ranked: LiveRankedFlow; routeFwd: RouteDecision | null; routeRev: RouteDecision | null }
    | { kind: 'talker'; group: LiveRankedGroup }
    | {
        kind: 'place';
        netns: string;
        /** '': the namespace as a whole. */
        interface: string;
        kernelDrops: number;
        undecoded: number;
        evicted: number;
      }
    | { kind: 'route'; group: LiveRankedGroup; route: RouteDecision | null }
  );

/** Rows of a ranking of flows, talkers or routes, in its order. */
export function rankedRows(ranking: LiveRanking, isOfRoutes: boolean): TopRow[] {
  const route = (place: number): RouteDecision | null => ranking.routes[place - 1] ?? null;
  const flows = ranking.flows.map((ranked): TopRow => {
    const routeFwd = route(ranked.routeFwd);
    const routeRev = route(ranked.routeRev);
    const isDropped = routeFwd?.verdict === 'drop' || routeRev?.verdict === 'drop';
    const verdict = isDropped ? 'drop' : (routeFwd?.verdict ?? routeRev?.verdict ?? null);
    return {
      kind: 'flow',
      key: String(ranked.flowSeq),
      values: flowValues(ranked),
      verdict,
      ranked,
      routeFwd,
      routeRev,
    };
  });
  const groups = ranking.groups.map((group): TopRow => {
    const values = groupValues(group);
    if (!isOfRoutes)
      return {
        kind: 'talker',
        key: `${group.netns}/${group.interface} ${group.address}`,
        values,
        verdict: null,
        group,
      };
    const decision = route(group.route);
    const verdict = decision?.verdict ?? null;
    return {
      kind: 'route',
      key: `${group.netns} ${JSON.stringify(decision)}`,
      values,
      verdict,
      group,
      route: decision,
    };
  });
  return [...flows, ...groups];
}

function flowValues({ flow, ...ranked }: LiveRankedFlow): RowValues {
  return {
    rate: ranked.bytesFwdPerS + ranked.bytesRevPerS,
    sent: ranked.bytesFwdPerS,
    received: ranked.bytesRevPerS,
    window: ranked.bytesPerSWindow,
    pps: ranked.packetsPerS,
    bytes: flow.bytesFwd + flow.bytesRev,
    packets: flow.packetsFwd + flow.packetsRev,
    start: flow.startS + flow.startNs / 1e9,
    flows: 1,
  };
}

function groupValues(group: LiveRankedGroup): RowValues {
  return {
    rate: group.sentPerS + group.receivedPerS,
    sent: group.sentPerS,
    received: group.receivedPerS,
    window: group.bytesPerSWindow,
    pps: group.packetsPerS,
    bytes: group.bytes,
    packets: group.packets,
    start: 0,
    flows: group.flows,
  };
}

type PlaceRow = Extract<TopRow, { kind: 'place' }>;

/**
 * Namespaces, each with its interfaces below it, both in the order asked for. What the captures counted is exact, and has what
 * is no IP, too; with a filter in force the rates are of the flows that match.
 * @param ranking of interfaces
 */
export function placeRows(
  ranking: LiveRanking,
  history: StatusHistory,
  order: { sort: RankSort; isAscending: boolean; isFiltered: boolean },
): TopRow[] {
  const groups = new Map(ranking.groups.map((group) => [placeText(group.netns, group.interface), group]));
  const byNetns = new Map<string, PlaceRow[]>();
  for (const capture of history.latest?.captures ?? []) {
    const { netns, interface: name, index } = capture;
    const group = groups.get(placeText(netns, name));
    const values = group === undefined ? zeroValues() : groupValues(group);
    if (!order.isFiltered) {
      const now = history.rates(index, false);
      values.rate = now.bytesPerS;
      values.pps = now.packetsPerS;
      values.window = history.rates(index, true).bytesPerS;
      values.bytes = capture.bytes;
      values.packets = capture.packets;
      values.flows = capture.aliveFlows;
    }
    const row: PlaceRow = {
      kind: 'place',
      key: `${capture.netnsId} ${name}`,
      values,
      verdict: null,
      netns,
      interface: name,
      kernelDrops: capture.kernelDrops,
      undecoded: capture.undecoded,
      evicted: capture.evictedFlows,
    };
    const rows = byNetns.get(netns);
    if (rows === undefined) byNetns.set(netns, [row]);
    else rows.push(row);
  }
  const compare = rowOrder(order.sort, order.isAscending);
  return [...byNetns.values()]
    .map((rows) => ({ whole: sumOf(rows), rows: rows.sort(compare) }))
    .sort((a, b) => compare(a.whole, b.whole))
    .flatMap(({ whole, rows }) => [whole, ...rows]);
}

/** By a value, the largest first unless told otherwise; equal ones by their key, so that none changes places for nothing. */
function rowOrder(sort: RankSort, isAscending: boolean): (a: TopRow, b: TopRow) => number {
  const sign = isAscending ? 1 : -1;
  return (a, b) => sign * (a.values[sort] - b.values[sort]) || (a.key < b.key ? -1 : a.key > b.key ? 1 : 0);
}

function sumOf(rows: readonly PlaceRow[]): PlaceRow {
  const { netns } = rows[0]!;
  const values = zeroValues();
  const whole: PlaceRow = {
    kind: 'place',
    key: `netns ${netns}`,
    values,
    verdict: null,
    netns,
    interface: '',
    kernelDrops: 0,
    undecoded: 0,
    evicted: 0,
  };
  for (const row of rows) {
    for (const name of Object.keys(values) as RankSort[]) values[name] += row.values[name];
    whole.kernelDrops += row.kernelDrops;
    whole.undecoded += row.undecoded;
    whole.evicted += row.evicted;
  }
  return whole;
}

function zeroValues(): RowValues {
  return { rate: 0, sent: 0, received: 0, window: 0, pps: 0, bytes: 0, packets: 0, start: 0, flows: 0 };
}
