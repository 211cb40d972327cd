import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { AnswerCache } from '../../daemon/routes/answer-cache.ts';
import { DecisionIndex } from '../../daemon/routes/decision-index.ts';
import { RouteEngine, RouteQuery } from '../../daemon/routes/engine.ts';
import { R } from '../../daemon/routes/route-store.ts';
import { prefixWords } from '../../daemon/routes/words.ts';
import { PacketType } from '../../decoders/packet-fields.ts';
import { Follower, reached, watch } from './follower.ts';
import { ModelMirror, modelRoute } from './model-mirror.ts';

/** Routes of each family that fill the tables, so that answers are cached. */
const LARGE = 4200;

beforeEach(() => {
  for (const name of Object.keys(reached)) reached[name as keyof typeof reached] = 0;
  const find = AnswerCache.prototype.find;
  vi.spyOn(AnswerCache.prototype, 'find').mockImplementation(function (this: AnswerCache, q) {
    const id = find.call(this, q);
    if (id >= 0 && watch.engine !== null) reached.cached++;
    return id;
  });
  const idOf = DecisionIndex.prototype.idOf;
  vi.spyOn(DecisionIndex.prototype, 'idOf').mockImplementation(function (this: DecisionIndex, a, store) {
    const at = a.route << store.shift;
    const isMemo = a.route !== -1 && store.words[at + R.memoEpoch] === this.epoch;
    const id = idOf.call(this, a, store);
    if (isMemo && store.words[at + R.memoId] === id && watch.engine !== null) reached.remembered++;
    return id;
  });
});
afterEach(() => {
  vi.restoreAllMocks();
  watch.engine = null;
});

test('numbers of one family that start over make what is cached of the other void', () => {
  const six = Array.from({ length: LARGE }, (_, i) =>
    modelRoute(`fd11:0:${i.toString(16)}::/48`, { via: `fd00::${i % 7}` }),
  );
  const four = Array.from({ length: 40 }, (_, i) => modelRoute(`11.0.${i}.0/24`, { via: '10.0.0.2' }));
  const mirror = new ModelMirror();
  mirror.reload([...six, ...four]);
  const engine = new RouteEngine(mirror.snapshot(), 32);
  const ask = (version: 4 | 6, dst: string): string | null => {
    const q = new RouteQuery();
    q.version = version;
    q.dst.set(prefixWords(dst)!.words);
    q.src.set(prefixWords(version === 4 ? '10.0.0.9' : 'fd00::9')!.words);
    q.pktType = PacketType.Host;
    q.ifIndex = 2;
    return engine.decision(engine.lookup(q)).prefix;
  };
  for (let round = 0; round < 3; round++) {
    for (let i = 1; i < 10; i++) expect(ask(6, `fd11:0:${i}::1`)).toBe(`fd11:0:${i}::/48`);
    for (let i = 0; i < 40; i++) expect(ask(4, `11.0.${i}.1`)).toBe(`11.0.${i}.0/24`);
  }
});

test('a table that grows by updates gets a cache of its size', () => {
  const mirror = new ModelMirror();
  const engine = new RouteEngine(mirror.snapshot());
  mirror.reload(Array.from({ length: 2 * LARGE }, (_, i) => modelRoute(`11.${i >> 8}.${i & 255}.0/24`)));
  engine.apply(mirror.take()!);
  watch.engine = engine;
  const q = new RouteQuery();
  q.pktType = PacketType.Host;
  q.ifIndex = 2;
  q.src[0] = 0x0a000009;
  const all = 1000;
  for (let round = 0; round < 2; round++)
    for (let i = 0; i < all; i++) {
      q.dst[0] = 0x0b000001 + i * 256;
      engine.lookup(q);
    }
  // Direct-mapped: some are in each other's place.
  expect(reached.cached).toBeGreaterThan(all / 2);
});

test('a report to a group without a source is not answered as another protocol was', () => {
  const mirror = new ModelMirror();
  mirror.context.groups = [{ family: 4, ifIndex: 2, address: '239.1.1.1' }];
  mirror.reload(Array.from({ length: LARGE }, (_, i) => modelRoute(`11.${i >> 8}.${i & 255}.0/24`)));
  const engine = new RouteEngine(mirror.snapshot());
  const q = new RouteQuery();
  q.pktType = PacketType.Multicast;
  q.ifIndex = 2;
  q.l4Known = false;
  q.dst.set(prefixWords('239.1.1.1')!.words);
  const types = [103, 2, 103, 2].map((proto) => {
    q.proto = proto;
    return engine.decision(engine.lookup(q)).type;
  });
  expect(types).toEqual(['martian', 'multicast', 'martian', 'multicast']);
});

test.each([
  {
    size: 20,
    rounds: 8,
    steps: 40,
    decisionsMax: undefined,
    expects: ['remembered', 'expired', 'kept', 'reused'],
  },
  { size: LARGE, rounds: 2, steps: 30, decisionsMax: undefined, expects: ['remembered', 'cached', 'kept'] },
  { size: LARGE, rounds: 2, steps: 15, decisionsMax: 64, expects: ['remembered', 'cached', 'reset'] },
] as const)(
  'an engine that follows is one that starts anew ($size routes to begin with, $decisionsMax decisions)',
  ({ size, rounds, steps, decisionsMax, expects }) => {
    for (let round = 0; round < rounds; round++) {
      const follower = new Follower(round * 1000 + size, size, decisionsMax ?? 1 << 20);
      for (let step = 0; step < steps; step++) {
        follower.step();
        follower.checkGiven();
        follower.compare(120);
      }
    }
    for (const outcome of [
      'whole',
      'pieces',
      'between',
      'context',
      'added',
      'removed',
      'replaced',
      'reloaded',
      'released',
      ...expects,
    ])
      expect(reached[outcome as keyof typeof reached], outcome).toBeGreaterThan(0);
  },
);
