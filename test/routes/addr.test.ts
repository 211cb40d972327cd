import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { RouteEngine } from '../../daemon/routes/engine.ts';
import { loadSnapshot, parseAddrs, snapshotOfRoutes, withAddrs } from '../../daemon/routes/load-snapshot.ts';
import type { RouteSnapshot, SnapshotAddress, SnapshotLink } from '../../daemon/routes/snapshot.ts';
import { decide } from './ask.ts';

const text = (name: string): string =>
  readFileSync(new URL(`../../fixtures/routes/addr/${name}`, import.meta.url), 'utf8');
const listing = (name: string) => parseAddrs(text(name), name);
const byName = (links: readonly SnapshotLink[]) => Object.fromEntries(links.map((link) => [link.name, link]));
/** What every form says of an address. */
const bare = (addresses: readonly SnapshotAddress[]): string[] =>
  addresses
    .map(({ ifIndex, address, prefixLen, peer }) => `${ifIndex} ${address}/${prefixLen} ${peer ?? ''}`)
    .sort();
const ALL = listing('plain.txt');

describe('text of ip addr', () => {
  test('interfaces: number, name, flags, MTU, state, group, address, master, and what they are on top of', () => {
    expect(ALL.isComplete).toBe(true);
    expect(ALL.links.map(({ ifIndex, name }) => `${ifIndex} ${name}`)).toEqual([
      '1 lo',
      '2 eth0',
      '3 v1',
      '4 v0',
      '5 br0',
      '6 mv0',
      '7 tun0',
      '8 vx0',
    ]);
    expect(byName(ALL.links)).toMatchObject({
      lo: { flags: 0x10049, arpType: 772, mtu: 65536, operState: 'unknown', link: null, group: 0 },
      eth0: { arpType: 1, address: '1e:14:e6:a3:41:d7', operState: 'up', group: 7, link: 2, linkNetnsId: -1 },
      v1: { master: 5, link: 4, linkNetnsId: null },
      br0: { kind: 'bridge', master: 0 },
      mv0: { link: 2, linkNetnsId: null },
      tun0: { flags: 0x1091, arpType: 65534, address: null, operState: 'down' },
    });
  });

  test('addresses: own and peer, length, broadcast, scope, flags, label', () => {
    const of = (address: string): SnapshotAddress =>
      ALL.addresses.find((entry) => entry.address === address)!;
    expect(of('192.0.2.1')).toEqual({
      family: 4,
      ifIndex: 2,
      address: '192.0.2.1',
      prefixLen: 24,
      broadcast: '192.0.2.255',
      scope: 'global',
      label: 'eth0',
    });
    expect(of('192.0.2.7')).toMatchObject({ label: 'eth0:1', flags: ['secondary'], broadcast: null });
    expect(of('10.0.0.1')).toMatchObject({ peer: '10.0.0.2', prefixLen: 32 });
    expect(of('2001:db8:3::1')).toMatchObject({ peer: '2001:db8:3::2', prefixLen: 128, flags: ['nodad'] });
    expect(of('2001:db8:2::1')).toMatchObject({ flags: ['nodad', 'deprecated', 'dynamic'] });
    const tentative = parseAddrs('2: e: <UP>\n    inet6 fe80::1/64 scope link tentative flags 800 \n', 't');
    expect(tentative.addresses[0]).toMatchObject({ scope: 'link', flags: ['tentative'] });
  });

  test.each(['detail.txt', 'statistics.txt', 'plain.json', 'detail.json'])('%s says the same', (name) => {
    const other = listing(name);
    expect(other.isComplete).toBe(true);
    expect(other.addresses).toEqual(ALL.addresses);
    const plain = (links: readonly SnapshotLink[]) =>
      // -d says the kinds, JSON the number of the other namespace.
      links.map(({ kind, slaveKind, linkNetnsId, ...link }) => link);
    expect(plain(other.links)).toEqual(plain(ALL.links));
  });

  test.each(['detail.txt', 'detail.json'])('%s says the kinds of interfaces', (name) => {
    const kinds = listing(name).links.map(({ kind, slaveKind }) => `${kind}/${slaveKind}`);
    expect(kinds).toEqual([
      'null/null',
      'veth/null',
      'veth/bridge',
      'veth/null',
      'bridge/null',
      'macvlan/null',
      'tun/null',
      'vxlan/null',
    ]);
  });

  test('lists of one family, and addresses one a line, have no interface without such an address', () => {
    for (const name of ['v4.txt', 'v4.json', 'v6.txt', 'oneline.txt', 'oneline-detail.txt'])
      expect(listing(name).isComplete, name).toBe(false);
    expect(listing('oneline.txt').addresses).toEqual(ALL.addresses);
    const both = parseAddrs(text('v4.txt') + text('v6.txt'), 'both');
    expect(bare(both.addresses)).toEqual(bare(ALL.addresses));
    expect(both.links.map(({ name }) => name).sort()).toEqual(ALL.links.map(({ name }) => name).sort());
    expect(parseAddrs(`${text('plain.txt')}${text('v4.txt')}`, 'twice').addresses).toEqual(ALL.addresses);
    const eth0 = parseAddrs(text('plain.txt').split('\n').slice(6, 17).join('\n'), 'one');
    expect(eth0).toMatchObject({ isComplete: false, links: [{ name: 'eth0' }] });
  });

  test('a brief list has names, states and addresses; numbers are made up', () => {
    const { links, addresses, isComplete } = listing('brief.txt');
    expect(isComplete).toBe(false);
    expect(links.map(({ ifIndex, name }) => `${ifIndex} ${name}`)).toEqual(
      ALL.links.map(({ ifIndex, name }) => `${ifIndex} ${name}`),
    );
    expect(bare(addresses)).toEqual(bare(ALL.addresses));
    const brief = parseAddrs(
      'eth0@if3 UP 10.0.0.1/24 metric 100 10.0.0.5 peer 10.0.0.6/32 fe80::1/64\n',
      'b',
    );
    expect(bare(brief.addresses)).toEqual(['2 10.0.0.1/24 ', '2 10.0.0.5/32 10.0.0.6', '2 fe80::1/64 ']);
    const json = parseAddrs(
      '[{"ifname":"lo","operstate":"UNKNOWN","addr_info":[{"local":"127.0.0.1","prefixlen":8}]},{}]',
      'j',
    );
    expect(json).toMatchObject({
      links: [{ ifIndex: 1 }],
      addresses: [{ address: '127.0.0.1', ifIndex: 1 }],
    });
  });

  test.each(['link.txt', 'link-oneline.txt', 'link-brief.txt'])('%s: ip link is read too', (name) => {
    const { links, addresses } = listing(name);
    expect(addresses).toEqual([]);
    expect(links.map(({ name: own, address, flags }) => [own, address, flags])).toEqual(
      ALL.links.map(({ name: own, address, flags }) => [own, address, flags]),
    );
  });

  test('bond, VLAN, VRF, tunnels, WireGuard, and what newer versions say', () => {
    const { links, addresses, isComplete } = listing('kinds.txt');
    expect(isComplete).toBe(true);
    expect(byName(links)).toMatchObject({
      enp0s3: { master: 3, slaveKind: 'bond', kind: null, address: '52:54:00:12:34:56' },
      bond0: { kind: 'bond', flags: 0x11443 },
      blue: { kind: 'vrf', vrfTable: 10 },
      'bond0.5': { kind: 'vlan', slaveKind: 'vrf', link: 3, linkNetnsId: null, master: 4, group: 7 },
      wg0: { kind: 'wireguard', arpType: 65534 },
      tunl0: { kind: 'ipip', arpType: 768, link: 0, address: '00:00:00:00' },
      he6: { kind: 'sit', arpType: 776, address: 'c0:a8:01:05' },
      veth9: { link: 8, linkNetnsId: 3, operState: 'lowerlayerdown', flags: 0x1003 },
    });
    expect(addresses.find(({ address }) => address === '192.168.1.5')).toMatchObject({
      broadcast: '192.168.1.255',
      flags: ['dynamic', 'noprefixroute'],
      label: 'bond0',
    });
    expect(addresses.find(({ address }) => address === '2001:db8::aaaa')).toMatchObject({
      flags: ['temporary', 'dynamic'],
    });
    expect(addresses).toHaveLength(10);
  });

  test.each([
    ['2: eth0: <UP> mtu x', 'test line 1: "x": should be a number'],
    ['2: eth0: <UP,SHINY> mtu 1500', 'test line 1: "SHINY": is no flag of an interface that is known'],
    ['2: eth0: <UP> mtu 1500 colour blue', 'test line 1: "colour": unknown word of `ip addr`'],
    ['2: eth0: <UP>\n    link/warp 00:00', 'test line 2: "link/warp": is no type of link'],
    ['2: eth0: <UP>\n    warp speed 9', 'test line 2: "warp": unknown word of `ip addr`; what -d adds'],
    ['2: eth0: <UP>\n    inet 10.0.0.300/24', 'test line 2: "10.0.0.300/24": should be an address of IPv4'],
    ['2: eth0: <UP>\n    inet6 10.0.0.3/24', 'test line 2: "10.0.0.3/24": should be an address of IPv6'],
    ['2: eth0: <UP>\n    inet 10.0.0.3/24 brd +', 'test line 2: "+": should be an address'],
    ['2: eth0: <UP>\n    inet 10.0.0.3/24 shiny eth0', 'test line 2: "shiny": unknown word of `ip addr`'],
    ['2: eth0: <UP>\n    inet 10.0.0.3/24 eth1', 'test line 2: "eth1": unknown word of `ip addr`'],
    ['2: eth0: <UP>\n  valid_lft forever and ever', 'test line 2: "and": should be "preferred_lft"'],
    ['    inet 10.0.0.3/24 eth0', 'test line 1: "inet": no line of an interface stands before it'],
    ['2: eth0: <UP>\n2: eth1: <UP>', 'test line 2: "eth1": has another number, or another name, than before'],
    ['2: eth0: <UP>\n3: eth0: <UP>', 'test line 2: "eth0": has another number'],
    ['eth0 UP 10.0.0.1/24 warm', 'test line 1: "warm": should be an address'],
    ['default via 10.0.0.1 dev eth0', 'test line 1: "default": no line of an interface'],
    ['[{"ifindex":2,"ifname":"a","operstate":"HOT"}]', 'test: "operstate: "HOT"": should be a state'],
    ['[{"addr_info":[{"local":"10.0.0.1","prefixlen":8}]}]', '"dev: undefined": is missing'],
    ['[{"ifname":"a","addr_info":[{"local":"10.0.0.1","prefixlen":33}]}]', '"prefixlen: 33": should be'],
    ['[{"ifname":"a","addr_info":7}]', '"addr_info: 7": should be a list'],
  ])('a mistake names line and word: %s', (given, message) => {
    expect(() => parseAddrs(given, 'test')).toThrow(message);
  });

  test('nothing but rubbish is never taken for a list, and never throws anything else', () => {
    for (const name of ['plain.txt', 'detail.txt', 'oneline.txt', 'brief.txt', 'kinds.txt']) {
      const lines = text(name).split('\n');
      for (const [i, line] of lines.entries()) {
        const cut = [...lines.slice(0, i), line.slice(0, Math.floor(line.length / 2))].join('\n');
        try {
          parseAddrs(cut, 'cut');
        } catch (error) {
          expect((error as Error).name).toBe('RouteTextError');
          expect((error as Error).message).toContain(`cut line ${i + 1}: "`);
        }
      }
    }
  });
});

describe('routes with interfaces and addresses', () => {
  const folder = mkdtempSync(join(tmpdir(), 'nstap-addr-'));
  afterAll(() => rmSync(folder, { recursive: true }));
  const file = (name: string, content: string): string => {
    writeFileSync(join(folder, name), content);
    return join(folder, name);
  };
  const load = (routes: string, addrs: string, rules?: string): RouteSnapshot =>
    loadSnapshot({
      routes: file('routes', routes),
      addrs: file('addrs', addrs),
      ...(rules === undefined ? {} : { rules: file('rules', rules) }),
    })!;

  test('plain `ip route` and `ip addr` are enough: the table local follows from the addresses', () => {
    const whole = snapshotOfRoutes(text('routes.txt'), 'routes.txt');
    const main = text('routes.txt')
      .split('\n')
      .filter((line) => !line.includes('table local'))
      .join('\n');
    const derived = withAddrs(snapshotOfRoutes(main, 'main'), ALL);
    const local = ({ routes }: RouteSnapshot): string[] =>
      routes
        .filter(({ table }) => table === 255)
        .map(
          (route) =>
            `${route.type} ${route.prefix} ${route.nextHops[0]!.dev} ${route.scope} ${route.metric} ${route.prefsrc}`,
        )
        .sort();
    expect(local(derived)).toEqual(local(whole));
    const answer = decide(new RouteEngine(derived), {
      src: '192.0.2.9',
      dst: '192.0.2.7',
      type: 'Host',
      dev: 'eth0',
    });
    expect(answer).toMatchObject({ type: 'local', verdict: 'deliver', confidence: 'exact' });
  });

  test('a complete list knows which interfaces there are; one of a single family does not', () => {
    const rules =
      '0:\tfrom all lookup local\n9:\tfrom all iif gone lookup 7\n32766:\tfrom all lookup main\n32767:\tfrom all lookup default\n';
    const routes = `${text('routes.txt')}\n10.0.0.0/8 dev eth0 table 7 scope link\n`;
    expect(new RouteEngine(load(routes, text('plain.txt'), rules)).ifIndexOf('gone')).toBe(0);
    expect(new RouteEngine(load(routes, text('v4.txt'), rules)).ifIndexOf('gone')).not.toBe(0);
    expect(load(routes, text('v4.txt'))).toMatchObject({ linksIncomplete: true });
  });

  test('a bridge port is known as one, also without -d', () => {
    const engine = new RouteEngine(load(text('routes.txt'), text('plain.txt')));
    const packet = { src: '10.1.1.9', dst: '10.1.1.1', type: 'Host' as const };
    expect(decide(engine, { ...packet, dev: 'v1' })).toMatchObject({ type: 'not_routed' });
    expect(decide(engine, { ...packet, dev: 'br0' })).toMatchObject({ type: 'local' });
  });

  test('the table of a VRF is told by -d, else by its ports’ local routes', () => {
    const plain = text('kinds.txt').replaceAll(
      /^ {4}(vrf|vrf_slave|vlan|bond|bond_slave|wireguard|ipip|sit|veth) .*\n/gm,
      '',
    );
    const routes =
      'default via 10.5.0.9 dev bond0.5 table 10\n10.5.0.0/24 dev bond0.5 table 10 proto kernel scope link src 10.5.0.1\nlocal 10.5.0.1 dev bond0.5 table 10 proto kernel scope host src 10.5.0.1\n';
    const rules =
      '0:\tfrom all lookup local\n1000:\tfrom all lookup [l3mdev-table]\n32766:\tfrom all lookup main\n32767:\tfrom all lookup default\n';
    for (const addrs of [text('kinds.txt'), plain]) {
      const snapshot = load(routes, addrs, rules);
      expect(byName(snapshot.links).blue).toMatchObject({ kind: 'vrf', vrfTable: 10 });
      const engine = new RouteEngine(snapshot);
      expect(decide(engine, { src: '10.5.0.7', dst: '8.8.8.8', type: 'Host', dev: 'bond0.5' })).toMatchObject(
        {
          rule: 1000,
          table: '10',
          gateway: '10.5.0.9',
        },
      );
    }
  });

  test('--addrs needs routes, and a snapshot has its own', () => {
    const addrs = file('addrs', text('plain.txt'));
    expect(() => loadSnapshot({ addrs })).toThrow(`--addrs: "${addrs}": needs --routes beside it`);
    expect(() => loadSnapshot({ addrs, snapshot: 'x' })).toThrow('has its own interfaces');
  });
});
