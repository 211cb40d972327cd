import { expect, test } from 'vitest';
import { RouteKey } from '../../daemon/netlink/route-key.ts';
import { Applied } from '../../daemon/routes/mirror-tables.ts';
import { RouteEngine } from '../../daemon/routes/engine.ts';
import { RawShapes } from '../../daemon/routes/raw-shapes.ts';
import type { SnapshotRoute } from '../../daemon/routes/snapshot.ts';
import { attribute, u32 } from '../netlink/recorded.ts';
import { decide } from './ask.ts';
import { ModelMirror, modelHop, modelRoute } from './model-mirror.ts';

test('numbers of shapes are given again, however their routes came and went', () => {
  const mirror = new ModelMirror();
  for (let round = 0; round < 20; round++) {
    for (let i = 0; i < 500; i++) {
      const metric = 1 + round * 1000 + i;
      const route = modelRoute('10.1.0.0/16', { metric, via: `10.0.${round}.${i & 255}` });
      expect(mirror.change(route)).toBe(Applied.Yes);
      // A message that says otherwise what goes: it is not certain which, and everything is read anew.
      const other = { ...route, nextHops: [{ ...modelHop(2, `10.0.${round}.${i & 255}`), linkdown: true }] };
      if (i % 3 === 0) expect(mirror.change(other, { isRemoval: true })).toBe(Applied.Yes);
      else
        expect(mirror.change({ ...other, nextHops: [modelHop(3, null)] }, { isRemoval: true })).toBe(
          Applied.Unclear,
        );
      if (i % 3 !== 0) expect(mirror.change(route, { isRemoval: true })).toBe(Applied.Yes);
    }
    mirror.take();
  }
  expect(mirror.tables.size).toBe(0);
  // What a round makes, and what is kept.
  expect(mirror.index.shapes.length).toBeLessThan(1024 + 2 * 1000);
});

test('an update tells each shape before the routes that have it, also when a number stands for another by now', () => {
  const mirror = new ModelMirror();
  const known = new Map<number, string>();
  const route = (round: number, i: number): SnapshotRoute =>
    modelRoute(`10.${i >> 8}.${i & 255}.0/24`, { metric: 1 + round * 400 + i });
  let redefined = 0;
  for (let round = 0; round < 12; round++) {
    const kept = modelRoute('10.3.0.0/16', { via: '10.0.0.3' });
    mirror.change(kept, { isReplacement: true });
    for (let i = 0; i < 400; i++) mirror.change(route(round, i));
    if (round > 0) for (let i = 0; i < 400; i++) mirror.change(route(round - 1, i), { isRemoval: true });
    const { shapes, ops } = mirror.take()!;
    for (const { id, shape } of shapes) {
      if (known.has(id)) redefined++;
      known.set(id, JSON.stringify(shape));
    }
    for (let at = 0; at < ops.length; ) {
      const count = ops[at]! >>> 12;
      for (let i = 0; i < count; i++)
        expect(known.get(ops[at + 3 + i]!)).toBe(JSON.stringify(mirror.index.shapes[ops[at + 3 + i]!]));
      at += 3 + count;
    }
  }
  expect(redefined).toBeGreaterThan(0);
});

test('messages whose shapes are remembered have a bound', () => {
  const raw = new RawShapes();
  const key = new RouteKey();
  const read = (mtu: number): void => {
    const bytes = Uint8Array.from([
      2,
      16,
      0,
      0,
      254,
      4,
      0,
      1,
      0,
      0,
      0,
      0,
      ...attribute(8, attribute(2, u32(mtu))),
    ]);
    expect(key.read(new DataView(bytes.buffer), 0, bytes.length)).toBe(true);
  };
  const count = 70_000;
  for (let mtu = 0; mtu < count; mtu++) {
    read(mtu);
    expect(raw.get(key)).toBe(-1);
    raw.set(key, mtu);
    expect(raw.get(key)).toBe(mtu);
  }
  let kept = 0;
  for (let mtu = 0; mtu < count; mtu++) {
    read(mtu);
    const shape = raw.get(key);
    if (shape === -1) continue;
    expect(shape).toBe(mtu);
    kept++;
  }
  expect(kept).toBeGreaterThan(0);
  expect(kept).toBeLessThanOrEqual(1 << 16);
});

test('who begins with everything understands the updates that follow, of routes that come back too', () => {
  const mirror = new ModelMirror();
  const route = modelRoute('10.1.0.0/16', { via: '10.0.0.7' });
  mirror.change(route);
  mirror.take();
  mirror.change(route, { isRemoval: true });
  mirror.take();
  const full = mirror.full();
  const engine = new RouteEngine({ ...full.context!, routes: [] });
  engine.apply(full);
  mirror.change(route);
  engine.apply(mirror.take()!);
  expect(decide(engine, { src: '10.0.0.9', dst: '10.1.0.1', type: 'Host', dev: 'd2' }).gateway).toBe(
    '10.0.0.7',
  );
});
