import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { questionOf, type TopAction, type TopState, update, VIEWS } from '../../../cli/top/model.ts';
import { answered, begun, capture, flow, group, ranking, status } from './scene.ts';

const act = (state: TopState, ...actions: TopAction[]): TopState => actions.reduce(update, state);
const keys = (state: TopState): string[] => state.rows.map(({ key }) => key);
const flows = (...seqs: number[]) => ranking({ flows: seqs.map((seq, i) => flow(seq, 1000 - i)) });

describe('the cursor', () => {
  test('stays on its line until it is moved, and then follows its row', () => {
    let state = answered(begun(), flows(1, 2, 3));
    state = answered(state, flows(3, 1, 2));
    expect(state.selected).toBe(0);
    state = act(state, { type: 'move', lines: 1 });
    expect(keys(state)[state.selected]).toBe('1');
    state = answered(state, flows(3, 2, 1));
    expect(state.selected).toBe(2);
    state = answered(state, flows(3, 2));
    expect(state.selected).toBe(1);
  });

  test('the screen scrolls with it, and no further than it must', () => {
    let state = answered(begun(3), flows(1, 2, 3, 4, 5, 6));
    state = act(state, { type: 'move', lines: 3 });
    expect([state.selected, state.offset]).toEqual([3, 1]);
    state = act(state, { type: 'page', pages: 1 });
    expect([state.selected, state.offset]).toEqual([5, 3]);
    state = act(state, { type: 'move', lines: -1 });
    expect([state.selected, state.offset]).toEqual([4, 3]);
    state = act(state, { type: 'first' });
    expect([state.selected, state.offset, state.followed]).toEqual([0, 0, null]);
    state = act(state, { type: 'last' });
    expect([state.selected, state.offset]).toEqual([5, 3]);
    state = act(state, { type: 'resize', height: 10 });
    expect([state.selected, state.offset]).toEqual([5, 0]);
  });
});

describe('what is asked for', () => {
  test('is what the state shows', () => {
    const state = act(
      begun(),
      { type: 'view', view: 'talkers' },
      { type: 'interval', step: 1 },
      { type: 'reverse' },
      { type: 'typed', text: 'tcp', cursor: 3, read: { text: 'tcp', json: '{"x":1}' } },
    );
    expect(questionOf(state)).toEqual({
      view: 'talkers',
      filter: '{"x":1}',
      sort: 'rate',
      ascending: true,
      limit: 50,
      intervalS: 2,
    });
  });

  test('has more rows when one scrolls, in steps, up to 500', () => {
    let state = answered(begun(20), flows(...Array.from({ length: 100 }, (_, i) => i + 1)));
    expect(questionOf(state).limit).toBe(50);
    state = act(state, { type: 'move', lines: 30 });
    expect(questionOf(state).limit).toBe(100);
    state = answered(state, flows(...Array.from({ length: 500 }, (_, i) => i + 1)));
    expect(questionOf(act(state, { type: 'last' })).limit).toBe(500);
  });

  test('goes around the columns that rows can be ranked by', () => {
    let state = begun();
    const seen: string[] = [];
    for (let i = 0; i < 8; i++) {
      seen.push(questionOf(state).sort);
      state = act(state, { type: 'sort', step: 1 });
    }
    expect(seen).toEqual(['rate', 'sent', 'received', 'window', 'pps', 'bytes', 'packets', 'start']);
    expect(questionOf(state).sort).toBe('rate');
    expect(questionOf(act(state, { type: 'sort', step: -1 })).sort).toBe('start');
  });
});

describe('a filter that is typed', () => {
  test('is in force at once, and a mistake leaves the last good one in force', () => {
    let state = act(begun(), { type: 'edit' });
    state = act(state, { type: 'typed', text: 'tcp', cursor: 3, read: { text: 'tcp', json: 'J' } });
    state = act(state, {
      type: 'typed',
      text: 'tcp an',
      cursor: 6,
      read: { message: 'what is wrong', at: 4 },
    });
    expect(state.filter).toEqual({ text: 'tcp', json: 'J' });
    expect(state.editing).toMatchObject({ text: 'tcp an', mistake: { message: 'what is wrong' } });
    state = act(state, { type: 'keep-filter' });
    expect(state).toMatchObject({ editing: null, filter: { json: 'J' } });
    state = act(state, { type: 'edit' }, { type: 'clear-filter' });
    expect(state).toMatchObject({ editing: null, filter: { text: '', json: '' } });
  });
});

describe('an answer', () => {
  test('of another view, filter or order than is shown now is not shown', () => {
    const old = begun();
    for (const action of [
      { type: 'view', view: 'talkers' },
      { type: 'sort', step: 1 },
      { type: 'reverse' },
      { type: 'clear-filter' },
    ] as TopAction[]) {
      const before = action.type === 'clear-filter' ? { ...old, filter: { text: 'tcp', json: 'J' } } : old;
      const question = questionOf(before);
      const state = act(before, action);
      expect(update(state, { type: 'ranking', ranking: flows(1), question }).rows).toEqual([]);
    }
  });

  test('while it is paused is not shown, but that to a new question is', () => {
    let state = act(answered(begun(), flows(1)), { type: 'pause' });
    state = answered(state, flows(2));
    expect(keys(state)).toEqual(['1']);
    state = answered(act(state, { type: 'sort', step: 1 }), flows(3));
    expect(keys(state)).toEqual(['3']);
    expect(keys(answered(act(state, { type: 'pause' }), flows(4)))).toEqual(['4']);
  });

  test('keeps the details up to date, and those of a flow that is over as they were', () => {
    let state = act(answered(begun(), flows(1, 2)), { type: 'move', lines: 1 }, { type: 'open' });
    state = answered(state, ranking({ flows: [flow(2, 5555)] }));
    expect(state.details).toMatchObject({ isThere: true, row: { key: '2', values: { rate: 5555 } } });
    state = answered(state, flows(7));
    expect(state.details).toMatchObject({ isThere: false, row: { key: '2', values: { rate: 5555 } } });
    expect(act(state, { type: 'close' }).details).toBeNull();
  });
});

describe('namespaces', () => {
  const told = (state: TopState, atMs: number, ...bytes: number[]): TopState =>
    act(state, {
      type: 'status',
      atMs,
      status: status(
        bytes.map((each, index) =>
          capture(index, {
            bytes: each,
            packets: each / 100,
            ...(index === 2 && { netns: 'blue', netnsId: '4:2', kernelDrops: 7 }),
          }),
        ),
      ),
    });

  test('have their interfaces below them, both by what the captures counted', () => {
    let state = act(begun(), { type: 'view', view: 'namespaces' });
    state = told(state, 0, 0, 0, 0);
    state = told(state, 1000, 100, 500, 300);
    state = answered(state, ranking());
    expect(keys(state)).toEqual(['netns red', '4:1 eth1', '4:1 eth0', 'netns blue', '4:2 eth2']);
    expect(state.rows.map(({ values }) => values.rate)).toEqual([600, 500, 100, 300, 300]);
    expect(state.rows[3]).toMatchObject({ kernelDrops: 7 });
    state = told(state, 3000, 100, 900, 2300);
    expect(state.rows.map(({ key, values }) => [key, values.rate, values.window])).toEqual([
      ['netns blue', 1000, 2300 / 3],
      ['4:2 eth2', 1000, 2300 / 3],
      ['netns red', 200, 1000 / 3],
      ['4:1 eth1', 200, 300],
      ['4:1 eth0', 0, 100 / 3],
    ]);
    expect(keys(act(state, { type: 'reverse' }))).toEqual([
      'netns red',
      '4:1 eth0',
      '4:1 eth1',
      'netns blue',
      '4:2 eth2',
    ]);
  });

  test('have the rates of the flows that match when there is a filter', () => {
    let state = act(
      begun(),
      { type: 'view', view: 'namespaces' },
      { type: 'typed', text: 'udp', cursor: 3, read: { text: 'udp', json: 'J' } },
    );
    state = told(told(state, 0, 0), 1000, 5000);
    state = answered(
      state,
      ranking({ groups: [group({ interface: 'eth0', sentPerS: 42, receivedPerS: 0 })] }),
    );
    expect(state.rows.map(({ values }) => values.rate)).toEqual([42, 42]);
  });

  test('start over with another engine, whose counters begin anew', () => {
    let state = told(begun(), 0, 1000);
    state = told(state, 1000, 3000);
    expect(state.history.rates(null, false)).toEqual({ bytesPerS: 2000, packetsPerS: 20 });
    state = act(state, {
      type: 'status',
      atMs: 2000,
      status: status([capture(0, { bytes: 5 })], { enginePid: 3 }),
    });
    expect(state.history.rates(null, false)).toEqual({ bytesPerS: 0, packetsPerS: 0 });
  });
});

test('a daemon that has gone is told until it answers again', () => {
  const state = act(begun(), { type: 'gone', message: 'nobody listens' });
  expect(state.gone).toBe('nobody listens');
  expect(answered(state, flows(1)).gone).toBeNull();
});

test('whatever is pressed and whatever comes, the cursor is on a row that is on the screen', () => {
  const action = fc.oneof(
    fc.constantFrom<TopAction>(
      { type: 'first' },
      { type: 'last' },
      { type: 'open' },
      { type: 'close' },
      { type: 'reverse' },
      { type: 'pause' },
      { type: 'page', pages: 1 },
      { type: 'page', pages: -1 },
      { type: 'sort', step: 1 },
      { type: 'next-view', step: -1 },
    ),
    fc.record({ type: fc.constant('move' as const), lines: fc.integer({ min: -20, max: 20 }) }),
    fc.record({ type: fc.constant('resize' as const), height: fc.integer({ min: 1, max: 30 }) }),
    fc.record({ type: fc.constant('view' as const), view: fc.constantFrom(...VIEWS) }),
    fc.uniqueArray(fc.integer({ min: 1, max: 40 }), { maxLength: 40, size: 'max' }),
  );
  let scrolled = 0;
  fc.assert(
    fc.property(fc.array(action, { maxLength: 60, size: 'max' }), (steps) => {
      let state = begun(5);
      for (const step of steps) {
        state = Array.isArray(step) ? answered(state, flows(...step)) : update(state, step);
        expect(state.selected).toBeLessThan(Math.max(1, state.rows.length));
        expect(state.offset).toBeLessThanOrEqual(state.selected);
        expect(state.selected).toBeLessThan(state.offset + Math.max(1, state.height));
        if (state.offset > 0) scrolled++;
      }
    }),
  );
  expect(scrolled).toBeGreaterThan(10);
});
