import { snapshotLink } from '../support/snapshot-link.ts';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { RouteEngine } from '../../daemon/routes/engine.ts';
import { loadSnapshot, snapshotOfRoutes } from '../../daemon/routes/load-snapshot.ts';
import type { RouteSnapshot } from '../../daemon/routes/snapshot.ts';
import { decide, packetQuery } from './ask.ts';

const fixture = (name: string): string =>
  fileURLToPath(new URL(`../../fixtures/routes/${name}`, import.meta.url));
const lab = JSON.parse(
  readFileSync(new URL('../../fixtures/netlink/lab.snapshot.json', import.meta.url), 'utf8'),
) as RouteSnapshot;

/** A kernel's snapshot of a router: eth0 192.0.2.1/24, eth1 10.0.0.1/24 (and fd00:1::1/64), br0 with port veth1. */
function router(change: (snapshot: RouteSnapshot) => void = () => {}): RouteEngine {
  const snapshot = snapshotOfRoutes(
    `default via 192.0.2.254 dev eth0
192.0.2.0/24 dev eth0 proto kernel scope link src 192.0.2.1
10.0.0.0/24 dev eth1 proto kernel scope link src 10.0.0.1
10.1.0.0/16 nexthop via 10.0.0.2 dev eth1 nexthop via 192.0.2.2 dev eth0
local 127.0.0.0/8 dev lo table local proto kernel scope host src 127.0.0.1
local 192.0.2.1 dev eth0 table local proto kernel scope host src 192.0.2.1
broadcast 192.0.2.255 dev eth0 table local proto kernel scope link src 192.0.2.1
local 10.0.0.1 dev eth1 table local proto kernel scope host src 10.0.0.1
broadcast 10.0.0.255 dev eth1 table local proto kernel scope link src 10.0.0.1
fd00:1::/64 dev eth1 proto kernel metric 256 pref medium
fe80::/64 dev eth0 proto kernel metric 256 pref medium
fe80::/64 dev eth1 proto kernel metric 256 pref medium
default via fe80::99 dev eth0 metric 1024 pref medium
local ::1 dev lo table local proto kernel metric 0 pref medium
local fd00:1::1 dev eth1 table local proto kernel metric 0 pref medium
local fe80::1 dev eth1 table local proto kernel metric 0 pref medium
multicast ff00::/8 dev eth0 table local proto kernel metric 256 pref medium
multicast ff00::/8 dev eth1 table local proto kernel metric 256 pref medium`,
    'router',
  );
  snapshot.source = 'kernel';
  snapshot.links = [
    snapshotLink(1, 'lo'),
    snapshotLink(2, 'eth0'),
    snapshotLink(3, 'eth1'),
    snapshotLink(4, 'br0', { kind: 'bridge' }),
    snapshotLink(5, 'veth1', { kind: 'veth', slaveKind: 'bridge', master: 4 }),
    snapshotLink(6, 'eth1.10', { kind: 'vlan', link: 3 }),
  ];
  const index = new Map(snapshot.links.map(({ name, ifIndex }) => [name, ifIndex]));
  for (const route of snapshot.routes) for (const hop of route.nextHops) hop.ifIndex = index.get(hop.dev!)!;
  snapshot.addresses = [
    { family: 4, ifIndex: 1, address: '127.0.0.1', prefixLen: 8, broadcast: null, scope: 'host' },
    { family: 4, ifIndex: 2, address: '192.0.2.1', prefixLen: 24, broadcast: '192.0.2.255', scope: 'global' },
    { family: 4, ifIndex: 3, address: '10.0.0.1', prefixLen: 24, broadcast: '10.0.0.255', scope: 'global' },
    { family: 6, ifIndex: 3, address: 'fd00:1::1', prefixLen: 64, broadcast: null, scope: 'global' },
    { family: 6, ifIndex: 3, address: 'fe80::1', prefixLen: 64, broadcast: null, scope: 'link' },
  ];
  snapshot.sysctls = {
    forwarding4: true,
    forwarding6: true,
    rpFilterAll: 0,
    interfaces: [1, 2, 3, 4, 5, 6].map((ifIndex) => ({
      ifIndex,
      forwarding4: true,
      forwarding6: true,
      rpFilter: 0,
      ignoreLinkdown4: false,
      ignoreLinkdown6: false,
    })),
  };
  change(snapshot);
  return new RouteEngine(snapshot);
}

describe('a pasted laptop table', () => {
  const engine = new RouteEngine(loadSnapshot({ routes: fixture('laptop.txt') })!);

  test('an own packet goes to the gateway', () => {
    expect(decide(engine, { src: '192.168.0.31', dst: '8.8.8.8' })).toEqual({
      type: 'unicast',
      verdict: 'send',
      rule: 32766,
      table: 'main',
      prefix: '0.0.0.0/0',
      gateway: '192.168.0.1',
      dev: 'wlp0s20f3',
      scope: 'global',
      protocol: 'dhcp',
      metric: 600,
      prefsrc: null,
      stage: 'output',
      observed: 'n/a',
      confidence: 'exact',
      reason: null,
      text: 'default via 192.168.0.1 dev wlp0s20f3 proto dhcp metric 600',
    });
  });

  test.each([
    ['172.17.0.9', '172.17.0.0/16', 'docker0'],
    ['172.64.2.200', '172.64.2.0/24', 'wg0'],
    ['192.168.122.7', '192.168.122.0/24', 'virbr0'],
    ['169.254.9.9', '169.254.0.0/16', 'virbr0'],
    ['192.168.0.99', '192.168.0.0/24', 'wlp0s20f3'],
  ])('to %s: the longest prefix %s wins, dev %s, also without carrier', (dst, prefix, dev) => {
    expect(decide(engine, { src: '192.168.0.31', dst })).toMatchObject({
      type: 'unicast',
      prefix,
      dev,
      gateway: null,
      confidence: 'exact',
    });
  });

  test('an address in the table local is local for certain', () => {
    expect(decide(engine, { src: '172.17.0.2', dst: '172.17.0.1', type: 'Host' })).toMatchObject({
      type: 'local',
      verdict: 'deliver',
      rule: 0,
      table: 'local',
      stage: 'input',
      confidence: 'exact',
      reason: null,
    });
  });

  test('an address that is a preferred source alone is local by assumption, and says why', () => {
    const decision = decide(engine, { src: '8.8.8.8', dst: '192.168.0.31' });
    expect(decision).toMatchObject({
      type: 'local',
      verdict: 'deliver',
      table: 'local',
      prefix: '192.168.0.31/32',
      dev: 'wlp0s20f3',
      confidence: 'assumed',
    });
    expect(decision.reason).toContain('preferred source');
  });

  test('the broadcast address of such a network is one too', () => {
    expect(decide(engine, { src: '192.168.0.7', dst: '192.168.0.255' })).toMatchObject({
      type: 'broadcast',
      confidence: 'assumed',
    });
    expect(decide(engine, { src: '192.168.0.31', dst: '172.17.0.0' })).toMatchObject({
      type: 'broadcast',
      confidence: 'exact',
    });
  });

  test('a stranger’s packet to a stranger is forwarded by assumption: text does not say whether', () => {
    expect(decide(engine, { src: '8.8.8.8', dst: '9.9.9.9', type: 'Host' })).toMatchObject({
      verdict: 'forward',
      stage: 'input',
      confidence: 'assumed',
      reason: expect.stringContaining('forwards'),
    });
  });
});

describe('stages', () => {
  const engine = router();

  test('outgoing with an own source is output, and agrees with the device it was seen on', () => {
    expect(decide(engine, { src: '192.0.2.1', dst: '8.8.8.8', type: 'Outgoing', dev: 'eth0' })).toMatchObject(
      {
        stage: 'output',
        verdict: 'send',
        dev: 'eth0',
        observed: 'agrees',
        confidence: 'exact',
      },
    );
  });

  test('outgoing by another device differs, and is assumed to have a reason', () => {
    expect(decide(engine, { src: '192.0.2.1', dst: '8.8.8.8', type: 'Outgoing', dev: 'eth1' })).toMatchObject(
      {
        dev: 'eth0',
        observed: 'differs',
        confidence: 'assumed',
        reason: expect.stringContaining('bound socket'),
      },
    );
  });

  test('outgoing with a foreign source is forward', () => {
    expect(decide(engine, { src: '10.0.0.9', dst: '8.8.8.8', type: 'Outgoing', dev: 'eth0' })).toMatchObject({
      stage: 'forward',
      verdict: 'forward',
      observed: 'agrees',
      confidence: 'exact',
    });
  });

  test('incoming for this host is input and delivered', () => {
    expect(decide(engine, { src: '10.0.0.9', dst: '192.0.2.1', type: 'Host', dev: 'eth1' })).toMatchObject({
      stage: 'input',
      type: 'local',
      verdict: 'deliver',
      observed: 'n/a',
    });
  });

  test('incoming for others is forwarded where forwarding is on, else dropped with a reason', () => {
    const packet = { src: '10.0.0.9', dst: '8.8.8.8', type: 'Host', dev: 'eth1' } as const;
    expect(decide(engine, packet)).toMatchObject({
      type: 'unicast',
      verdict: 'forward',
      gateway: '192.0.2.254',
    });
    const off = router((snapshot) => {
      snapshot.sysctls.interfaces[2]!.forwarding4 = false;
    });
    expect(decide(off, packet)).toMatchObject({
      type: 'unicast',
      verdict: 'drop',
      reason:
        'not for this host, and forwarding is off on eth1 (net.ipv4.conf.eth1.forwarding = 0; ip_forward sets it)',
    });
    // The setting is the interface's: the other one still forwards.
    expect(decide(off, { ...packet, src: '192.0.2.9', dst: '10.0.0.7', dev: 'eth0' })).toMatchObject({
      verdict: 'forward',
    });
  });

  test('what comes in a broadcast or multicast frame is delivered, but not forwarded', () => {
    for (const type of ['Broadcast', 'Multicast'] as const) {
      expect(decide(engine, { src: '10.0.0.9', dst: '192.0.2.1', type, dev: 'eth1' })).toMatchObject({
        verdict: 'deliver',
      });
      for (const [src, dst] of [
        ['10.0.0.9', '8.8.8.8'],
        ['fd00:1::9', 'fd00:9::9'],
      ] as const)
        expect(decide(engine, { src, dst, type, dev: 'eth1' })).toMatchObject({
          verdict: 'drop',
          reason: expect.stringContaining('broadcast or multicast frame'),
        });
    }
  });

  test('other hosts’ packets and bridge ports are not routed', () => {
    expect(
      decide(engine, { src: '10.0.0.9', dst: '10.0.0.8', type: 'OtherHost', dev: 'eth1' }),
    ).toMatchObject({
      type: 'not_routed',
      verdict: null,
      stage: null,
      prefix: null,
      reason: null,
    });
    expect(decide(engine, { src: '10.0.0.9', dst: '10.0.0.1', type: 'Host', dev: 'veth1' })).toMatchObject({
      type: 'not_routed',
    });
    expect(decide(engine, { src: '10.0.0.9', dst: '10.0.0.1', type: 'Host', dev: 'br0' })).toMatchObject({
      type: 'local',
    });
  });

  test('a plain capture: an own source is output, anything else input', () => {
    expect(decide(engine, { src: '192.0.2.1', dst: '8.8.8.8' })).toMatchObject({
      stage: 'output',
      observed: 'n/a',
    });
    expect(decide(engine, { src: '8.8.8.8', dst: '192.0.2.1' })).toMatchObject({
      stage: 'input',
      verdict: 'deliver',
    });
  });

  test('on lo, what was sent to an own address is delivered, though a loopback source from outside is martian', () => {
    expect(decide(engine, { src: '127.0.0.1', dst: '127.0.0.1', type: 'Host', dev: 'lo' })).toMatchObject({
      type: 'local',
      verdict: 'deliver',
      stage: 'input',
    });
    expect(decide(engine, { src: '192.0.2.1', dst: '192.0.2.1', type: 'Host', dev: 'lo' })).toMatchObject({
      verdict: 'deliver',
    });
    expect(decide(engine, { src: '127.0.0.1', dst: '192.0.2.1', type: 'Host', dev: 'eth0' })).toMatchObject({
      type: 'martian',
    });
  });

  test('a VLAN’s packets are seen on the device below it, too', () => {
    const vlan = router((snapshot) => {
      for (const route of snapshot.routes)
        if (route.prefix === '10.0.0.0/24')
          route.nextHops[0] = { ...route.nextHops[0]!, ifIndex: 6, dev: 'eth1.10' };
    });
    for (const dev of ['eth1.10', 'eth1'])
      expect(decide(vlan, { src: '10.0.0.1', dst: '10.0.0.7', type: 'Outgoing', dev })).toMatchObject({
        observed: 'agrees',
      });
    expect(decide(vlan, { src: '10.0.0.1', dst: '10.0.0.7', type: 'Outgoing', dev: 'eth0' })).toMatchObject({
      observed: 'differs',
    });
  });
});

describe('broadcast, multicast and addresses that no packet should have', () => {
  const engine = router();
  const input = (src: string, dst: string, dev = 'eth0') => decide(engine, { src, dst, type: 'Host', dev });

  test('DHCP goes out before there is an address', () => {
    expect(
      decide(engine, { src: '0.0.0.0', dst: '255.255.255.255', type: 'Outgoing', dev: 'eth0' }),
    ).toMatchObject({
      type: 'broadcast',
      verdict: 'send',
      stage: 'output',
      dev: 'eth0',
      observed: 'agrees',
    });
  });

  test('groups are sent by the device of the source', () => {
    expect(
      decide(engine, { src: '10.0.0.1', dst: '224.0.0.251', type: 'Outgoing', dev: 'eth1' }),
    ).toMatchObject({
      type: 'multicast',
      verdict: 'send',
      dev: 'eth1',
      prefix: null,
      observed: 'agrees',
      confidence: 'exact',
    });
    expect(
      decide(engine, { src: '10.0.0.1', dst: '224.0.0.251', type: 'Outgoing', dev: 'eth0' }),
    ).toMatchObject({
      observed: 'differs',
      confidence: 'assumed',
    });
  });

  test('incoming broadcasts are delivered; of groups only 224.0.0.1 for certain', () => {
    expect(input('192.0.2.9', '192.0.2.255')).toMatchObject({
      type: 'broadcast',
      verdict: 'deliver',
      prefix: '192.0.2.255/32',
    });
    expect(input('192.0.2.9', '255.255.255.255')).toMatchObject({
      type: 'broadcast',
      verdict: 'deliver',
      prefix: null,
      dev: 'eth0',
    });
    expect(input('192.0.2.9', '224.0.0.1')).toMatchObject({
      type: 'multicast',
      verdict: 'deliver',
      confidence: 'exact',
    });
    expect(input('192.0.2.9', '239.1.1.1')).toMatchObject({
      type: 'multicast',
      verdict: 'deliver',
      confidence: 'assumed',
    });
  });

  test.each([
    ['224.0.0.5', '192.0.2.1', 'multicast or broadcast'],
    ['255.255.255.255', '192.0.2.1', 'multicast or broadcast'],
    ['0.0.0.0', '192.0.2.1', '0.0.0.0'],
    ['127.0.0.1', '192.0.2.1', 'loopback source'],
    ['8.8.8.8', '127.0.0.1', 'loopback destination'],
    ['192.0.2.1', '10.0.0.1', 'address of this host'],
  ])('from %s to %s is martian', (src, dst, reason) => {
    expect(input(src, dst)).toMatchObject({
      type: 'martian',
      verdict: 'drop',
      stage: 'input',
      prefix: null,
      reason: expect.stringContaining(reason),
    });
  });

  test.each([
    ['::1', 'fd00:1::1', 'loopback address ::1'],
    ['ff02::5', 'fd00:1::1', 'a multicast'],
    ['fd00:9::9', '::1', 'loopback address ::1'],
  ])('IPv6 from %s to %s is martian: %s', (src, dst, reason) => {
    expect(input(src, dst, 'eth1')).toMatchObject({
      type: 'martian',
      verdict: 'drop',
      reason: expect.stringContaining(reason),
    });
  });
});

describe('reverse path filter', () => {
  const filtered = (all: number, own: number): RouteEngine =>
    router((snapshot) => {
      snapshot.sysctls.rpFilterAll = all;
      snapshot.sysctls.interfaces[2]!.rpFilter = own;
    });
  // The way back to 192.0.2.9 is eth0, and the packet came in by eth1.
  const packet = { src: '192.0.2.9', dst: '10.0.0.1', type: 'Host', dev: 'eth1' } as const;

  test('strict drops what would go back another way; loose does not', () => {
    expect(decide(filtered(0, 0), packet)).toMatchObject({ verdict: 'deliver' });
    expect(decide(filtered(0, 1), packet)).toMatchObject({
      type: 'martian',
      reason: expect.stringContaining('strict'),
    });
    expect(decide(filtered(0, 2), packet)).toMatchObject({ verdict: 'deliver' });
  });

  test('the larger of all and the interface counts, so that loose wins over strict', () => {
    expect(decide(filtered(1, 0), packet)).toMatchObject({ type: 'martian' });
    expect(decide(filtered(2, 1), packet)).toMatchObject({ verdict: 'deliver' });
  });

  test('loose drops what has no way back at all', () => {
    const noDefault = router((snapshot) => {
      snapshot.routes = snapshot.routes.filter((route) => route.prefix !== '0.0.0.0/0');
      snapshot.sysctls.rpFilterAll = 2;
    });
    expect(decide(noDefault, { ...packet, src: '8.8.8.8' })).toMatchObject({
      type: 'martian',
      reason: expect.stringContaining('loose'),
    });
  });
});

describe('several next hops', () => {
  const engine = router();

  test('the one that it was seen leaving by is certain', () => {
    expect(decide(engine, { src: '10.0.0.1', dst: '10.1.2.3', type: 'Outgoing', dev: 'eth1' })).toMatchObject(
      {
        gateway: '10.0.0.2',
        dev: 'eth1',
        observed: 'agrees',
        confidence: 'exact',
      },
    );
    expect(decide(engine, { src: '10.0.0.1', dst: '10.1.2.3', type: 'Outgoing', dev: 'eth0' })).toMatchObject(
      {
        gateway: '192.0.2.2',
        dev: 'eth0',
        observed: 'agrees',
        confidence: 'exact',
      },
    );
  });

  test('before it leaves, one of them is assumed', () => {
    expect(decide(engine, { src: '192.0.2.9', dst: '10.1.2.3', type: 'Host', dev: 'eth0' })).toMatchObject({
      verdict: 'forward',
      prefix: '10.1.0.0/16',
      confidence: 'assumed',
      reason: expect.stringContaining('2 next hops'),
    });
  });

  test('a dead one is not chosen', () => {
    const halfDead = router((snapshot) => {
      for (const route of snapshot.routes) if (route.nextHops.length === 2) route.nextHops[0]!.dead = true;
    });
    expect(decide(halfDead, { src: '192.0.2.9', dst: '10.1.2.3', type: 'Host', dev: 'eth0' })).toMatchObject({
      gateway: '192.0.2.2',
      confidence: 'exact',
    });
  });

  test('a route whose next hops are all dead gives way to a shorter prefix', () => {
    const allDead = router((snapshot) => {
      for (const route of snapshot.routes)
        if (route.nextHops.length === 2) for (const hop of route.nextHops) hop.dead = true;
    });
    expect(decide(allDead, { src: '192.0.2.1', dst: '10.1.2.3' })).toMatchObject({ prefix: '0.0.0.0/0' });
  });

  test('a route without carrier counts unless the interface ignores such routes', () => {
    const linkdown = (ignore: boolean): RouteEngine =>
      router((snapshot) => {
        for (const route of snapshot.routes)
          if (route.prefix === '10.0.0.0/24') route.nextHops[0]!.linkdown = true;
        snapshot.sysctls.interfaces[2]!.ignoreLinkdown4 = ignore;
      });
    expect(decide(linkdown(false), { src: '10.0.0.1', dst: '10.0.0.7' })).toMatchObject({
      prefix: '10.0.0.0/24',
    });
    expect(decide(linkdown(true), { src: '10.0.0.1', dst: '10.0.0.7' })).toMatchObject({
      prefix: '0.0.0.0/0',
    });
  });
});

describe('policy rules', () => {
  const engine = new RouteEngine(
    loadSnapshot({ routes: fixture('policy.routes.txt'), rules: fixture('policy.rules.txt') })!,
  );
  const from = (src: string, dst: string, more: object = {}) =>
    decide(engine, { src, dst, type: 'Host', dev: 'eth0', ...more });

  test('by source, and on to the next rule behind a throw route', () => {
    expect(from('10.1.2.3', '8.8.8.8')).toMatchObject({ rule: 100, table: '100', gateway: '10.9.9.1' });
    expect(from('10.1.2.3', '10.72.1.1')).toMatchObject({ rule: 190, table: 'main', prefix: '10.0.0.0/8' });
  });

  test('a rule’s own verdict', () => {
    expect(from('10.2.0.1', '10.66.1.1')).toMatchObject({
      type: 'prohibit',
      verdict: 'drop',
      rule: 120,
      table: null,
      prefix: null,
    });
    expect(from('10.2.0.1', '200.1.1.1')).toMatchObject({ type: 'unreachable', rule: 130 });
    expect(from('10.2.0.1', '10.67.1.1')).toMatchObject({ type: 'unicast', prefix: '10.0.0.0/8' });
    expect(from('10.2.0.1', '10.68.1.1')).toMatchObject({ type: 'blackhole', rule: 170 });
  });

  test('goto jumps over a rule', () => {
    expect(from('10.2.0.1', '10.68.1.1', { tos: 0x10 })).toMatchObject({
      type: 'unicast',
      prefix: '10.68.0.0/16',
      rule: 190,
    });
  });

  test('a suppressed default route leaves it to a later rule', () => {
    expect(from('10.2.0.1', '8.8.8.8')).toMatchObject({ rule: 32766, prefix: '0.0.0.0/0' });
    expect(from('10.2.0.1', '10.3.3.3')).toMatchObject({ rule: 190, prefix: '10.0.0.0/8' });
  });

  test('a blackhole route is not suppressed and drops', () => {
    expect(from('10.2.0.1', '10.71.1.1')).toMatchObject({
      type: 'blackhole',
      verdict: 'drop',
      prefix: '10.71.0.0/16',
      rule: 190,
    });
  });

  test('a mark that may matter makes the answer an assumption, and one that cannot does not', () => {
    const doubtful = from('10.2.0.1', '10.50.1.1');
    expect(doubtful).toMatchObject({ table: 'main', confidence: 'assumed' });
    expect(doubtful.reason).toContain('fwmark 0x1/0xff');
    expect(from('10.2.0.1', '10.50.1.1', { mark: 0 })).toMatchObject({
      table: 'main',
      reason: expect.not.stringContaining('fwmark'),
    });
    expect(from('10.2.0.1', '10.50.1.1', { mark: 0x101 })).toMatchObject({ rule: 110, table: '200' });
    expect(from('10.2.0.1', '10.3.1.1').reason ?? '').not.toContain('fwmark');
  });

  test('ports are known of a captured packet', () => {
    expect(from('10.2.0.1', '10.51.1.1', { proto: 6, dport: 443 })).toMatchObject({ rule: 140 });
    expect(from('10.2.0.1', '10.51.1.1', { proto: 17, dport: 443 })).toMatchObject({ rule: 190 });
  });

  test('a fragment that comes in shows the kernel no port; where its datagram’s port would decide, that is assumed', () => {
    const fragment = (more: object) => from('10.2.0.1', '10.51.1.1', { proto: 6, isFragment: true, ...more });
    const assumed = {
      rule: 190,
      confidence: 'assumed',
      reason: expect.stringMatching(/^rule 140: .* a fragment/),
    };
    expect(fragment({ dport: 443 })).toMatchObject(assumed);
    expect(fragment({})).toMatchObject(assumed);
    expect(fragment({ dport: 80 }).reason ?? '').not.toContain('fragment');
    expect(fragment({ proto: 17 }).reason ?? '').not.toContain('fragment');
  });

  test('the sender’s uid is not known of what this host sends, and 0 for what it receives', () => {
    expect(decide(engine, { src: '192.0.2.10', dst: '10.52.1.1' })).toMatchObject({
      table: 'main',
      confidence: 'assumed',
      reason: expect.stringContaining('uid'),
    });
    expect(from('10.2.0.1', '10.52.1.1').reason ?? '').not.toContain('uid');
  });

  test('an ingress interface that is not known makes iif rules an assumption', () => {
    const forwarded = decide(engine, { src: '10.2.0.1', dst: '8.8.8.8', type: 'Outgoing', dev: 'eth0' });
    expect(forwarded).toMatchObject({
      stage: 'forward',
      confidence: 'assumed',
      reason: expect.stringContaining('iif eth9'),
    });
  });

  test('an explanation names each rule that was tried', () => {
    const q = packetQuery(engine, { src: '10.2.0.1', dst: '10.3.3.3', type: 'Host', dev: 'eth0', mark: 0 });
    const { steps, decision } = engine.explain(q);
    expect(decision.rule).toBe(190);
    expect(steps.map(({ rule, matched, why, table, prefix }) => [rule, matched, why, table, prefix])).toEqual(
      [
        [0, true, 'no route in the table', 'local', null],
        [90, false, 'iif does not match', null, null],
        [100, false, 'from does not match', null, null],
        [110, false, 'fwmark does not match', null, null],
        [120, false, 'to does not match', null, null],
        [130, false, 'the negated selector matches', null, null],
        [140, false, 'ipproto does not match', null, null],
        [150, false, 'uidrange does not match', null, null],
        [160, false, 'tos does not match', null, null],
        [170, false, 'to does not match', null, null],
        [180, true, 'does nothing', null, null],
        [190, true, 'route found', 'main', '10.0.0.0/8'],
      ],
    );
  });
});

describe('IPv6', () => {
  const engine = router();

  test('a link-local destination is looked up on the device that it was seen on', () => {
    for (const dev of ['eth0', 'eth1'])
      expect(decide(engine, { src: 'fe80::1', dst: 'fe80::77', type: 'Outgoing', dev })).toMatchObject({
        prefix: 'fe80::/64',
        dev,
        observed: 'agrees',
      });
  });

  test('a neighbour solicitation without a source is this host’s own', () => {
    expect(decide(engine, { src: '::', dst: 'ff02::1:ff00:1', type: 'Outgoing', dev: 'eth1' })).toMatchObject(
      {
        type: 'multicast',
        stage: 'output',
        verdict: 'send',
        dev: 'eth1',
      },
    );
  });

  test('groups come in on their own device; only all nodes for certain', () => {
    expect(decide(engine, { src: 'fe80::2', dst: 'ff02::1', type: 'Multicast', dev: 'eth1' })).toMatchObject({
      type: 'multicast',
      verdict: 'deliver',
      confidence: 'exact',
    });
    expect(decide(engine, { src: 'fe80::2', dst: 'ff02::fb', type: 'Multicast', dev: 'eth1' })).toMatchObject(
      { verdict: 'deliver', confidence: 'assumed' },
    );
  });

  test('forwarding is the setting of all; a link-local source must not leave its link', () => {
    const packet = { src: 'fd00:1::9', dst: '2001:db8::1', type: 'Host', dev: 'eth1' } as const;
    expect(decide(engine, packet)).toMatchObject({ verdict: 'forward', gateway: 'fe80::99' });
    const off = router((snapshot) => {
      snapshot.sysctls.forwarding6 = false;
    });
    expect(decide(off, packet)).toMatchObject({ verdict: 'drop', type: 'unicast' });
    expect(decide(engine, { ...packet, src: 'fe80::9' })).toMatchObject({
      verdict: 'drop',
      reason: 'the source address must not leave its link',
    });
  });
});

describe('the engine', () => {
  test('gives equal answers one number, and different ones another', () => {
    const engine = router();
    const id = (dst: string): number => engine.lookup(packetQuery(engine, { src: '192.0.2.1', dst }));
    expect(id('8.8.8.8')).toBe(0);
    expect(id('10.0.0.7')).toBe(1);
    expect(id('9.9.9.9')).toBe(0);
    expect(engine.decision(0)).toEqual(engine.decision(0));
    expect(() => engine.decision(2)).toThrow(RangeError);
  });

  test('keeps its numbers when there are many', () => {
    const lines = Array.from(
      { length: 3000 },
      (_, i) => `10.${i >> 8}.${i & 255}.0/24 via 192.0.2.1 dev eth0 metric ${i + 1}`,
    );
    const engine = new RouteEngine(snapshotOfRoutes(lines.join('\n'), 'many'));
    const ask = (i: number): number =>
      engine.lookup(packetQuery(engine, { src: '1.1.1.1', dst: `10.${i >> 8}.${i & 255}.9` }));
    const first = lines.map((_, i) => ask(i));
    expect(new Set(first).size).toBe(3000);
    expect(lines.map((_, i) => ask(i))).toEqual(first);
    expect(engine.decision(first[2999]!).metric).toBe(3000);
  });

  test('an IPv4 query does not read what an IPv6 one left behind', () => {
    const engine = router();
    const q = packetQuery(engine, { src: '192.0.2.1', dst: '8.8.8.8' });
    const clean = engine.lookup(q);
    q.src.set([7, 7, 7], 1);
    q.dst.set([7, 7, 7], 1);
    expect(engine.lookup(q)).toBe(clean);
  });

  test('a route by a blackhole nexthop object drops', () => {
    const engine = new RouteEngine(lab);
    expect(decide(engine, { src: '10.9.0.1', dst: '10.6.1.1' })).toMatchObject({
      type: 'blackhole',
      verdict: 'drop',
      prefix: '10.6.0.0/16',
    });
  });

  test('a route by a nexthop object that is not known is an assumption', () => {
    const engine = router((snapshot) => {
      for (const route of snapshot.routes)
        if (route.prefix === '10.1.0.0/16') {
          route.nhid = 42;
          route.nextHops = [];
        }
    });
    expect(decide(engine, { src: '192.0.2.1', dst: '10.1.1.1' })).toMatchObject({
      prefix: '10.1.0.0/16',
      dev: null,
      confidence: 'assumed',
      reason: expect.stringContaining('42'),
    });
  });

  test('a snapshot without a single route says no_route and why', () => {
    const engine = router((snapshot) => {
      snapshot.routes = [];
    });
    expect(decide(engine, { src: '192.0.2.1', dst: '8.8.8.8' })).toMatchObject({
      type: 'no_route',
      verdict: 'drop',
      prefix: null,
      text: null,
      reason: expect.stringContaining('ENETUNREACH'),
    });
  });

  test('a longer prefix in main wins over the table local until there is a rule, by assumption', () => {
    const text = `local 10.0.0.0/8 dev lo table local scope host
10.1.0.0/16 via 192.0.2.2 dev eth0
192.0.2.0/24 dev eth0 proto kernel scope link src 192.0.2.1`;
    const merged = new RouteEngine(snapshotOfRoutes(text, 'merged'));
    expect(decide(merged, { src: '192.0.2.1', dst: '10.1.1.1' })).toMatchObject({
      type: 'unicast',
      confidence: 'assumed',
    });
    expect(decide(merged, { src: '192.0.2.1', dst: '10.2.1.1' })).toMatchObject({ type: 'local' });
    const snapshot = snapshotOfRoutes(text, 'split');
    snapshot.rules.push({ ...snapshot.rules[0]!, priority: 500, from: '172.16.0.0/12', table: 100 });
    expect(decide(new RouteEngine(snapshot), { src: '192.0.2.1', dst: '10.1.1.1' })).toMatchObject({
      type: 'local',
    });
  });
});
