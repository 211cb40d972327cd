import { describe, expect, test } from 'vitest';
import { UsageError } from '../../cli/errors.ts';
import { parseFilter } from '../../cli/filter/parse.ts';
import type { FilterNode } from '../../storage/filter-ast.ts';

const v4 = (...bytes: number[]) => ({ version: 4, bytes: Uint8Array.from(bytes) });
const host = (...bytes: number[]) => ({ kind: 'host', side: 'any', addresses: [v4(...bytes)] });
const port = (value: number, side = 'any', comparator = '=') => ({
  kind: 'port',
  side,
  comparator,
  values: [value],
});
const proto = (...numbers: number[]) => ({ kind: 'proto', numbers });
const and = (...nodes: unknown[]) => ({ kind: 'and', nodes });
const or = (...nodes: unknown[]) => ({ kind: 'or', nodes });
const not = (node: unknown) => ({ kind: 'not', node });

function mistake(expression: string): string {
  try {
    parseFilter(expression);
  } catch (error) {
    if (error instanceof UsageError) return error.message;
    throw error;
  }
  throw new Error(`${expression} was read`);
}

describe('a filter is read as', () => {
  test.each<[string, unknown]>([
    ['', null],
    ['  ', null],
    ['tcp', proto(6)],
    ['TCP PORT 80', and(proto(6), port(80))],
    ['icmp6 or sctp', or(proto(58), proto(132))],
    ['proto gre', proto(47)],
    ['proto 47', proto(47)],
    ['proto in [tcp 17, ipv6-icmp]', proto(6, 17, 58)],
    ['ip', { kind: 'ipVersion', version: 4 }],
    ['ip6 and port 53', and({ kind: 'ipVersion', version: 6 }, port(53))],
    ['ip 10.0.0.1', host(10, 0, 0, 1)],
    ['host 10.0.0.1', host(10, 0, 0, 1)],
    ['10.0.0.1', host(10, 0, 0, 1)],
    ['src host 10.0.0.1', { ...host(10, 0, 0, 1), side: 'src' }],
    ['dst ip 10.0.0.1', { ...host(10, 0, 0, 1), side: 'dst' }],
    ['src 10.0.0.1', { ...host(10, 0, 0, 1), side: 'src' }],
    ['src or dst host 10.0.0.1', host(10, 0, 0, 1)],
    [
      'host in [10.0.0.1 10.0.0.2]',
      { kind: 'host', side: 'any', addresses: [v4(10, 0, 0, 1), v4(10, 0, 0, 2)] },
    ],
    [
      'src 10.0.0.1 or 10.0.0.2',
      or({ ...host(10, 0, 0, 1), side: 'src' }, { ...host(10, 0, 0, 2), side: 'src' }),
    ],
    [
      'src 10.0.0.0/8 or ::/0',
      or(
        { kind: 'net', side: 'src', nets: [{ ...v4(10, 0, 0, 0), prefixLen: 8 }] },
        { kind: 'net', side: 'src', nets: [{ version: 6, bytes: new Uint8Array(16), prefixLen: 0 }] },
      ),
    ],
    [
      'dst net 10.0.0.0/8 or 10.0.0.2 or host 10.0.0.1 or 10.0.0.2',
      or(
        { kind: 'net', side: 'dst', nets: [{ ...v4(10, 0, 0, 0), prefixLen: 8 }] },
        { ...host(10, 0, 0, 2), side: 'dst' },
        host(10, 0, 0, 1),
        host(10, 0, 0, 2),
      ),
    ],
    ['host 10.0.0.1 or 10.0.0.2', or(host(10, 0, 0, 1), host(10, 0, 0, 2))],
    ['net 10.0.0.0/8', { kind: 'net', side: 'any', nets: [{ ...v4(10, 0, 0, 0), prefixLen: 8 }] }],
    ['dst 10.0.0.0/8', { kind: 'net', side: 'dst', nets: [{ ...v4(10, 0, 0, 0), prefixLen: 8 }] }],
    [
      'src net ::/0',
      { kind: 'net', side: 'src', nets: [{ version: 6, bytes: new Uint8Array(16), prefixLen: 0 }] },
    ],
    ['port > 1024', port(1024, 'any', '>')],
    ['src port>=1024', port(1024, 'src', '>=')],
    ['dst port != 80', port(80, 'dst', '!=')],
    ['port == 80', port(80)],
    ['port 80 or 443', or(port(80), port(443))],
    ['src port 80 or not 443', or(port(80, 'src'), not(port(443, 'src')))],
    ['port in [ 80 443 ]', { kind: 'port', side: 'any', comparator: '=', values: [80, 443] }],
    ['netns blue', { kind: 'netns', names: ['blue'] }],
    ['netns != blue', not({ kind: 'netns', names: ['blue'] })],
    ['netns tcp', { kind: 'netns', names: ['tcp'] }],
    ['netns "a (b) & c"', { kind: 'netns', names: ['a (b) & c'] }],
    ['netns "say ""x""" tcp', and({ kind: 'netns', names: ['say "x"'] }, proto(6))],
    ["netns 'in'", { kind: 'netns', names: ['in'] }],
    ["if 'or'", { kind: 'interface', names: ['or'] }],
    ['if veth0@if5.100', { kind: 'interface', names: ['veth0@if5.100'] }],
    ['vlan', { kind: 'vlan', ids: null }],
    ['vlan tcp', and({ kind: 'vlan', ids: null }, proto(6))],
    ['vlan 5 tcp', and({ kind: 'vlan', ids: [5] }, proto(6))],
    ['tunnel', { kind: 'tunnel', types: null }],
    ['tunnel any', { kind: 'tunnel', types: null }],
    ['tunnel none', not({ kind: 'tunnel', types: null })],
    ['tunnel tcp port 80', and({ kind: 'tunnel', types: null }, proto(6), port(80))],
    ['(tunnel) or tcp', or({ kind: 'tunnel', types: null }, proto(6))],
    ['tunnel VXLAN tcp', and({ kind: 'tunnel', types: [7] }, proto(6))],
    ['tunnel in [gre 6in4]', { kind: 'tunnel', types: [5, 3] }],
    ['tunnel != gtp-u', not({ kind: 'tunnel', types: [10] })],
    ['tunnel id 4294967295', { kind: 'tunnelId', values: [4_294_967_295] }],
    [
      'tunnel vxlan and tunnel id 42',
      and({ kind: 'tunnel', types: [7] }, { kind: 'tunnelId', values: [42] }),
    ],
    ['tunnel outer 17', { kind: 'tunnelOuter', values: [17] }],
    ['state sf', { kind: 'state', states: ['SF'] }],
    ['flags SA', { kind: 'flags', mask: 0x12 }],
    ['flags S and not flags A', and({ kind: 'flags', mask: 2 }, not({ kind: 'flags', mask: 0x10 }))],
    ['bytes > 1.5M', { kind: 'quantity', field: 'bytes', comparator: '>', value: 1_500_000n }],
    ['packets <= 1Ki', { kind: 'quantity', field: 'packets', comparator: '<=', value: 1024n }],
    ['duration > 5s', { kind: 'quantity', field: 'duration', comparator: '>', value: 5_000_000_000n }],
    ['duration < 500ms', { kind: 'quantity', field: 'duration', comparator: '<', value: 500_000_000n }],
    ['retransmits > 0', { kind: 'quantity', field: 'retransmits', comparator: '>', value: 0n }],
    ['pps >= 1.5k', { kind: 'quantity', field: 'pps', comparator: '>=', value: 1500n }],
    ['bps > 10M', { kind: 'quantity', field: 'bps', comparator: '>', value: 10_000_000n }],
    ['bpp < 100', { kind: 'quantity', field: 'bpp', comparator: '<', value: 100n }],
    ['flow 17', { kind: 'flowId', values: [17] }],
    ['flow in [17 18]', { kind: 'flowId', values: [17, 18] }],
    [
      'community-id 1:wCb3OG7yAFWelaUydu0D+125CLM=',
      { kind: 'communityId', values: ['1:wCb3OG7yAFWelaUydu0D+125CLM='] },
    ],
    ['experiment run-1', { kind: 'experiment', names: ['run-1'] }],
    ['route type blackhole', { kind: 'route', field: 'type', values: ['blackhole'] }],
    ['route table 254', { kind: 'route', field: 'table', values: ['main'] }],
    ['route table 100', { kind: 'route', field: 'table', values: ['100'] }],
    ['route prefix 10.2.3.4/16', { kind: 'route', field: 'prefix', values: ['10.2.0.0/16'] }],
    ['route prefix FE80::/64', { kind: 'route', field: 'prefix', values: ['fe80::/64'] }],
    ['route prefix default', { kind: 'route', field: 'prefix', values: ['0.0.0.0/0', '::/0'] }],
    ['route gateway 2001:DB8::0:1', { kind: 'route', field: 'gateway', values: ['2001:db8::1'] }],
    ['route dev eth0', { kind: 'route', field: 'dev', values: ['eth0'] }],
    ['route verdict drop', { kind: 'route', field: 'verdict', values: ['drop'] }],
    ['route observed differs', { kind: 'route', field: 'observed', values: ['differs'] }],
    ['route observed n/a', { kind: 'route', field: 'observed', values: ['n/a'] }],
    ['route changed', { kind: 'routeChanged' }],
    [
      'route changed tcp or not route changed',
      {
        kind: 'or',
        nodes: [
          { kind: 'and', nodes: [{ kind: 'routeChanged' }, { kind: 'proto', numbers: [6] }] },
          { kind: 'not', node: { kind: 'routeChanged' } },
        ],
      },
    ],
    ['route rule in [100 200]', { kind: 'routeRule', values: [100, 200] }],
    ['not tcp and udp', and(not(proto(6)), proto(17))],
    ['not not tcp', not(not(proto(6)))],
    ['! (tcp || udp)', not(or(proto(6), proto(17)))],
    ['tcp or udp and port 53', or(proto(6), and(proto(17), port(53)))],
    ['tcp or udp port 53', or(proto(6), and(proto(17), port(53)))],
    ['(tcp or udp) port 53', and(or(proto(6), proto(17)), port(53))],
    ['tcp && port 80', and(proto(6), port(80))],
  ])('%s', (expression, expected) => {
    expect(parseFilter(expression)).toEqual(expected as FilterNode | null);
  });
});

describe('a mistake is shown with its place and what was expected', () => {
  test.each([
    ['tcp port htpp', 'found "htpp" where this was expected: a port number from 0 to 65535', 9],
    ['port 65536', 'found "65536" where', 5],
    ['host 10.0.0.256', 'an IPv4 or IPv6 address', 5],
    ['net 10.0.0.0/33', 'a network such as 10.0.0.0/8', 4],
    ['tcp and', 'the expression ends where this was expected: host, src', 7],
    ['tcp)', 'found ")" where this was expected', 3],
    ['(tcp', 'the expression ends where this was expected: "and", "or" or ")"', 4],
    ['port in 80', '"["', 8],
    ['port in [80, x', 'found "x" where this was expected: a port number from 0 to 65535', 13],
    ['port in [80 x', 'found "x" where this was expected: a port number from 0 to 65535, or "]"', 12],
    ['netns in', '"["', 8],
    ['community-id 1:abc', 'a community id such as', 13],
    ['port in [80', 'a port number from 0 to 65535, or "]"', 11],
    ['port in []', 'a port number', 9],
    ['state XX', 'a connection state: S0 S1 SF', 6],
    ['tunnel vlxan', 'a tunnel of ipip 4in6', 7],
    ['tunnel id 4294967296', 'the id of a tunnel', 10],
    ['tunnel outer x', 'the flow_id of a flow', 13],
    ['flags Q', 'TCP flags out of C E U A P R S F', 6],
    ['bytes > lots', 'a number such as 1500, 10k, 5M or 1G', 8],
    ['duration > 5 parsecs', 'host, src', 13],
    ['route colour red', 'changed, rule, type, verdict', 6],
    ['route type blackhol', 'a route type of unicast local', 11],
    ['foo', 'host, src, dst, net', 0],
    ['tcp or or udp', 'found "or"', 7],
    ['80', 'host, src', 0],
    ['"tcp"', 'host, src', 0],
    ['port & 80', 'expected &&', 5],
    ['netns "blue', 'expected a closing "', 6],
    ['src tcp', 'host, net, port or an address', 4],
    ['arp', 'host, src', 0],
    ['port\t\tx', 'a port number', 6],
  ])('%s', (expression, expected, column) => {
    const [what, shown, caret] = mistake(expression).split('\n');
    expect(what).toMatch(/^filter: /);
    expect(what).toContain(expected);
    expect(shown).toBe(`  ${expression.replaceAll('\t', ' ')}`);
    expect(caret).toBe(`${' '.repeat(column + 2)}^`);
  });

  test.each([
    ['prot 80', '; did you mean "port" or "proto"?'],
    ['prot udp', '; did you mean "proto"?'],
    ['tcp and prot 80', '; did you mean "port" or "proto"?'],
    ['src prot 80', 'expected: host, net, port or an address; did you mean "port"?'],
    ['state SG', '; did you mean "SF" or "SH"?'],
    ['route tabel main', '; did you mean "table"?'],
    ['route type blackhol', '; did you mean "blackhole"?'],
    ['route verdict dorp', '; did you mean "drop"?'],
    ['proto tpc', '; did you mean "tcp"?'],
    ['dport 80', '; did you mean "dst port"?'],
    ['gateway 10.0.0.1', '; did you mean "route gateway"?'],
    ['conn_state SF', '; did you mean "state"?'],
    ['community_id 1:x', '; did you mean "community-id"?'],
    ['tcp prt 80', 'tcp, udp, …, "and" or "or"; did you mean "port"?'],
    ['host web.lab', 'an IPv4 or IPv6 address; names of hosts are looked up with --resolve only'],
    ['src web.lab', 'an address; names of hosts are looked up with --resolve only'],
    ['port https', '65535; names of services are looked up with --resolve only'],
  ])('with what may have been meant: %s', (expression, said) => {
    expect(mistake(expression).split('\n')[0]!.endsWith(said), mistake(expression)).toBe(true);
  });

  test.each(['foo', 'tcp or or udp', 'port 65536', 'host 10.0.0.256', '"tcpp"', 'tcp)', 'route colour red'])(
    'without a guess where nothing is near: %s',
    (expression) => {
      expect(mistake(expression)).not.toMatch(/did you mean|--resolve/);
    },
  );

  test('in few words', () => {
    for (const expression of ['foo', 'tcp foo', 'tcp and', 'not', '('])
      expect(mistake(expression).split('\n')[0]!.length).toBeLessThan(130);
  });

  test('of a long expression the part around it is shown, of a long word the beginning', () => {
    const [what, shown, caret] = mistake(`${'tcp or '.repeat(100)}${'x'.repeat(500)}`).split('\n');
    expect(what!.length).toBeLessThan(200);
    expect(shown).toMatch(/^ {2}…[tcp or]+ x{40}…$/);
    expect(shown![caret!.indexOf('^')]).toBe('x');
    expect(shown![caret!.indexOf('^') - 1]).toBe(' ');
  });

  test('and so is what is too long', () => {
    expect(mistake('tcp '.repeat(8001))).toContain('at most 8000 words are read');
    expect(mistake('x'.repeat(600_000))).toContain('at most 524288 characters are read');
    expect(parseFilter(`port in [ ${'80 '.repeat(7996)}]`)).toMatchObject({ kind: 'port' });
    // What is wrong before that comes first.
    expect(mistake(`tcp tcpp ${'tcp '.repeat(8001)}`)).toContain('found "tcpp"');
  });

  test('nesting that could exhaust the stack is a mistake too', () => {
    expect(mistake(`${'('.repeat(100_000)}tcp`)).toContain('at most 200 levels');
    expect(mistake(`${'not '.repeat(100_000)}tcp`)).toContain('at most 200 levels');
    expect(parseFilter(`${'('.repeat(150)}tcp${')'.repeat(150)}`)).toEqual(proto(6));
  });
});
