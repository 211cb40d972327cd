import { describe, expect, test } from 'vitest';
import type { RouteEngine } from '../../daemon/routes/engine.ts';
import type { RouteDecision } from '../../storage/route-decision.ts';
import { decide, packetQuery } from './ask.ts';
import { addRule, kernelEngine } from './router.ts';

const TWO = '10.1.0.0/16 nexthop via 10.9.0.2 dev d0 weight 1 nexthop via 10.9.1.2 dev d1 weight 1';

describe('a multipath route', () => {
  const input = (engine: RouteEngine, src: string, dev: string): RouteDecision =>
    decide(engine, { src, dst: '10.1.2.3', type: 'Host', dev });

  // fib_validate_source looks at the tables when the packet would turn round, else at the addresses alone.
  test('whose leg decides how strictly the source is looked at gives an assumption, with both answers', () => {
    const engine = kernelEngine(TWO);
    const packet = { src: '10.9.2.255', dst: '10.1.2.3', type: 'Host', dev: 'd1' } as const;
    const decision = decide(engine, packet);
    expect(decision).toMatchObject({ confidence: 'assumed', reason: expect.stringContaining('hash') });
    const others = engine.alternatives(packetQuery(engine, packet));
    expect(others.map(({ type, verdict, dev }) => [type, verdict, dev])).toEqual([
      ['unicast', 'forward', 'd0'],
      ['martian', 'drop', null],
    ]);
  });

  test('is certain to drop a source that no leg lets pass', () => {
    const engine = kernelEngine(TWO, (snapshot) => addRule(snapshot, { family: 4 }));
    expect(input(engine, '10.9.2.255', 'd1')).toMatchObject({
      type: 'martian',
      verdict: 'drop',
      confidence: 'exact',
    });
  });

  test('does not turn packets round strictly where no redirects are sent', () => {
    const engine = kernelEngine(TWO, (snapshot) => {
      snapshot.sysctls.sendRedirectsAll = false;
      for (const own of snapshot.sysctls.interfaces) own.sendRedirects = false;
    });
    expect(input(engine, '10.9.2.255', 'd1')).toMatchObject({ type: 'unicast', verdict: 'forward' });
    expect(input(kernelEngine('10.1.0.0/16 via 10.9.1.2 dev d1'), '10.9.2.255', 'd1')).toMatchObject({
      type: 'martian',
    });
  });

  test('of which one leg is left, or whose legs are the same, is certain', () => {
    const one = kernelEngine(TWO, (snapshot) => {
      snapshot.routes.find(({ prefix }) => prefix === '10.1.0.0/16')!.nextHops[0]!.dead = true;
    });
    expect(input(one, '10.9.2.9', 'd2')).toMatchObject({ dev: 'd1', confidence: 'exact' });
    const same = kernelEngine(
      '10.1.0.0/16 nexthop via 10.9.0.2 dev d0 weight 1 nexthop via 10.9.0.2 dev d0 weight 3',
    );
    expect(input(same, '10.9.2.9', 'd2')).toMatchObject({ dev: 'd0', confidence: 'exact' });
    expect(input(kernelEngine(TWO), '10.9.2.9', 'd2')).toMatchObject({ confidence: 'assumed' });
  });

  test('a bound socket takes the leg of its device for certain', () => {
    const engine = kernelEngine(TWO);
    const q = packetQuery(engine, { src: '10.9.0.1', dst: '10.1.2.3', type: 'Outgoing' });
    q.asked = true;
    q.oif = engine.ifIndexOf('d1');
    expect(engine.explain(q).decision).toMatchObject({ dev: 'd1', confidence: 'exact' });
    expect(engine.alternatives(q)).toEqual([]);
  });
});

describe('several default routes of the same metric', () => {
  const text = 'default via 10.9.0.2 dev d0 metric 5\ndefault via 10.9.1.2 dev d1 metric 5';
  // fib_select_default asks the neighbours.
  test('are an assumption for what this host sends, and not for what it forwards', () => {
    const engine = kernelEngine(text);
    expect(decide(engine, { src: '10.9.0.1', dst: '8.8.8.8', type: 'Outgoing' })).toMatchObject({
      dev: 'd0',
      confidence: 'assumed',
      reason: expect.stringContaining('gateway answers'),
    });
    expect(decide(engine, { src: '10.9.2.9', dst: '8.8.8.8', type: 'Host', dev: 'd2' })).toMatchObject({
      dev: 'd0',
      confidence: 'exact',
    });
  });

  test('of different metric are certain', () => {
    const engine = kernelEngine(text.replace('metric 5\n', 'metric 4\n'));
    expect(decide(engine, { src: '10.9.0.1', dst: '8.8.8.8', type: 'Outgoing' })).toMatchObject({
      dev: 'd0',
      confidence: 'exact',
    });
  });
});
