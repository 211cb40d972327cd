import type { RouteDecision } from '../storage/route-decision.ts';
import type { RankAnswer, RankedGroup, RankQuestion } from './rank/messages.ts';

/**
 * Adds up the rows of a ranking of routes that are of one decision: each capture thread has its own number for it. Decisions that
 * cannot be told stay by themselves.
 * @param decision tells a decision by its number, see taggedDecision
 */
export function mergeRoutes(
  answer: RankAnswer,
  { view, sort, isAscending, limit }: RankQuestion,
  decision: (number: number) => RouteDecision | undefined,
): RankAnswer {
  if (view !== 'routes') return answer;
  const merged = new Map<string, RankedGroup>();
  for (const group of answer.groups) {
    const known = group.route < 0 ? null : decision(group.route);
    const key = `${group.captureIndex} ${known === undefined ? group.route : JSON.stringify(known)}`;
    const other = merged.get(key);
    merged.set(key, other === undefined ? group : add(other, group));
  }
  const groups = [...merged.values()];
  const sign = isAscending ? 1 : -1;
  groups.sort((a, b) => sign * (rankOf(a, sort) - rankOf(b, sort)));
  return {
    ...answer,
    rows: answer.rows - (answer.groups.length - groups.length),
    groups: groups.slice(0, limit),
  };
}

function add(a: RankedGroup, b: RankedGroup): RankedGroup {
  return {
    ...a,
    flows: a.flows + b.flows,
    bytes: a.bytes + b.bytes,
    packets: a.packets + b.packets,
    sentPerS: a.sentPerS + b.sentPerS,
    receivedPerS: a.receivedPerS + b.receivedPerS,
    bytesPerSWindow: a.bytesPerSWindow + b.bytesPerSWindow,
    packetsPerS: a.packetsPerS + b.packetsPerS,
  };
}

function rankOf(group: RankedGroup, sort: RankQuestion['sort']): number {
  switch (sort) {
    case 'rate':
      return group.sentPerS + group.receivedPerS;
    case 'sent':
      return group.sentPerS;
    case 'received':
      return group.receivedPerS;
    case 'window':
      return group.bytesPerSWindow;
    case 'pps':
      return group.packetsPerS;
    case 'bytes':
    case 'packets':
    case 'flows':
      return group[sort];
    case 'start':
      return 0;
  }
}
