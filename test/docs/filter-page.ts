// What docs/filters.md says of each predicate of the grammar.
import { filterGrammar } from '../../cli/filter/parse.ts';
import { predicateForms } from './grammar-text.ts';

interface Told {
  meaning: string;
  examples: string[];
}

/** By the names of the grammar's rules. */
const TOLD: Readonly<Record<string, Told>> = {
  host: {
    meaning: 'with this address at either end',
    examples: ['host 10.0.0.1', 'host in [ 10.0.0.1 2001:db8::1 ]'],
  },
  sided: {
    meaning: 'the same of the originator (`src`) or the responder (`dst`) only; `src or dst` is either',
    examples: [
      'src host 10.0.0.1',
      'src port > 1024',
      'dst net 10.0.0.0/8',
      'dst 10.0.0.1',
      'src or dst port 53',
    ],
  },
  net: {
    meaning: 'with an address in this network at either end',
    examples: ['net 10.0.0.0/8', 'net in [ 10.0.0.0/8 fd00::/8 ]'],
  },
  port: {
    meaning: 'with this port at either end; ICMP has none; `!=`: with it at neither end',
    examples: ['port 53', 'port >= 1024', 'port in [ 80, 443 ]', 'port 80 or 443'],
  },
  protocol: { meaning: 'of this protocol', examples: ['tcp', 'tcp port 443', 'udp and not port 53'] },
  ip: { meaning: 'of IPv4; with an address (as in nfdump) a host', examples: ['ip', 'ip 10.0.0.1'] },
  ip6: { meaning: 'of IPv6; with an address a host', examples: ['ip6 and icmp6'] },
  proto: {
    meaning: 'of this protocol, by name or IANA number',
    examples: ['proto gre', 'proto 47', 'proto in [ esp ah ]'],
  },
  state: { meaning: 'with this conn_state, as Zeek has it', examples: ['state SF', 'state in [ S0 REJ ]'] },
  netns: {
    meaning: 'seen in this network namespace',
    examples: ['netns blue', 'netns != blue', 'netns "a name with blanks"'],
  },
  if: { meaning: 'seen on this interface', examples: ['if eth0', 'interface in [ eth0 eth1 ]'] },
  experiment: {
    meaning: 'alive in the time of this experiment, `#2`: the second of that name (docs/experiments.md)',
    examples: ['experiment mtu-1400', 'experiment mtu-1400#2'],
  },
  flow: {
    meaning: 'one flow of this database, by the `flow_id` of JSON',
    examples: ['flow 17', 'flow in [ 17 18 ]'],
  },
  'community-id': {
    meaning: 'with this community id (v1, seed 0), as Zeek, Suricata and Arkime print it',
    examples: ['community-id 1:wCb3OG7yAFWelaUydu0D+125CLM='],
  },
  bytes: { meaning: 'octets of frames, both directions together', examples: ['bytes > 1M', 'bytes <= 64Ki'] },
  packets: { meaning: 'packets, both directions together', examples: ['packets > 10'] },
  duration: {
    meaning: 'from the first packet to the last; `ns` `us` `ms` `s` `m` `h` `d` `w`, without a unit seconds',
    examples: ['duration > 5s', 'duration < 500ms'],
  },
  retransmits: { meaning: 'TCP segments that were sent again', examples: ['retransmits > 0'] },
  pps: {
    meaning: 'packets a second; a flow that took no time has no rate, and matches none',
    examples: ['pps > 1k'],
  },
  bps: { meaning: 'bits a second, of frames', examples: ['bps > 10M'] },
  bpp: { meaning: 'octets a packet, of frames', examples: ['bpp < 100'] },
  vlan: {
    meaning: 'with this VLAN id, outer or inner; with any',
    examples: ['vlan', 'vlan 5', 'vlan in [ 5 6 ]'],
  },
  tunnel: {
    meaning:
      'inside a tunnel of this type; `any` or nothing: of any; `none`: of none (flows inside tunnels are kept with `--tunnels inner` or `both`)',
    examples: ['tunnel', 'tunnel none', 'tunnel vxlan', 'tunnel in [ gre erspan ]'],
  },
  'tunnel id': { meaning: 'with this VNI, key, session or TEID', examples: ['tunnel id 42'] },
  'tunnel outer': { meaning: 'carried by this flow', examples: ['tunnel outer 17'] },
  flags: {
    meaning: 'in which all of these TCP flags were seen, in either direction',
    examples: ['flags S and not flags A', 'flags SA'],
  },
  route: {
    meaning:
      'whose route decision changed while they lived; `--route-changed` lists them with every decision',
    examples: ['route changed'],
  },
  'route rule': { meaning: 'by the preference of the rule', examples: ['route rule 100'] },
  'route type': { meaning: 'by the type of the route', examples: ['route type blackhole'] },
  'route verdict': { meaning: 'by what became of the packets', examples: ['route verdict drop'] },
  'route table': { meaning: 'by the routing table', examples: ['route table main', 'route table 100'] },
  'route prefix': {
    meaning: 'by the prefix of the route; `default` is `0.0.0.0/0` and `::/0`',
    examples: ['route prefix 10.2.0.0/16', 'route prefix default'],
  },
  'route gateway': { meaning: 'by the next hop', examples: ['route gateway 10.0.0.1'] },
  'route dev': { meaning: 'by the interface that was decided on', examples: ['route dev eth0'] },
  'route observed': {
    meaning: 'by whether the packets were seen where the decision sends them',
    examples: ['route observed differs'],
  },
  'route stage': { meaning: 'by where the decision was made', examples: ['route stage forward'] },
  'route confidence': { meaning: 'by how sure the decision is', examples: ['route confidence assumed'] },
  alone: {
    meaning: 'an address is a host, a network is a net, a number takes the predicate before it',
    examples: ['10.0.0.1', '10.0.0.0/8', 'port 80 or 443'],
  },
};

/** Rows of the table of predicates. @throws Error when the grammar has a predicate that nothing is told of, or the reverse */
export function predicateRows(): string[][] {
  const forms = predicateForms(filterGrammar());
  const rules = forms.map(({ rule }) => rule);
  const untold = rules.filter((rule) => !Object.hasOwn(TOLD, rule));
  const unknown = Object.keys(TOLD).filter((rule) => !rules.includes(rule));
  if (untold.length + unknown.length > 0)
    throw new Error(`docs: nothing is told of ${untold.join(', ')}; no predicate is ${unknown.join(', ')}`);
  return forms.map(({ rule, form, values }) => {
    const { meaning, examples } = TOLD[rule]!;
    return [`\`${form}\``, meaning, values.join('; '), examples.map((each) => `\`${each}\``).join(' · ')];
  });
}

/** Every example of the table. */
export function predicateExamples(): string[] {
  return Object.values(TOLD).flatMap(({ examples }) => examples);
}
