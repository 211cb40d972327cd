import { stripVTControlCharacters } from 'node:util';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { textWidth } from '../../../cli/format/text-width.ts';
import { type TopAction, type TopState, update, VIEWS } from '../../../cli/top/model.ts';
import { screenLines, tableHeight } from '../../../cli/top/screen.ts';
import {
  ASCII,
  answered,
  begun,
  COLORED,
  capture,
  decision,
  flow,
  group,
  NOW_MS,
  PLAIN,
  ranking,
  status,
} from './scene.ts';

const act = (state: TopState, ...actions: TopAction[]): TopState => actions.reduce(update, state);
const told = (state: TopState, atMs: number, told: ReturnType<typeof status>): TopState =>
  act(state, { type: 'status', atMs, status: told });

/** The screen as text without the name of this host, which is another one elsewhere. */
function shown(state: TopState, width = 100, height = 20, look = PLAIN): string[] {
  return screenLines(state, width, height, look, NOW_MS).map((line) => line.trimEnd());
}

function filled(height = 20): TopState {
  let state = begun(tableHeight(height));
  state = told(state, 0, status([capture(0)]));
  state = told(
    state,
    1000,
    status([capture(0, { packets: 12_345, bytes: 12_262_500, kernelDrops: 3 })], { engineCpuS: 10.34 }),
  );
  return answered(
    state,
    ranking({
      matched: 1234,
      rows: 1234,
      flows: [
        flow(40_000, 2_000_000),
        flow(40_001, 1_000_000, { routeFwd: 2 }),
        flow(40_002, 0, { routeFwd: 0, bytesPerSWindow: 0 }),
      ],
      routes: [
        decision(),
        decision({ type: 'blackhole', verdict: 'drop', prefix: '10.9.0.0/16', dev: null }),
      ],
    }),
  );
}

describe('the head', () => {
  test('tells of the daemon, its load, what was lost, the views and the filter', () => {
    const lines = shown({ ...filled(), filter: { text: 'tcp', json: 'J' } });
    expect(lines[0]).toMatch(/^nstap top {2}\S+ {2}up 1h01m {2}every 1 s {2}10:00:00 UTC {2}daemon 0.1.0$/);
    expect(lines[1]).toBe('packets 12.3k/s  98.1 Mbit/s  flows 60,000 (6.0 %)  engine CPU 34 %  310 MB');
    expect(lines[2]).toMatch(/^LOSSES {2}kernel 3 \(\+3 red\/eth0\) {2}undecoded 0 {2}evicted 0 /);
    expect(lines[3]).toBe('1 flows  2 talkers  3 namespaces  4 routes  filter: tcp (1,234 flows)');
  });

  test('what is lost just now is red and comes first, what was lost before is not', () => {
    let state = told(begun(), 0, status([capture(0, { kernelDrops: 5 }), capture(1)]));
    state = told(state, 1000, status([capture(0, { kernelDrops: 5 }), capture(1, { evictedFlows: 9 })]));
    const line = screenLines(state, 120, 20, COLORED, NOW_MS)[2]!;
    expect(line).toContain('\x1b[31mevicted 9 (+9 red/eth1)\x1b[39m');
    expect(line).toContain('\x1b[33mkernel 5\x1b[39m');
    expect(line.indexOf('evicted')).toBeLessThan(line.indexOf('kernel'));
    state = told(state, 2000, status([capture(0, { kernelDrops: 5 }), capture(1, { evictedFlows: 9 })]));
    expect(screenLines(state, 120, 20, COLORED, NOW_MS)[2]).not.toContain('\x1b[31m');
  });

  test('a database in trouble and a queue that fills are losses to come', () => {
    const state = told(begun(), 0, status([capture(0)], { storageTrouble: 'disk full', queuedBatches: 40 }));
    expect(shown(state)[2]).toMatch(/^LOSSES {2}database: disk full {2}queue 40\/64 {2}kernel 0/);
  });

  test('a daemon that has gone is told, with what was there last', () => {
    const lines = shown(act(filled(), { type: 'gone', message: 'nobody listens' }));
    expect(lines[0]).toContain('the daemon has gone; trying again');
    expect(lines[5]).toContain('10.0.0.1:40000');
  });

  test('a pause is told', () => {
    expect(shown(act(filled(), { type: 'pause' }))[0]).toContain('PAUSED');
  });
});

describe('the table', () => {
  test('has rates with bars, the column that it is sorted by, and the cursor', () => {
    const lines = shown(filled(), 140);
    expect(lines.slice(4, 8)).toEqual([
      '  PROTO  FLOW                               STATE      RATE▼                   10 S   PKT/S    BYTES  NETNS/IF  ROUTE',
      '> tcp    10.0.0.1:40000 → 10.0.0.2:443      S1     2.00 MB/s  ██████████  1.00 MB/s      12  18.0 kB  red/eth0  10.0.0.0/24 dev eth0',
      '  tcp    10.0.0.1:40001 → 10.0.0.2:443      S1     1.00 MB/s  █████        500 kB/s      12  18.0 kB  red/eth0  blackhole 10.9.0.0/16 (drop)',
      '  tcp    10.0.0.1:40002 → 10.0.0.2:443      S1             -                      -      12  18.0 kB  red/eth0  -',
    ]);
    expect(lines.at(-1)).toMatch(/q quit +1\/3 of 1,234$/);
  });

  test('without Unicode is ASCII', () => {
    const text = shown(filled(), 140, 20, ASCII).join('\n');
    expect(text).toMatch(/RATEv/);
    expect(text).toMatch(/10\.0\.0\.1:40000 -> 10\.0\.0\.2:443 .* ##########/);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: all of ASCII
    expect(text).toMatch(/^[\x00-\x7f]*$/);
  });

  test('colours what is dropped', () => {
    const line = screenLines(filled(), 140, 20, COLORED, NOW_MS)[6]!;
    expect(line).toContain('\x1b[31mblackhole 10.9.0.0/16 (drop)');
  });

  test('shows the column that it is sorted by, though it would be left out', () => {
    const sorted = act(filled(), { type: 'sort', step: -1 });
    const state = answered(sorted, ranking({ flows: [flow(1, 1)] }));
    expect(shown(state, 80)[4]).toMatch(/AGE▼/);
    expect(shown(state, 80)[5]).toMatch(/1m15s/);
  });

  test('keeps FLOW and RATE on a narrow terminal', () => {
    const lines = shown(filled(10), 40, 10);
    expect(lines[4]).toMatch(/FLOW +RATE▼/);
    expect(lines[5]).toMatch(/^> 10\.0\.0\.1:.*2\.00 MB\/s$/);
  });

  test('escape sequences in names do not reach the terminal', () => {
    const bad = flow(1, 1);
    bad.flow.netns = 'x\x1b[2J';
    const state = answered(begun(), ranking({ flows: [bad] }));
    expect(shown(state, 160).join('\n')).toContain('x\\x1b[2J/eth0');
  });

  test('says why it is empty', () => {
    expect(shown(begun())[6]).toBe('  asking the daemon');
    expect(shown(answered(begun(), ranking()))[6]).toBe('  no flows');
    const filtered = { ...begun(), filter: { text: 'tcp', json: 'J' } };
    expect(shown(answered(filtered, ranking()))[6]).toBe('  no flow matches the filter');
  });
});

describe('other views', () => {
  test('talkers', () => {
    const state = answered(act(begun(), { type: 'view', view: 'talkers' }), ranking({ groups: [group()] }));
    const lines = shown(state, 120);
    expect(lines[4]).toMatch(/ADDRESS +NETNS\/IF +FLOWS +RATE▼ +SENT +RECEIVED +10 S/);
    expect(lines[5]).toMatch(/^> 10\.0\.0\.1 +red\/eth0 +3 +150 B\/s +█+ +100 B\/s +50 B\/s +75 B\/s/);
  });

  test('namespaces', () => {
    const state = answered(act(filled(), { type: 'view', view: 'namespaces' }), ranking());
    const lines = shown(state, 120);
    expect(lines[4]).toMatch(/NAMESPACE +FLOWS +RATE▼ .*DROPS +UNDECODED +EVICTED/);
    expect(lines[5]).toMatch(/^> red +0 +12\.3 MB\/s .* 3 +0 +0$/);
    expect(lines[6]).toMatch(/^ {4}eth0 +0 +12\.3 MB\/s/);
  });

  test('routes', () => {
    const state = answered(
      act(begun(), { type: 'view', view: 'routes' }),
      ranking({ groups: [group({ route: 1, address: '', interface: '' }), group({ route: 0 })] }),
    );
    const lines = shown(state, 120);
    expect(lines[5]).toMatch(/^> send +10\.0\.0\.0\/24 dev eth0 +red +3 +150 B\/s/);
    expect(lines[6]).toMatch(/^ {2}- +- +red/);
  });
});

describe('details', () => {
  test('of a flow have everything, both decisions with their reasons', () => {
    let state = answered(
      begun(50),
      ranking({
        flows: [flow(1, 1000, { routeRev: 2 })],
        routes: [decision(), decision({ verdict: 'drop', type: 'martian', reason: 'the source cannot be' })],
      }),
    );
    state = act(state, { type: 'open' });
    const text = shown(state, 100, 60).join('\n');
    expect(text).toContain('tcp 10.0.0.1:1 → 10.0.0.2:443');
    expect(text).toMatch(/began +2026-11-23T09:58:45.000000000Z, 1m15s ago/);
    expect(text).toMatch(/bytes +18\.0 kB {2}\(→ 10,000 {2}← 8,000\)/);
    expect(text).toMatch(/flags +→ APS {2}← AS/);
    expect(text).toMatch(/round trip +1\.235 ms/);
    expect(text).toMatch(/ttl +→ 64 {2}← -/);
    expect(text).toMatch(/route of what 10\.0\.0\.1 sends\n +verdict +send \(unicast\)/);
    expect(text).toMatch(/route of what 10\.0\.0\.2 sends\n +verdict +drop \(martian\)/);
    expect(text).toMatch(/reason +the source cannot be/);
  });

  test('that are longer than the screen scroll to their end', () => {
    let state = act(answered(begun(5), ranking({ flows: [flow(1, 1)] })), { type: 'open' });
    state = act(state, { type: 'move', lines: 500 });
    expect(shown(state, 100, 14).slice(-4).join('\n')).toContain('no packet in this direction');
  });

  test('of a flow that is over say so', () => {
    let state = act(answered(begun(), ranking({ flows: [flow(1, 1)] })), { type: 'open' });
    state = answered(state, ranking());
    expect(shown(state)[4]).toBe('over, or no longer among the first');
  });
});

describe('the filter line', () => {
  test('shows what is typed, and below it what is wrong and where', () => {
    const state: TopState = {
      ...filled(),
      editing: { text: 'tcp and prot', cursor: 12, mistake: { message: 'found "prot"', at: 8 } },
    };
    expect(shown(state).slice(-2)).toEqual(['filter: tcp and prot', 'at 9: found "prot"']);
  });

  test('scrolls with its cursor', () => {
    const text = `${'x'.repeat(100)}END`;
    const state: TopState = { ...filled(), editing: { text, cursor: text.length, mistake: null } };
    expect(shown(state, 40, 12).at(-2)).toMatch(/^filter: x+END$/);
  });
});

test('a terminal that is too small gets one line, and how to leave', () => {
  expect(shown(filled(), 39, 12)).toEqual(['nstap top needs 40 by 10 (q: quit)', ...Array(11).fill('')]);
  expect(shown(filled(), 100, 9)).toHaveLength(9);
});

test('at any size every screen has its height, and no line is wider than it', () => {
  const views = VIEWS.map((view) =>
    answered(
      act(filled(), { type: 'view', view }),
      view === 'flows'
        ? ranking({ flows: [flow(1, 5), flow(2, 3)] })
        : ranking({ groups: [group({ route: 1, netns: '网络空间' }), group({ netns: 'b'.repeat(200) })] }),
    ),
  );
  const states = [
    ...views,
    act(views[0]!, { type: 'open' }),
    act(views[3]!, { type: 'open' }),
    act(views[0]!, { type: 'help' }),
    act(views[0]!, { type: 'gone', message: 'm'.repeat(300) }),
    {
      ...views[0]!,
      editing: { text: 'é'.repeat(90), cursor: 40, mistake: { message: 'x'.repeat(300), at: 1 } },
    },
  ];
  fc.assert(
    fc.property(
      fc.constantFrom(...states),
      fc.integer({ min: 1, max: 250 }),
      fc.integer({ min: 1, max: 70 }),
      fc.constantFrom(PLAIN, ASCII, COLORED),
      (state, width, height, look) => {
        const sized = act(state, { type: 'resize', height: tableHeight(height) });
        const lines = screenLines(sized, width, height, look, NOW_MS);
        expect(lines).toHaveLength(height);
        for (const line of lines)
          expect(textWidth(stripVTControlCharacters(line))).toBeLessThanOrEqual(width);
      },
    ),
    { numRuns: 500 },
  );
});
