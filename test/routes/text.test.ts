import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { formatRoute, formatRule } from '../../daemon/routes/format.ts';
import { LiveRoutes } from '../../daemon/routes/live-snapshot.ts';
import { loadSnapshot, parseRules, snapshotOfRoutes } from '../../daemon/routes/load-snapshot.ts';
import { parseRouteText } from '../../daemon/routes/route-text.ts';
import { defaultRules } from '../../daemon/routes/routing.ts';
import { parseRuleText } from '../../daemon/routes/rule-text.ts';
import type { RouteSnapshot, SnapshotRoute, SnapshotRule } from '../../daemon/routes/snapshot.ts';
import { readSnapshot, writeSnapshot } from '../../daemon/routes/snapshot-file.ts';
import { Lab, labMissing } from '../kernel/lab.ts';
import { ipBatch } from './ip-batch.ts';
import { DEVICES, random, routeCommands } from './random-tables.ts';
import { ruleCommands } from './random-rules.ts';

const missing = labMissing();
const route = (line: string): SnapshotRoute => parseRouteText(line, 'test')[0]!;
const rule = (line: string): SnapshotRule => parseRuleText(line, 'test')[0]!;

describe('text of ip route', () => {
  test('a plain line, with what `ip` leaves out filled in', () => {
    expect(route('10.2.0.0/16 via 10.9.0.1 dev eth0')).toEqual({
      family: 4,
      type: 'unicast',
      table: 254,
      prefix: '10.2.0.0/16',
      from: null,
      tos: 0,
      protocol: 'boot',
      scope: 'global',
      metric: null,
      prefsrc: null,
      pref: null,
      nextHops: [
        {
          gateway: '10.9.0.1',
          gatewayFamily: null,
          dev: 'eth0',
          ifIndex: 0,
          weight: 1,
          onlink: false,
          dead: false,
          linkdown: false,
        },
      ],
      nhid: null,
    });
  });

  test.each([
    ['default dev wg0 scope link', 4, '0.0.0.0/0'],
    ['default via 192.0.2.1 dev eth0', 4, '0.0.0.0/0'],
    ['default via fe80::1 dev eth0 metric 1024', 6, '::/0'],
    ['default dev wg0 metric 1024 pref medium', 6, '::/0'],
    ['default via inet6 fe80::1 dev eth0', 4, '0.0.0.0/0'],
    [
      'default proto static \n\tnexthop via fe80::1 dev eth0 weight 1 \n\tnexthop via fe80::2 dev eth0 weight 1',
      6,
      '::/0',
    ],
    ['default proto static \n\tnexthop via 10.0.0.1 dev eth0 weight 1', 4, '0.0.0.0/0'],
  ])('the family of %s is IPv%s', (text, family, prefix) => {
    expect(route(text)).toMatchObject({ family, prefix });
  });

  test('words that say nothing about the way are skipped, with their values', () => {
    const text =
      '10.0.0.0/8 via 10.9.0.1 dev eth0 proto bgp metric 20 mtu lock 1400 advmss 1300 initcwnd 10 rto_min lock 40ms realm 5 expires 12sec hoplimit 64';
    expect(route(text)).toMatchObject({ protocol: 'bgp', metric: 20 });
    expect(route('10.0.0.0/8 nhid 12 encap mpls 100/200 via 10.9.0.1 dev eth0 onlink')).toMatchObject({
      nhid: 12,
      nextHops: [{ gateway: '10.9.0.1', onlink: true }],
    });
    expect(route('unreachable default dev lo metric 4294967295 error -101 pref medium')).toMatchObject({
      type: 'unreachable',
      family: 6,
      metric: 4294967295,
    });
  });

  test.each([
    [
      '10.0.0.0/8 dev eth0\n10.0.0.300 dev eth0',
      'test line 2: "10.0.0.300": should be "default", an address or a prefix',
    ],
    ['10.0.0.0/33 dev eth0', 'test line 1: "10.0.0.0/33"'],
    ['10.0.0.0/8 via 10.0.0 dev eth0', 'test line 1: "10.0.0": should be an address'],
    ['10.0.0.0/8 dev', 'test line 1: "dev": an interface should follow'],
    ['10.0.0.0/8 dev eth0 table nosuch', 'test line 1: "nosuch": should be a table'],
    ['10.0.0.0/8 dev eth0 metric x', 'test line 1: "x": should be a number'],
    ['10.0.0.0/8 dev eth0 frobnicate', 'test line 1: "frobnicate": unknown word'],
    ['\tnexthop via 10.0.0.1 dev eth0', 'test line 1: "nexthop": no route stands before it'],
  ])('a mistake names line and word: %s', (text, message) => {
    expect(() => parseRouteText(text, 'test')).toThrow(message);
  });

  test('blank lines, comments and the cache line of `route get` are passed over', () => {
    expect(parseRouteText('\n# a note\n\n10.0.0.0/8 dev eth0 \n    cache \n', 'test')).toHaveLength(1);
  });
});

describe('text of ip rule', () => {
  test('every selector', () => {
    const text =
      '100:\tnot from 10.1.0.0/16 to 10.2.0.1 tos 0x10 fwmark 0x1/0xff iif a [detached] oif b uidrange 5-9 ipproto udp sport 1-2 dport 53 lookup 4242 suppress_prefixlength 0 proto static';
    expect(rule(text)).toMatchObject({
      family: 4,
      priority: 100,
      not: true,
      from: '10.1.0.0/16',
      to: '10.2.0.1/32',
      tos: 16,
      fwmark: 1,
      fwmask: 255,
      iif: 'a',
      oif: 'b',
      uidRange: [5, 9],
      ipProto: 17,
      sport: [1, 2],
      dport: [53, 53],
      action: 'lookup',
      table: 4242,
      suppressPrefixLen: 0,
    });
    expect(rule('1000:\tfrom all lookup [l3mdev-table]')).toMatchObject({ l3mdev: true, table: 0 });
    expect(rule('5:\tfrom all goto 100 [unresolved]')).toMatchObject({ action: 'goto', goto: 100 });
    expect(rule('5:\tfrom all tun_id 7 lookup main').unsupported).toEqual(['tun_id']);
  });

  test('lists of both families are told apart', () => {
    const four = '0:\tfrom all lookup local\n32766:\tfrom all lookup main\n32767:\tfrom all lookup default\n';
    const six =
      '0:\tfrom all lookup local\n50:\tfrom all fwmark 0x1 lookup 7\n32766:\tfrom all lookup main\n';
    const families = (text: string): number[] => parseRuleText(text, 'test').map((entry) => entry.family);
    expect(families(four)).toEqual([4, 4, 4]);
    expect(families(four + six)).toEqual([4, 4, 4, 6, 6, 6]);
    expect(families('0:\tfrom all lookup local\n32766:\tfrom all lookup main\n')).toEqual([6, 6]);
    expect(
      families('0:\tfrom all lookup local\n9:\tfrom fd00::/8 lookup 7\n32766:\tfrom all lookup main\n'),
    ).toEqual([6, 6, 6]);
  });

  test.each([
    ['from all lookup main', '"from": should be a preference and a colon'],
    ['0:\tfrom 10.0.0.0/8x lookup main', '"10.0.0.0/8x"'],
    ['0:\tfrom all', '"all": "lookup TABLE" or another action should follow'],
    ['0:\tfrom all flub 3', '"flub": unknown word'],
  ])('a mistake names line and word: %s', (text, message) => {
    expect(() => parseRuleText(text, 'rules.txt')).toThrow(`rules.txt line 1: ${message}`);
  });
});

describe('JSON of ip', () => {
  test('is told from text, and mistakes name the field', () => {
    expect(
      snapshotOfRoutes('[{"dst":"default","gateway":"fe80::1","dev":"e","flags":[]}]', 'r').routes[0],
    ).toMatchObject({ family: 6, prefix: '::/0' });
    expect(() => snapshotOfRoutes('[{"dst":"10.0.0.0/8","metric":"x"}]', 'r.json')).toThrow(
      'r.json: "metric: "x"": should be a number',
    );
    expect(() => snapshotOfRoutes('[{"dev":"e"}]', 'r.json')).toThrow('dst');
    expect(() => snapshotOfRoutes('[{', 'r.json')).toThrow('no JSON');
    expect(() => parseRules('[{"priority":5,"src":"all"}]', 'r.json')).toThrow('rule 5');
  });
});

describe('snapshot files', () => {
  const folder = mkdtempSync(join(tmpdir(), 'nstap-'));
  const file = (name: string, content: string): string => {
    writeFileSync(join(folder, name), content);
    return join(folder, name);
  };
  afterAll(() => rmSync(folder, { recursive: true }));

  test('what was written is read', async () => {
    const snapshot = snapshotOfRoutes('10.0.0.0/8 dev eth0', 'r');
    await writeSnapshot(join(folder, 'a.json'), snapshot);
    expect(readSnapshot(join(folder, 'a.json'))).toEqual(snapshot);
  });

  test('without rules there are those that a namespace starts with; given ones replace them, by family', () => {
    const routes = file('r.txt', 'default dev eth0 scope link\n');
    expect(loadSnapshot({ routes })!.rules).toEqual([...defaultRules(4), ...defaultRules(6)]);
    const rules = file(
      'rules.txt',
      '0:\tfrom all lookup local\n10:\tfrom 10.0.0.0/8 lookup 5\n32766:\tfrom all lookup main\n',
    );
    const loaded = loadSnapshot({ routes, rules })!.rules;
    expect(loaded.filter(({ family }) => family === 4).map(({ priority }) => priority)).toEqual([
      0, 10, 32766,
    ]);
    expect(loaded.filter(({ family }) => family === 6)).toEqual(defaultRules(6));
    expect(loadSnapshot({})).toBeNull();
  });

  test('a wrong file says what is wrong', () => {
    expect(() => readSnapshot(file('x.json', '{"format":"other"}'))).toThrow('is no snapshot of nstap');
    expect(() => readSnapshot(file('y.json', 'hello'))).toThrow('no JSON');
    // One line, whatever is in the file, and what to do.
    expect(() => readSnapshot(file('z.md', '# a\n\nb'))).toThrow(
      /^.*z\.md: "# a": no JSON: .*; a file of `nstap snapshot save` is wanted.*$/,
    );
    expect(() =>
      readSnapshot(file('z.json', '{"format":"nstap-routes-1","links":[],"addresses":[],"rules":[]}')),
    ).toThrow('routes');
    expect(() => loadSnapshot({ routes: file('s.json', '{"format":"nstap-routes-1"}') })).toThrow(
      '--snapshot',
    );
    expect(() => loadSnapshot({ rules: file('r2.txt', '') })).toThrow('needs --routes');
    expect(() => loadSnapshot({ routes: join(folder, 'none') })).toThrow(
      `read ${join(folder, 'none')}: there is no such file (ENOENT)`,
    );
  });
});

describe.skipIf(missing !== null)(
  `the kernel, ip’s text and its JSON${missing === null ? '' : ` (${missing})`}`,
  () => {
    const lab = new Lab('tx');
    let name: string;
    let kernel: RouteSnapshot;

    beforeAll(() => {
      name = lab.add('t');
      lab.sysctl(name, 'net.ipv6.conf.all.accept_dad=0');
      lab.sysctl(name, 'net.ipv6.conf.default.accept_dad=0');
      const setup = DEVICES.flatMap((device, i) => [
        `link add ${device} type veth peer name p${i}`,
        `link set ${device} up`,
        `link set p${i} up`,
        `addr add 10.9.${i}.1/24 brd + dev ${device}`,
        `-6 addr add fd00:9:${i}::1/64 dev ${device} nodad`,
      ]);
      ipBatch(name, setup, false);
      const next = random(4711);
      ipBatch(name, routeCommands(200, next, ['main', '100', '4242', 'default']), true);
      ipBatch(name, ruleCommands(30, next, ['main', '100', '4242']), true);
      lab.ip(name, 'nexthop add id 7 via 10.9.0.9 dev d0');
      lab.ip(name, 'nexthop add id 8 via 10.9.1.9 dev d1');
      lab.ip(name, 'nexthop add id 9 group 7/8');
      lab.ip(name, 'route add 172.16.0.0/16 nhid 9');
      lab.ip(name, 'route add 172.17.0.0/16 nhid 7');
      lab.ip(name, 'link set p3 down');
      lab.exec(name, 'sleep', '0.3');
      const live = new LiveRoutes(name);
      kernel = live.read();
      live.close();
    });
    afterAll(() => lab.close());

    /** What text can say: no interface numbers, and no bare loopback device of IPv6 reject routes' own. */
    const plain = (routes: readonly SnapshotRoute[]): string[] =>
      routes
        .map((entry) => ({ ...entry, nextHops: entry.nextHops.map((hop) => ({ ...hop, ifIndex: 0 })) }))
        .map((entry) => JSON.stringify(entry, Object.keys(entry).sort().concat(HOP_KEYS)))
        .sort();
    const HOP_KEYS = ['gateway', 'gatewayFamily', 'dev', 'ifIndex', 'weight', 'onlink', 'dead', 'linkdown'];

    const outputs = (flags: string): string => lab.ip(name, `${flags}route show table all`.trim());

    test.each([
      ['text', ''],
      ['detailed text', '-d '],
      ['JSON', '-j '],
      ['detailed JSON', '-d -j '],
    ])('%s gives the kernel’s routes', (_what, flags) => {
      const read = snapshotOfRoutes(outputs(flags), 'ip').routes;
      expect(kernel.routes.length).toBeGreaterThan(100);
      expect(plain(read)).toEqual(plain(kernel.routes));
    });

    test.each([
      ['IPv4 text', '-4 ', 4],
      ['IPv6 text', '-6 ', 6],
      ['IPv6 JSON', '-6 -j ', 6],
    ])('%s alone gives one family', (_what, flags, family) => {
      const read = snapshotOfRoutes(outputs(flags), 'ip').routes;
      expect(plain(read)).toEqual(plain(kernel.routes.filter((entry) => entry.family === family)));
    });

    test.each([
      ['text', ''],
      ['JSON', '-j '],
    ])('%s gives the kernel’s rules', (_what, flags) => {
      for (const family of [4, 6]) {
        const read = parseRules(lab.ip(name, `${flags}-${family} rule`), 'ip');
        const expected = kernel.rules.filter((entry) => entry.family === family);
        expect(expected.length).toBeGreaterThan(8);
        expect(read).toEqual(expected);
      }
    });

    test('a route and a rule are printed as `ip` prints them', () => {
      const lines = outputs('')
        .replaceAll(/ *\n\s+nexthop/g, ' nexthop')
        .split('\n')
        .map((line) => line.trim().replaceAll(/ +/g, ' '))
        .filter((line) => line !== '');
      expect(kernel.routes.map(formatRoute).sort()).toEqual(lines.sort());
      const rules = lab
        .ip(name, '-4 rule')
        .trim()
        .replaceAll(' [detached]', '')
        .replaceAll(' [unresolved]', '')
        .split('\n');
      expect(kernel.rules.filter(({ family }) => family === 4).map(formatRule)).toEqual(rules);
    });
  },
);
