import { type Answer, Reason } from './answer.ts';
import { formatRule } from './format.ts';
import type { Routing } from './routing.ts';
import { Doubt } from './rules.ts';
import type { RouteShape } from './shapes.ts';

/**
 * The sentence for a dropped packet, or null when it is not dropped. It names what the kernel's documentation can be
 * searched for: the setting of Documentation/networking/ip-sysctl.rst, or the error of ip-route(8).
 */
export function dropSentence(a: Answer, routing: Routing): string | null {
  const device =
    a.ifIndex === 0 ? 'the interface' : (routing.links.nameOf(a.ifIndex) ?? `interface ${a.ifIndex}`);
  const rule = a.rule === -1 ? null : routing.rules[a.rule]!.rule;
  switch (a.reason) {
    case Reason.None:
      return null;
    case Reason.NoRoute:
      return 'no rule led to a route (ENETUNREACH)';
    case Reason.RouteRejects:
      return `the matching route is ${rejectName(a.shape!.route)}`;
    case Reason.RuleRejects:
      return `rule ${rule?.priority} has the action ${rule?.action}${errnoOf(RULE_ERRORS, rule?.action)}`;
    case Reason.ForwardingOff:
      return `not for this host, and forwarding is off on ${device} (${forwardingName(a, routing)})`;
    case Reason.LoopbackSource:
      return `loopback source address on ${device}, where no loopback address belongs (route_localnet is off)`;
    case Reason.GroupSource:
      return 'martian source: a multicast or broadcast address';
    case Reason.ZeroSource:
      return 'martian source: 0.0.0.0, which only limited broadcasts may have';
    case Reason.OwnSource:
      return 'the source is an address of this host, and the packet came from outside (accept_local is off)';
    case Reason.ReversePathStrict:
      return `reverse path filter of ${device} (rp_filter 1, strict): the way back to the source is another interface, or none`;
    case Reason.ReversePathLoose:
      return `reverse path filter of ${device} (rp_filter 2, loose): there is no way back to the source`;
    case Reason.ReversePathType:
      return `martian source: no unicast address by the tables (source check on ${device})`;
    case Reason.LoopbackDestination:
      return `loopback destination address on ${device}, where no loopback address belongs (route_localnet is off)`;
    case Reason.ZeroDestination:
      return 'martian destination: 0.0.0.0';
    case Reason.UnroutableType:
      return 'the matching route is neither local nor unicast';
    case Reason.SourceNotLocal:
      return 'the source is no address of this host, which cannot send from it (a packet passing through needs its ingress interface)';
    case Reason.SourceScope:
      return 'the source address must not leave its link';
    case Reason.NotMember:
      return `this host is not in that multicast group on ${device}`;
    case Reason.DeviceDown:
      return `${device} is down, and the socket is bound to it (ENETUNREACH)`;
    case Reason.Loopback6:
      return `the loopback address ::1 in a packet from outside, on ${device}`;
    case Reason.GroupFrame:
      return 'it came in a broadcast or multicast frame, of which the kernel forwards none';
  }
}

/** The setting that would have to be on, as ip-sysctl.rst of the kernel's documentation has it. */
function forwardingName(a: Answer, routing: Routing): string {
  if (a.version === 6) return 'net.ipv6.conf.all.forwarding = 0';
  const name = routing.links.nameOf(a.ifIndex);
  return name === null ? 'ip_forward = 0' : `net.ipv4.conf.${name}.forwarding = 0; ip_forward sets it`;
}

/** What a local sender gets, by route type: fib_props of net/ipv4/fib_semantics.c, ip6_rt_init_dst_reject of net/ipv6/route.c */
const ROUTE_ERRORS: Readonly<Record<string, string>> = {
  blackhole: 'EINVAL',
  unreachable: 'EHOSTUNREACH',
  prohibit: 'EACCES',
};
/** By rule action: fib4_rule_action, __fib6_rule_action. */
const RULE_ERRORS: Readonly<Record<string, string>> = { ...ROUTE_ERRORS, unreachable: 'ENETUNREACH' };

function errnoOf(errors: Readonly<Record<string, string>>, name: string | undefined): string {
  const errno = name === undefined ? undefined : errors[name];
  return errno === undefined ? '' : ` (${errno})`;
}

function rejectName(route: RouteShape): string {
  if (route.nhBlackhole === true) return `a blackhole by its next hop object ${route.nhid}`;
  return `of type ${route.type}${errnoOf(ROUTE_ERRORS, route.type)}`;
}

/** The sentence for an assumption, or null when the answer is exact. */
export function doubtSentence(a: Answer, routing: Routing): string | null {
  const entry = a.doubtRule === -1 ? null : routing.rules[a.doubtRule]!.rule;
  const rule = entry === null ? 'a rule' : `rule ${formatRule(entry).replace(':\t', ': ')}`;
  switch (a.doubt) {
    case Doubt.None:
      return null;
    case Doubt.Mark:
      return `${rule} selects by fwmark, which is not known of the packet; mark 0 is assumed`;
    case Doubt.Uid:
      return `${rule} selects by the sender's uid, which is not known of the packet; uid 0 is assumed`;
    case Doubt.BoundDevice:
      return `${rule} applies to a socket bound to that device, which is not known of the packet`;
    case Doubt.IngressUnknown:
      return `${rule} selects by the ingress interface, which is not known of the packet`;
    case Doubt.PortsUnknown:
      return `${rule} selects by protocol or port, which were not given (IPv4 takes UDP, IPv6 none)`;
    case Doubt.Selector:
      return `${rule} has a selector that is not evaluated (${entry?.unsupported?.join(', ')}); it is taken not to match`;
    case Doubt.TableUnknown:
      return `${rule} looks into a table of which the text has no route`;
    case Doubt.Group:
      return `${rule} looks at interface groups, which are not known`;
    case Doubt.Multipath:
      return `one of the route's ${a.shape?.hops.length} next hops, chosen by the kernel's hash`;
    case Doubt.ForwardingUnknown:
      return 'whether this host forwards is not known; it is assumed';
    case Doubt.InferredLocal:
      return 'the tables given lack this local or broadcast route: it follows from another route that has the address as its preferred source';
    case Doubt.Membership:
      return 'whether this host is in the multicast group is not known; it is assumed';
    case Doubt.Observed:
      return 'the packet was seen leaving by another interface than the tables say: a bound socket, a mark or a raw sender';
    case Doubt.MergedTables:
      return 'depends on whether the tables local and main are still one, as they are until a first rule is added';
    case Doubt.NexthopUnknown:
      return `next hop object ${a.shape?.route.nhid ?? ''} of the route is not known`.replace('  ', ' ');
    case Doubt.SourceUnknown:
      return 'the source is no address in the tables given: taken as forwarded, from an interface that is not known';
    case Doubt.MultipathSource:
      return "how strictly the source is looked at depends on the next hop, which the kernel's hash chooses among several";
    case Doubt.MultipathRule:
      return `${rule} looks at the interface group of the next hop, which the kernel's hash chooses among several`;
    case Doubt.Subtree:
      return 'the kernel passes over source-specific routes of a prefix at which longer ones forked before, and no dump tells the order in which routes were added';
    case Doubt.Gateways:
      return 'there are several such default routes, and the kernel prefers one whose gateway answers';
    case Doubt.Fragment:
      return `${rule} selects by port, and a fragment shows the kernel none, unless connection tracking reassembled it`;
    case Doubt.MulticastDevice:
      return 'the sender chooses the device of a multicast or broadcast';
  }
}
