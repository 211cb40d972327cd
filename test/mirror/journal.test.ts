import { MessageChannel, receiveMessageOnPort } from 'node:worker_threads';
import { expect, onTestFinished, test } from 'vitest';
import { RouteJournal } from '../../daemon/mirror/journal.ts';
import { RouteEngine } from '../../daemon/routes/engine.ts';
import type { RouteMirror } from '../../daemon/routes/mirror.ts';
import { decodeUpdate } from '../../daemon/routes/update-codec.ts';
import type { RouteRequest } from '../../storage/messages.ts';
import { decide } from '../routes/ask.ts';
import { ModelMirror, modelContext, modelRoute } from '../routes/model-mirror.ts';
import { Random } from '../support/random.ts';

type Written = Extract<RouteRequest, { type: 'routeUpdate' }>;

test('each time can be made of the last whole tables before it and the changes since', () => {
  const { port1, port2 } = new MessageChannel();
  onTestFinished(() => port1.close());
  const journal = new RouteJournal(port1);
  const mirror = new ModelMirror();
  const numbers = new Random(4);
  const present = new Map<string, string>();
  const prefixes = ['0.0.0.0/0', '10.5.0.0/16', '10.5.6.0/24', '11.0.0.0/8'];
  const questions = ['10.5.0.1', '10.5.6.1', '11.1.1.1', '9.9.9.9'];
  let state: RouteEngine | null = null;
  const reached = { full: 0, changes: 0, context: 0, back: 0 };
  const seen = new Set<string>();
  let nowMs = 1_700_000_000_000;
  for (let step = 0; step < 400; step++) {
    // Now and then so long a time passes that everything is written again.
    nowMs += numbers.below(30) === 0 ? 700_000 : 50;
    const prefix = numbers.pick(prefixes);
    const via = present.get(prefix);
    if (via !== undefined) {
      mirror.change(modelRoute(prefix, { via }), { isRemoval: true });
      present.delete(prefix);
    } else {
      const next = `10.0.0.${2 + numbers.below(5)}`;
      mirror.change(modelRoute(prefix, { via: next }));
      present.set(prefix, next);
      if (seen.has(next)) reached.back++;
      seen.add(next);
    }
    if (numbers.below(20) === 0) mirror.context = { ...modelContext(), takenAt: String(step) };
    const update = mirror.take(nowMs);
    if (update === null) continue;
    journal.add('model', 'n', update, mirror as unknown as RouteMirror);
    for (let m = receiveMessageOnPort(port2); m !== undefined; m = receiveMessageOnPort(port2)) {
      const { isFull, data } = m.message as Written;
      const stored = decodeUpdate(data);
      expect(stored.isFull).toBe(isFull);
      if (isFull) state = new RouteEngine({ ...stored.context!, routes: [] });
      state!.apply(stored);
      reached[isFull ? 'full' : 'changes']++;
      if (stored.context !== null && !isFull) reached.context++;
    }
    const fresh = new RouteEngine(mirror.snapshot());
    for (const dst of questions) {
      const packet = { src: '10.0.0.9', dst, type: 'Host', dev: 'd2' } as const;
      expect(decide(state!, packet)).toEqual(decide(fresh, packet));
    }
  }
  for (const [outcome, times] of Object.entries(reached)) expect(times, outcome).toBeGreaterThan(0);
});

test('writes a namespace whole after it was removed, also when it is told a change first', () => {
  const { port1, port2 } = new MessageChannel();
  onTestFinished(() => port1.close());
  const journal = new RouteJournal(port1);
  const mirror = new ModelMirror();
  const isFull = (): boolean => (receiveMessageOnPort(port2)!.message as Written).isFull;
  const add = (): void => {
    mirror.change(modelRoute('10.5.0.0/16', { via: '10.0.0.2' }), { isReplacement: true });
    mirror.change(modelRoute('10.5.0.0/16', { via: '10.0.0.3' }), { isReplacement: true });
    journal.add('model', 'n', mirror.take(1)!, mirror as unknown as RouteMirror);
  };
  add();
  expect(isFull()).toBe(true);
  add();
  expect(isFull()).toBe(false);
  journal.remove('n');
  add();
  expect(isFull()).toBe(true);
});
