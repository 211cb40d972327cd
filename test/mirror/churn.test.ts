import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, test } from 'vitest';
import { RouteFeed } from '../../daemon/capture/route-feed.ts';
import { RouteTagger } from '../../daemon/capture/route-tag.ts';
import { ModelMirror, modelRoute } from '../routes/model-mirror.ts';

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

function usedMib(): number {
  collectGarbage();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return (heapUsed + arrayBuffers) / 2 ** 20;
}

test('routes that come and go with ever new next hops and metrics take no more memory in the end than at first', () => {
  const mirror = new ModelMirror();
  const tagger = new RouteTagger();
  const feed = new RouteFeed(tagger);
  tagger.setCapture(0, 'n', 2);
  const tell = (): void => {
    const update = mirror.take(0);
    if (update !== null) feed.push('n', update);
    while (feed.work(1e9));
  };
  tell();
  const routes = (round: number) =>
    Array.from({ length: 1000 }, (_, i) => {
      const n = round * 1000 + i;
      return n % 2 === 0
        ? modelRoute(`10.${n & 127}.${(n >> 7) & 255}.0/24`, {
            via: `10.${200 + (n >> 16)}.${(n >> 8) & 255}.${n & 255}`,
          })
        : modelRoute(`fd10:${(n & 0xfff).toString(16)}::/32`, { metric: 1 + n });
    });
  let usedAtFirst = 0;
  let shapesAtFirst = 0;
  for (let round = 0; round < 200; round++) {
    for (const route of routes(round)) mirror.change(route);
    tell();
    for (const route of routes(round)) mirror.change(route, { isRemoval: true });
    tell();
    if (round !== 40) continue;
    usedAtFirst = usedMib();
    shapesAtFirst = mirror.index.shapes.length;
  }
  expect(mirror.tables.size).toBe(0);
  expect(mirror.index.shapes.length).toBeLessThanOrEqual(shapesAtFirst);
  // 160,000 shapes came and went since: at 300 octets each it would be 50 MiB.
  expect(usedMib() - usedAtFirst).toBeLessThan(8);
  expect(feed.isLoading('n')).toBe(false);
  expect(tagger.generation).toBeGreaterThan(400);
}, 60_000);
