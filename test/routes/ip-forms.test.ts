import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { parseRules, snapshotOfRoutes } from '../../daemon/routes/load-snapshot.ts';
import { parseRouteText } from '../../daemon/routes/route-text.ts';
import { parseRuleText } from '../../daemon/routes/rule-text.ts';
import type { SnapshotRoute, SnapshotRule } from '../../daemon/routes/snapshot.ts';

const text = (name: string): string =>
  readFileSync(new URL(`../../fixtures/routes/ip/${name}`, import.meta.url), 'utf8');
const routes = (name: string): SnapshotRoute[] => snapshotOfRoutes(text(name), name).routes;
const rules = (name: string): SnapshotRule[] => parseRules(text(name), name);
const byPrefix = (list: readonly SnapshotRoute[]) =>
  Object.fromEntries(list.map((route) => [route.prefix, route]));
const rule = (line: string): SnapshotRule => parseRuleText(line, 'test')[0]!;

describe('ip route in all its forms', () => {
  const plain = routes('routes-plain.txt');

  test.each([
    'routes-detail.txt',
    'routes-numeric.txt',
    'routes-oneline.txt',
    'routes-oneline-detail.txt',
    'routes-plain.json',
    'routes-detail.json',
    'routes-numeric.json',
  ])('%s says the same as the plain text', (name) => {
    expect(routes(name)).toEqual(plain);
  });

  test('what `encap` says of the tunnel is not taken for the route’s own', () => {
    expect(byPrefix(plain)).toMatchObject({
      '10.25.0.0/16': { nextHops: [{ gateway: '10.9.0.2', dev: 'd0' }] },
      'fd27::/16': { nextHops: [{ gateway: null, dev: 'd0' }], metric: 1024 },
      'fd28::/16': { nextHops: [{ gateway: null, dev: 'd0' }] },
    });
    const endT =
      '[{"dst":"fd40::/16","encap":"seg6local","action":"End.T","table":"77","dev":"d0","metric":1024,"flags":[]}]';
    expect(snapshotOfRoutes(endT, 'json').routes[0]).toMatchObject({ table: 254, prefix: 'fd40::/16' });
    const hops =
      '[{"dst":"10.0.0.0/8","nexthops":[{"encap":"ip","id":1,"dst":"192.0.2.1","gateway":"10.9.0.2","dev":"d0"},{"dev":"d1"}]}]';
    expect(snapshotOfRoutes(hops, 'json').routes[0]).toMatchObject({
      prefix: '10.0.0.0/8',
      nextHops: [{ gateway: '10.9.0.2', dev: 'd0' }, { dev: 'd1' }],
    });
  });

  test('metrics, realms, expiry, TOS, source prefixes, next hop objects', () => {
    expect(byPrefix(plain)).toMatchObject({
      '10.20.0.0/16': { metric: null, nextHops: [{ gateway: '10.9.0.2' }] },
      '10.22.0.0/16': { nextHops: [{ dev: 'd0' }] },
      '10.23.0.0/16': { protocol: '77', scope: '42' },
      '10.24.0.0/16': { tos: 16, scope: 'link' },
      '10.30.0.0/16': { nextHops: [{ weight: 3 }, { weight: 1, onlink: true }] },
      '10.31.0.0/16': { table: 100, nextHops: [{ gateway: 'fe80::1', gatewayFamily: 6 }] },
      '10.33.0.0/16': { nhid: 5 },
      '10.34.0.0/16': { type: 'blackhole', nhid: 6 },
      '10.36.0.0/16': { type: 'throw', table: 100, nextHops: [] },
      '10.37.0.0/16': { metric: 4294967295, prefsrc: '10.9.0.1' },
      'fd29::/16': { metric: 1024, pref: 'high' },
      'fd30::/16': { nextHops: [{ weight: 3 }, { weight: 1 }] },
      'fd31::/16': { from: 'fd32::/16' },
      'fd33::/16': { type: 'unreachable' },
      'fd34::1/128': { type: 'anycast', table: 255 },
    });
  });

  test.each([
    ['10.0.0.0/8 dev e features ecn tcp_usec_ts initcwnd 10', {}],
    ['10.0.0.0/8 dev e features 0x8 metric 5', { metric: 5 }],
    ['10.0.0.0/8 encap mpls  100/200 via inet 10.9.0.2 dev e proto static', { protocol: 'static' }],
    ['10.0.0.0/8  encap xfrm if_id 0x1 link_dev eth0 dev e metric 3', { metric: 3 }],
    ['10.0.0.0/8  encap bpf out obj/lwt.o section out dev e', {}],
    ['10.0.0.0/8 tos EF dev e', { tos: 0xb8 }],
    ['10.0.0.0/8 tos 0xef dev e', { tos: 0xef }],
    ['10.0.0.0/8 dev e proto 2 scope 253', { protocol: 'kernel', scope: 'link' }],
    ['10.0.0.0/8 dev e proto kernel_of_another_host', { protocol: 'kernel_of_another_host' }],
    ['10.0.0.1 via 10.9.0.2 dev d0 src 10.9.0.1 uid 0', { prefsrc: '10.9.0.1' }],
    ['8 fd00::/8 dev lo metric 1024', { type: 'prohibit', prefix: 'fd00::/8' }],
  ])('%s', (line, expected) => {
    expect(parseRouteText(line, 'test')).toMatchObject([expected]);
  });

  test('several outputs of -j behind each other are one', () => {
    const both = snapshotOfRoutes('[{"dst":"10.0.0.0/8","dev":"e"}]\n[{"dst":"fd00::/8","dev":"e"}]\n', 'j');
    expect(both.routes.map(({ family }) => family)).toEqual([4, 6]);
    expect(() => snapshotOfRoutes('[{"dst":"10.0.0.0/8","type":"shiny"}]', 'j')).toThrow(
      'j: "type: "shiny"": should be a type of route',
    );
  });
});

describe('ip rule in all its forms', () => {
  const plain = rules('rules-plain.txt');

  test.each([
    'rules-detail.txt',
    'rules-numeric.txt',
    'rules-plain.json',
    'rules-detail.json',
    'rules-numeric.json',
  ])('%s says the same as the plain text', (name) => {
    expect(rules(name)).toEqual(plain);
  });

  test('both families, every selector and action', () => {
    const of = (family: number, priority: number) =>
      plain.find((entry) => entry.family === family && entry.priority === priority);
    expect(plain.filter(({ family }) => family === 6).map(({ priority }) => priority)).toEqual([
      0, 100, 101, 102, 32766,
    ]);
    expect(of(4, 100)).toMatchObject({ tos: 16, fwmark: 1, fwmask: 255, uidRange: [0, 10], sport: [1, 2] });
    expect(of(4, 102)).toMatchObject({ suppressIfGroup: 5 });
    expect(of(4, 103)).toMatchObject({ action: 'goto', goto: 30000 });
    expect(of(4, 105)).toMatchObject({ action: 'nop' });
    expect(of(4, 107)).toMatchObject({ unsupported: ['tun_id'] });
    expect(of(4, 109)).toMatchObject({ ipProto: 200 });
    expect(of(4, 110)).toMatchObject({ ipProto: 89 });
    expect(of(4, 115)).toMatchObject({ suppressIfGroup: 0 });
    expect([200, 201, 202].map((priority) => of(4, priority)!.action)).toEqual([
      'blackhole',
      'prohibit',
      'unreachable',
    ]);
    expect(of(4, 1000)).toMatchObject({ l3mdev: true });
    expect(of(6, 100)).toMatchObject({ tos: 0x28, ipProto: 58 });
    expect(of(6, 101)).toMatchObject({ tos: 0xb8 });
  });

  test('what newer kernels select by: DSCP by name, and masks, which are not evaluated', () => {
    expect(rule('5:\tfrom all dscp EF lookup main')).toMatchObject({ dscp: 46 });
    expect(rule('5:\tfrom all dscp 10 lookup main')).toMatchObject({ dscp: 10 });
    expect(rule('5:\tfrom all dscp 0x08/0x38 lookup main').unsupported).toEqual(['dscp with a mask']);
    expect(rule('5:\tfrom all sport 0x50/0xf0 dport 80 lookup main')).toMatchObject({
      sport: null,
      dport: [80, 80],
      unsupported: ['sport with a mask'],
    });
    const json = '[{"priority":5,"src":"all","dport":80,"dport_mask":"0xf0","dscp":"AF11","table":"main"}]';
    expect(parseRules(json, 'j')[0]).toMatchObject({
      dport: null,
      dscp: 10,
      unsupported: ['dport with a mask'],
    });
    expect(() => rule('5:\tfrom all dscp 64 lookup main')).toThrow('"64": should be DSCP or DSCP/MASK');
    expect(() => rule('5:\tfrom all 3')).toThrow('"3": unknown word of `ip rule`');
  });

  test('a list without an address and without table default is IPv6’s', () => {
    const list =
      '0:\tfrom all lookup local\n50:\tfrom all fwmark 0x1 lookup 7\n60:\tfrom all iif e lookup 8\n32766:\tfrom all lookup main\n';
    expect(new Set(parseRuleText(list, 'r').map(({ family }) => family))).toEqual(new Set([6]));
    expect(parseRuleText('50:\tfrom all lookup 7\n', 'r')[0]!.family).toBe(4);
  });
});
