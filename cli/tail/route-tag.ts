import type { RouteDecision } from '../../storage/route-decision.ts';

/** Types whose word says that nothing goes further. */
const REJECTS: ReadonlySet<string> = new Set(['blackhole', 'unreachable', 'prohibit']);

/**
 * The decision on a packet in a few words: where it goes and by which table, or why it goes nowhere. '' when there is nothing to
 * say: the packet is none that a route is asked for.
 */
export function routeTag(decision: RouteDecision): string {
  const { type, verdict, table, prefix, gateway, dev, reason } = decision;
  const doubt = [
    ...(decision.observed === 'differs' ? ['seen elsewhere'] : []),
    ...(decision.confidence === 'assumed' ? ['assumed'] : []),
  ];
  const marks = doubt.length > 0 ? ` (${doubt.join(', ')})` : '';
  if (verdict === 'drop') return `${whyDropped(decision)}${marks}`;
  switch (type) {
    case 'not_routed':
      return 'not routed';
    case 'unknown':
      return reason?.startsWith('no routing data') ? '' : 'route unknown';
    case 'unicast': {
      const words = [table ?? '', isDefault(prefix) ? 'default' : (prefix ?? '')];
      if (gateway !== null) words.push('via', gateway);
      if (dev !== null) words.push('dev', dev);
      return `-> ${words.filter(Boolean).join(' ')}${marks}`;
    }
    default:
      return `${type}${marks}`;
  }
}

/** "blackhole 10.9.0.0/16 (drop)"; where the word does not say why, what does. */
function whyDropped({ type, prefix, reason }: RouteDecision): string {
  const name = type.replace('_', ' ');
  if (type === 'no_route') return 'no route (drop)';
  if (!REJECTS.has(type)) return `${name} (drop)${reason === null ? '' : `: ${reason.split(';')[0]}`}`;
  if (prefix === null) return `${name} (drop)`;
  return `${name} ${isDefault(prefix) ? 'default' : prefix} (drop)`;
}

function isDefault(prefix: string | null): boolean {
  return prefix === '0.0.0.0/0' || prefix === '::/0';
}

/** All that the decision says, for -v and for the comments of a capture file. */
export function routeDetails(decision: RouteDecision): string {
  const { verdict, stage, rule, table, scope, protocol, metric, prefsrc, observed, confidence } = decision;
  const parts = [
    verdict === null ? 'no verdict' : `verdict ${verdict}`,
    ...(stage === null ? [] : [`stage ${stage}`]),
    ...(rule === null ? [] : [`rule ${rule}`]),
    ...(table === null ? [] : [`table ${table}`]),
    ...(protocol === null ? [] : [`proto ${protocol}`]),
    ...(scope === null || scope === 'global' ? [] : [`scope ${scope}`]),
    ...(prefsrc === null ? [] : [`src ${prefsrc}`]),
    ...(metric === null ? [] : [`metric ${metric}`]),
    ...(observed === 'n/a' ? [] : [`observed ${observed}`]),
    confidence,
  ];
  const reason = decision.reason === null ? '' : `; ${decision.reason}`;
  return `${parts.join(', ')}${reason}`;
}
