import { describe, expect, test } from 'vitest';
import { parseFilter } from '../../cli/filter/parse.ts';
import { openSlab } from '../../daemon/flow/slab.ts';
import type { PacketTagger } from '../../daemon/flow/table-options.ts';
import { FlowActivity } from '../../daemon/rank/activity.ts';
import { KnownDecisions } from '../../daemon/rank/known-decisions.ts';
import type { RankAnswer, RankQuestion } from '../../daemon/rank/messages.ts';
import { taggedDecision } from '../../daemon/rank/decision-tag.ts';
import { type RankContext, Ranking } from '../../daemon/rank/ranking.ts';
import type { RouteDecision } from '../../storage/route-decision.ts';
import { type FrameSpec, frame } from '../support/frames.ts';
import { TestMeter } from '../support/meter.ts';
import { noRoutes } from '../support/no-routes.ts';

const QUESTION: RankQuestion = {
  view: 'flows',
  filter: null,
  sort: 'rate',
  isAscending: false,
  limit: 10,
  ticks: 1,
};

const udp = (sport: number, payload = 0, more: FrameSpec = {}): FrameSpec => ({
  proto: 'udp',
  sport,
  dport: 53,
  payload,
  ...more,
});
const answer = (dport: number, payload = 0): FrameSpec =>
  udp(53, payload, { dport, src: '10.0.0.2', dst: '10.0.0.1' });

/** A flow table that is looked at, whose two captures are in namespaces of their own. */
class Scene {
  readonly m: TestMeter;
  readonly activity: FlowActivity;
  readonly decisions = new KnownDecisions();
  #nowMs = 0;

  constructor(tagger: PacketTagger = noRoutes()) {
    this.m = new TestMeter({}, tagger);
    this.activity = new FlowActivity(openSlab(this.m.table.shared));
    this.activity.tick(0);
  }

  /** Feeds these packets, and a second is over. */
  second(...packets: (FrameSpec | readonly [FrameSpec, number])[]): void {
    for (const packet of packets) {
      const [spec, capture] = Array.isArray(packet) ? packet : [packet as FrameSpec, 0];
      this.m.feed(spec as FrameSpec, this.#nowMs / 1000, 0, capture as number);
    }
    this.#nowMs += 1000;
    this.activity.tick(this.#nowMs);
  }

  /** @param others scenes of further capture threads */
  ranking(question: Partial<RankQuestion>, ...others: Scene[]): Ranking {
    const context: RankContext = {
      activities: [this, ...others].map(({ activity }) => activity),
      place: (captureIndex) => ({
        captureIndex,
        netns: `ns${captureIndex}`,
        netnsId: `4:${captureIndex}`,
        interface: 'eth0',
      }),
      decisions: this.decisions,
    };
    return new Ranking({ ...QUESTION, ...question }, context);
  }

  rank(question: Partial<RankQuestion> = {}): RankAnswer {
    return this.ranking(question).answer();
  }
}

const ports = (found: RankAnswer): number[] => found.flows.map(({ columns }) => columns.srcPort);

test('flows come with their rates by direction, the first ones first, and no more than were asked for', () => {
  const scene = new Scene();
  scene.second(udp(1, 100), udp(2, 300), udp(3, 200), udp(3), answer(3, 50));
  expect(ports(scene.rank())).toEqual([3, 2, 1]);
  const found = scene.rank({ limit: 2 });
  expect(ports(found)).toEqual([3, 2]);
  expect(found).toMatchObject({ rows: 3, matched: 3, intervalMs: 1000, packetsPerS: 5 });
  const sent = frame(udp(3, 200)).length + frame(udp(3)).length;
  const received = frame(answer(3, 50)).length;
  expect(found.flows[0]).toMatchObject({
    bytesFwdPerS: sent,
    bytesRevPerS: received,
    bytesPerSWindow: sent + received,
    packetsPerS: 3,
    columns: { packetsFwd: 2, packetsRev: 1 },
  });
});

test.each([
  ['rate', [3, 1, 2]],
  ['sent', [3, 2, 1]],
  ['received', [1, 2, 3]],
  ['pps', [2, 1, 3]],
  ['bytes', [3, 1, 2]],
  ['packets', [2, 1, 3]],
  ['start', [1, 2, 3]],
] as const)('flows are ranked by %s', (sort, wanted) => {
  const scene = new Scene();
  scene.second(udp(1), answer(1, 200), udp(2, 10), udp(2, 10), udp(2, 10), udp(3, 900));
  expect(ports(scene.rank({ sort }))).toEqual(wanted);
});

test('the least comes first when it is asked for', () => {
  const scene = new Scene();
  scene.second(udp(1, 100), udp(2, 300), udp(3, 200));
  expect(ports(scene.rank({ isAscending: true }))).toEqual([1, 3, 2]);
});

test('the window ranks by ten seconds, the interval by as many ticks as were asked for', () => {
  const scene = new Scene();
  scene.second(udp(1, 1000), udp(2));
  scene.second(udp(1), udp(2, 300));
  expect(ports(scene.rank({ sort: 'rate' }))).toEqual([2, 1]);
  expect(ports(scene.rank({ sort: 'window' }))).toEqual([1, 2]);
  expect(ports(scene.rank({ ticks: 2 }))).toEqual([1, 2]);
  const both = frame(udp(1, 1000)).length + frame(udp(1)).length;
  expect(scene.rank({ ticks: 2 }).flows[0]!.bytesFwdPerS).toBe(both / 2);
});

test('a filter is asked before anything is ranked, and again only of flows that have changed', () => {
  const scene = new Scene();
  scene.second(udp(1), udp(2), udp(3));
  const ranking = scene.ranking({ filter: parseFilter('src port 2 or packets > 1') });
  expect(ports(ranking.answer())).toEqual([2]);
  scene.second(udp(3));
  const found = ranking.answer();
  expect(ports(found)).toEqual([3, 2]);
  expect(found).toMatchObject({ matched: 2, rows: 2, packetsPerS: 1 });
});

test('a filter knows the namespace and interface of a flow', () => {
  const scene = new Scene();
  scene.second([udp(1), 0], [udp(1), 1]);
  const found = scene.rank({ filter: parseFilter('netns ns1 and if eth0') });
  expect(found.flows.map(({ captureIndex }) => captureIndex)).toEqual([1]);
});

test('a filter of routes waits for decisions that are not known yet', () => {
  let next = 0;
  const scene = new Scene({ ...noRoutes(), tag: () => next++ });
  scene.second(udp(1), udp(2));
  const ranking = scene.ranking({ filter: parseFilter('route verdict drop') });
  expect(ranking.answer().matched).toBe(0);
  expect(ranking.isWaiting).toBe(true);
  expect(scene.decisions.takeNeeded()).toEqual([0, 1]);
  scene.decisions.learn([
    [0, { verdict: 'send' } as RouteDecision],
    [1, { verdict: 'drop' } as RouteDecision],
  ]);
  expect(ports(ranking.answer())).toEqual([2]);
  expect(ranking.isWaiting).toBe(false);
});

test('a talker has what its address sent and was sent, at each place where it was seen', () => {
  const scene = new Scene();
  scene.second(udp(1, 100), answer(1, 40), udp(2, 7), [udp(1), 1]);
  const found = scene.rank({ view: 'talkers' });
  expect(found.rows).toBe(4);
  const sent = frame(udp(1, 100)).length + frame(udp(2, 7)).length;
  const received = frame(answer(1, 40)).length;
  const [first, second] = found.groups;
  expect(first).toMatchObject({
    captureIndex: 0,
    address: '0a000001',
    flows: 2,
    packets: 3,
    sentPerS: sent,
    receivedPerS: received,
  });
  expect(second).toMatchObject({ address: '0a000002', flows: 2, sentPerS: received, receivedPerS: sent });
  expect(found.groups.filter(({ captureIndex }) => captureIndex === 1)).toHaveLength(2);
});

test('who talks to itself is counted once', () => {
  const scene = new Scene();
  const spec = udp(1, 10, { src: '127.0.0.1', dst: '127.0.0.1' });
  scene.second(spec);
  const { groups } = scene.rank({ view: 'talkers' });
  expect(groups).toHaveLength(1);
  expect(groups[0]).toMatchObject({ flows: 1, packets: 1, sentPerS: frame(spec).length, receivedPerS: 0 });
});

test('IPv4 and IPv6 addresses with the same first word are two talkers', () => {
  const scene = new Scene();
  scene.second(udp(1), udp(1, 0, { src: 'a00:1::', dst: 'a00:2::' }));
  const addresses = scene.rank({ view: 'talkers' }).groups.map(({ address }) => address);
  expect(new Set(addresses)).toEqual(
    new Set(['0a000001', '0a000002', `0a000001${'0'.repeat(24)}`, `0a000002${'0'.repeat(24)}`]),
  );
});

test('interfaces add up their flows', () => {
  const scene = new Scene();
  scene.second([udp(1, 10), 0], [udp(2, 10), 0], [udp(1, 500), 1]);
  const { groups } = scene.rank({ view: 'interfaces' });
  expect(groups.map(({ captureIndex, flows }) => [captureIndex, flows])).toEqual([
    [1, 1],
    [0, 2],
  ]);
  expect(groups[1]!.sentPerS).toBe(2 * frame(udp(1, 10)).length);
});

test('routes have the directions that took them, and a flow once where both did', () => {
  const byPort = new Map([
    [1, 7],
    [2, 7],
    [53, 9],
  ]);
  const scene = new Scene({ ...noRoutes(), tag: (_view, f) => byPort.get(f.srcPort)! });
  scene.second(udp(1, 100), answer(1, 20), udp(2, 5));
  const { groups } = scene.rank({ view: 'routes' });
  expect(groups.map(({ route, flows, packets }) => [route, flows, packets])).toEqual([
    [7, 2, 2],
    [9, 1, 1],
  ]);
  expect(groups[0]!.packetsPerS).toBe(2);
  const one = new Scene({ ...noRoutes(), tag: () => 3 });
  one.second(udp(1), answer(1), [udp(1), 1]);
  expect(one.rank({ view: 'routes' }).groups).toMatchObject([
    { captureIndex: 0, route: 3, flows: 1, packets: 2 },
    { captureIndex: 1, route: 3, flows: 1, packets: 1 },
  ]);
});

describe('routes of two capture threads, each with numbers of its own', () => {
  const SEND = { verdict: 'send', prefix: '10.0.0.0/8' } as RouteDecision;
  const DROP = { verdict: 'drop', prefix: '10.66.0.0/16' } as RouteDecision;
  const LOCAL = { verdict: 'deliver', prefix: '10.0.0.1/32' } as RouteDecision;
  /** Ports are the numbers of decisions. */
  const threads = (): [Scene, Scene] => {
    const tag: PacketTagger['tag'] = (_view, f) => f.srcPort;
    return [new Scene({ ...noRoutes(), tag }), new Scene({ ...noRoutes(), tag })];
  };
  const known = (scene: Scene): void =>
    scene.decisions.learn([
      [taggedDecision(1, 0), SEND],
      [taggedDecision(2, 0), DROP],
      [taggedDecision(1, 1), LOCAL],
      [taggedDecision(2, 1), { ...SEND }],
    ]);

  test('the same decision is one row', () => {
    const [one, other] = threads();
    one.second(udp(1, 100), udp(2, 200));
    other.second(udp(1, 150), udp(2, 300));
    known(one);
    const ranking = one.ranking({ view: 'routes' }, other);
    const found = ranking.answer();
    expect(ranking.isWaiting).toBe(false);
    expect(found.rows).toBe(3);
    expect(found.groups.map(({ route, flows, packets }) => [route, flows, packets])).toEqual([
      [taggedDecision(1, 0), 2, 2],
      [taggedDecision(2, 0), 1, 1],
      [taggedDecision(1, 1), 1, 1],
    ]);
    expect(found.groups[0]!.sentPerS).toBe(frame(udp(1, 100)).length + frame(udp(2, 300)).length);
  });

  test('it is the first by what both have of it, where each of them has a larger one', () => {
    const [one, other] = threads();
    one.second(udp(1, 100), udp(2, 150));
    other.second(udp(1, 150), udp(2, 100));
    known(one);
    const { rows, groups } = one.ranking({ view: 'routes', limit: 1 }, other).answer();
    expect(rows).toBe(3);
    expect(groups).toMatchObject([{ route: taggedDecision(1, 0), flows: 2 }]);
  });

  test('an answer waits for decisions that are not known yet; without them each is by itself', () => {
    const [one, other] = threads();
    one.second(udp(1));
    other.second(udp(2));
    const ranking = one.ranking({ view: 'routes' }, other);
    expect(ranking.answer().rows).toBe(2);
    expect(ranking.isWaiting).toBe(true);
    expect(one.decisions.takeNeeded()).toEqual([taggedDecision(1, 0), taggedDecision(2, 1)]);
    known(one);
    expect(ranking.answer().rows).toBe(1);
    expect(ranking.isWaiting).toBe(false);
  });

  test('flows of no decision are one row, and nothing is asked for them', () => {
    const tag = (): number => -1;
    const [one, other] = [new Scene({ ...noRoutes(), tag }), new Scene({ ...noRoutes(), tag })];
    one.second(udp(1));
    other.second(udp(2));
    const ranking = one.ranking({ view: 'routes' }, other);
    expect(ranking.answer().groups).toMatchObject([{ route: -1, flows: 2 }]);
    expect(ranking.isWaiting).toBe(false);
  });
});

test('a flow that has ended is in no ranking any more', () => {
  const scene = new Scene();
  scene.second(udp(1), udp(2));
  scene.m.table.endCapture(0);
  scene.second();
  expect(scene.rank()).toMatchObject({ matched: 0, rows: 0, flows: [] });
});
