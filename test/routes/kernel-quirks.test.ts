import { describe, expect, test } from 'vitest';
import type { RouteEngine } from '../../daemon/routes/engine.ts';
import type { RouteSnapshot } from '../../daemon/routes/snapshot.ts';
import type { RouteDecision } from '../../storage/route-decision.ts';
import { decide, packetQuery } from './ask.ts';
import { addRule, kernelEngine } from './router.ts';

interface Asked {
  dst: string;
  src?: string;
  iif?: string;
  oif?: string;
  uid?: number;
  proto?: number;
  sport?: number;
}

/** Asks as `ip route get` does. */
function ask(engine: RouteEngine, { iif, oif, uid, ...packet }: Asked): RouteDecision {
  const q = packetQuery(engine, {
    ...packet,
    type: iif === undefined ? 'Outgoing' : 'Host',
    ...(iif === undefined ? {} : { dev: iif }),
  });
  q.asked = true;
  if (oif !== undefined) q.oif = engine.ifIndexOf(oif);
  if (uid !== undefined) {
    q.uid = uid;
    q.uidKnown = true;
  }
  return engine.explain(q).decision;
}

/** Makes the routes of a prefix go by a nexthop object. */
const byObject = (prefix: string) => (snapshot: RouteSnapshot) => {
  for (const route of snapshot.routes) if (route.prefix === prefix) route.nhid = 7;
};

describe('a bound socket (oif)', () => {
  const engine = kernelEngine(
    'default via 10.9.0.2 dev d0\nblackhole 10.5.0.0/16\n10.6.0.0/16 via 10.9.1.2 dev d1',
  );

  test('takes routes of its device alone', () => {
    expect(ask(engine, { dst: '8.8.8.8', oif: 'd0' })).toMatchObject({ gateway: '10.9.0.2', dev: 'd0' });
    expect(ask(engine, { dst: '10.6.1.1', oif: 'd1' })).toMatchObject({ prefix: '10.6.0.0/16' });
    expect(ask(engine, { dst: '10.6.1.1', oif: 'd0' })).toMatchObject({ prefix: '0.0.0.0/0' });
  });

  // ip_route_output_key_hash_rcu: "Apparently, routing tables are wrong. Assume, that the destination is on link."
  test('sends on its link where no route says otherwise, even past a blackhole', () => {
    for (const dst of ['8.8.8.8', '10.5.1.1'])
      expect(ask(engine, { dst, oif: 'd2' })).toMatchObject({
        type: 'unicast',
        verdict: 'send',
        dev: 'd2',
        prefix: null,
        confidence: 'exact',
      });
    expect(ask(engine, { dst: '239.1.1.1', oif: 'd2' })).toMatchObject({ type: 'multicast', dev: 'd2' });
    expect(ask(engine, { dst: '255.255.255.255', oif: 'd1' })).toMatchObject({
      type: 'broadcast',
      dev: 'd1',
    });
  });

  test('sends nothing by a device that is down', () => {
    const down = kernelEngine('default via 10.9.0.2 dev d0', (snapshot) => {
      snapshot.links[2]!.flags = 0x1002;
    });
    expect(ask(down, { dst: '8.8.8.8', oif: 'd1' })).toMatchObject({
      type: 'no_route',
      verdict: 'drop',
      reason: expect.stringContaining('d1 is down'),
    });
  });

  test('of IPv6 without a source is strict about it, with one it is not', () => {
    const six = kernelEngine('2001:db8::/32 via fe80::1 dev d0\ndefault via fe80::1 dev d1');
    expect(ask(six, { dst: '2001:db8::9', oif: 'd1' })).toMatchObject({ prefix: '::/0', dev: 'd1' });
    expect(ask(six, { dst: '2001:db8::9', src: '2001:db8::1', oif: 'd1' })).toMatchObject({ dev: 'd0' });
  });
});

describe('rules', () => {
  test('select by uid, and the decision says when it was not known', () => {
    const engine = kernelEngine(
      'default via 10.9.0.2 dev d0\ndefault via 10.9.1.2 dev d1 table 100',
      (snapshot) => addRule(snapshot, { family: 4, uidRange: [1000, 2000] }),
    );
    expect(ask(engine, { dst: '8.8.8.8', uid: 1000 })).toMatchObject({ dev: 'd1', confidence: 'exact' });
    expect(ask(engine, { dst: '8.8.8.8', uid: 0 })).toMatchObject({ dev: 'd0', confidence: 'exact' });
    expect(ask(engine, { dst: '8.8.8.8' })).toMatchObject({ dev: 'd0', confidence: 'assumed' });
    // What is received has no owner.
    expect(ask(engine, { dst: '8.8.8.8', src: '10.9.2.9', iif: 'd2', uid: 1000 })).toMatchObject({
      dev: 'd0',
    });
  });

  // fib_rule_get_table gives 0, and fib_get_table takes that for main.
  test('with a negated l3mdev look into main where there is no VRF', () => {
    const engine = kernelEngine('default via 10.9.0.2 dev d0', (snapshot) => {
      addRule(snapshot, { family: 4, l3mdev: true, not: true, table: 0 });
      addRule(snapshot, { family: 4, priority: 200, action: 'prohibit', table: 0 });
    });
    expect(ask(engine, { dst: '8.8.8.8' })).toMatchObject({ rule: 100, table: 'main', dev: 'd0' });
  });

  test('that suppress an interface group look at the first next hop (IPv4)', () => {
    const text =
      '10.1.0.0/16 table 100 nexthop via 10.9.0.2 dev d0 nexthop via 10.9.1.2 dev d1\ndefault via 10.9.2.2 dev d2';
    const engine = kernelEngine(text, (snapshot) => {
      snapshot.links[1]!.group = 5;
      snapshot.routes.find(({ table }) => table === 100)!.nextHops[0]!.dead = true;
      addRule(snapshot, { family: 4, suppressIfGroup: 5 });
    });
    expect(ask(engine, { dst: '10.1.2.3' })).toMatchObject({ dev: 'd2' });
  });

  test('that suppress an interface group by a leg of an IPv6 multipath route give an assumption', () => {
    const text =
      '2001:db8::/32 table 100 nexthop via fe80::1 dev d0 nexthop via fe80::1 dev d1\ndefault via fe80::1 dev d2';
    const engine = kernelEngine(text, (snapshot) => {
      snapshot.links[1]!.group = 5;
      addRule(snapshot, { family: 6, suppressIfGroup: 5 });
    });
    const q = packetQuery(engine, { dst: '2001:db8::9', src: 'fe80::5', type: 'Outgoing' });
    q.asked = true;
    expect(engine.explain(q).decision).toMatchObject({ dev: 'd2', confidence: 'assumed' });
    expect(engine.alternatives(q).map(({ dev }) => dev)).toEqual(['d2', 'd1']);
  });

  test('compare ports in the bits of a mask', () => {
    const engine = kernelEngine('blackhole default table 100\ndefault via 10.9.0.2 dev d0', (snapshot) =>
      addRule(snapshot, { family: 4, sport: [0x100, 0x100], sportMask: 0xff00 }),
    );
    expect(ask(engine, { dst: '8.8.8.8', proto: 17, sport: 0x1ff })).toMatchObject({ type: 'blackhole' });
    expect(ask(engine, { dst: '8.8.8.8', proto: 17, sport: 0x2ff })).toMatchObject({ type: 'unicast' });
  });

  test('of IPv6 that were deleted count until a first one is added (fib6_has_custom_rules)', () => {
    const engine = (custom: boolean | null): RouteEngine =>
      kernelEngine('default via fe80::1 dev d0', (snapshot) => {
        addRule(snapshot, { family: 6 });
        snapshot.rules = snapshot.rules.filter(({ priority }) => priority === 0);
        snapshot.sysctls.customRules6 = custom;
      });
    expect(ask(engine(false), { dst: '2001:db8::1' })).toMatchObject({ dev: 'd0' });
    expect(ask(engine(true), { dst: '2001:db8::1' })).toMatchObject({ type: 'no_route' });
  });
});

describe('nexthop objects', () => {
  // fib_table_lookup: "goto miss" leaves the leaf, and with it the shorter prefixes that begin with the same address.
  test('that will not do hide what shares their leaf', () => {
    const text =
      '10.1.0.0/16 dev d0\n10.0.0.0/8 via 10.9.1.2 dev d1\n10.1.0.0/12 via 10.9.1.3 dev d1\n10.1.0.0/15 dev d0';
    const engine = kernelEngine(
      text.replace('10.1.0.0/12', '10.0.0.0/12').replace('10.1.0.0/15', '10.0.0.0/15'),
      (snapshot) => {
        byObject('10.0.0.0/15')(snapshot);
        addRule(snapshot, { family: 4 });
      },
    );
    // Of 10.0.0.0/15, /12 and /8 all are in the leaf 10.0.0.0.
    expect(ask(engine, { dst: '10.0.1.1', oif: 'd1' })).toMatchObject({ prefix: null, dev: 'd1' });
    expect(ask(engine, { dst: '10.2.1.1', oif: 'd1' })).toMatchObject({ prefix: '10.0.0.0/12' });
  });

  test('of IPv6 are taken by their first good leg, not by the best', () => {
    const text =
      '2001:db8::/32 metric 1024 nexthop via fe80::1 dev d0 nexthop via fe80::1 dev d1\n2001:db8::/32 dev d1 metric 1024';
    const six = (change?: (snapshot: RouteSnapshot) => void): string | null =>
      ask(kernelEngine(text, change), { dst: '2001:db8::9', src: 'fe80::5', iif: 'd1' }).gateway;
    expect(six()).toBe('fe80::1');
    expect(
      six((snapshot) => {
        snapshot.routes.find(({ nextHops }) => nextHops.length === 2)!.nhid = 7;
      }),
    ).toBeNull();
  });
});

describe('source-specific IPv6 routes', () => {
  const text =
    '2001:db8:1::/48 dev d0\n2001:db8::/32 from 2001:db8:f::/48 via fe80::1 dev d1\n2001:db8::/32 dev d2';
  const dead = (snapshot: RouteSnapshot): void => {
    snapshot.routes.find(({ prefix }) => prefix === '2001:db8:1::/48')!.nextHops[0]!.dead = true;
  };
  const asked = { dst: '2001:db8:1::9', src: '2001:db8:e::1' };

  test('hide the others of their prefix on the way down, not on the way back up', () => {
    const sixteen = '\n2001::/16 via fe80::1 dev d0';
    expect(ask(kernelEngine(text + sixteen), { ...asked, dst: '2001:db8:2::9' })).toMatchObject({
      prefix: '2001::/16',
    });
    expect(ask(kernelEngine(text + sixteen, dead), asked)).toMatchObject({
      prefix: '2001:db8::/32',
      dev: 'd2',
    });
  });

  test('do not hide the default route', () => {
    const engine = kernelEngine(
      'default from 2001:db8:f::/48 via fe80::1 dev d1\ndefault via fe80::1 dev d2',
    );
    expect(ask(engine, asked)).toMatchObject({ dev: 'd2' });
    expect(ask(engine, { ...asked, src: '2001:db8:f::1' })).toMatchObject({ dev: 'd1' });
  });

  test('at which longer ones fork are an assumption: the kernel may not find them', () => {
    const forked = text.replace('\n2001:db8::/32 dev d2', '\n2001:db8:8000::/48 dev d0');
    expect(ask(kernelEngine(forked), { dst: '2001:db8:2::9', src: '2001:db8:f::1' })).toMatchObject({
      dev: 'd1',
      confidence: 'assumed',
    });
  });
});

describe('input', () => {
  const input = (engine: RouteEngine, dst: string, src = '10.9.0.9'): RouteDecision =>
    decide(engine, { src, dst, type: 'Host', dev: 'd0' });

  test('of multicast is for the groups that the interface is in', () => {
    const engine = kernelEngine('', (snapshot) => {
      snapshot.groups = [{ family: 4, ifIndex: 2, address: '224.0.0.251' }];
    });
    expect(input(engine, '224.0.0.251')).toMatchObject({ verdict: 'deliver', confidence: 'exact' });
    expect(input(engine, '224.0.0.5')).toMatchObject({
      type: 'multicast',
      verdict: 'drop',
      reason: 'this host is not in that multicast group on d0',
    });
  });

  test('of 224.0.0.1 is for each interface that is up', () => {
    const engine = (flags: number): RouteEngine =>
      kernelEngine('', (snapshot) => {
        snapshot.links[1]!.flags = flags;
      });
    expect(input(engine(0x11043), '224.0.0.1')).toMatchObject({ verdict: 'deliver', confidence: 'exact' });
    expect(input(engine(0x1002), '224.0.0.1')).toMatchObject({ verdict: 'drop' });
  });

  test('of a directed broadcast is forwarded where bc_forwarding says so', () => {
    const engine = (own: boolean): RouteEngine =>
      kernelEngine('', (snapshot) => {
        snapshot.sysctls.bcForwardingAll = true;
        for (const each of snapshot.sysctls.interfaces) each.bcForwarding = own;
      });
    expect(input(engine(true), '10.9.1.255')).toMatchObject({ type: 'broadcast', verdict: 'forward' });
    expect(input(engine(false), '10.9.1.255')).toMatchObject({ type: 'broadcast', verdict: 'deliver' });
  });

  test('looks for the source with the packet’s mark where src_valid_mark says so', () => {
    const engine = (valid: boolean): RouteEngine =>
      kernelEngine('blackhole 10.9.0.0/24 table 100\ndefault via 10.9.1.2 dev d1', (snapshot) => {
        addRule(snapshot, { family: 4, fwmark: 1 });
        snapshot.sysctls.rpFilterAll = 2;
        snapshot.sysctls.srcValidMarkAll = valid;
      });
    const packet = { src: '10.9.0.9', dst: '8.8.8.8', type: 'Host', dev: 'd0', mark: 1 } as const;
    expect(decide(engine(true), packet)).toMatchObject({ type: 'martian' });
    // Of the mark itself the way there knows.
    expect(decide(engine(false), packet)).toMatchObject({ type: 'unicast' });
  });

  test('a local route of main makes an address this host’s while the tables are one', () => {
    const engine = kernelEngine('local 10.5.0.0/16 dev lo table main\ndefault via 10.9.0.2 dev d0');
    expect(ask(engine, { dst: '8.8.8.8', src: '10.5.1.1' })).toMatchObject({ type: 'unicast', dev: 'd0' });
  });
});
