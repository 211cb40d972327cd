import { expect, test } from 'vitest';
import { GOALS, isMet, verdict } from '../../bench/goals.ts';
import { sectionOf, withEarlierParts, withRun, withSection } from '../../bench/page.ts';
import { linePlot, type PlotSpec } from '../../bench/plot.ts';
import { selfTimes } from '../../bench/profile.ts';
import { figure, type PartOutcome, Report, type Results } from '../../bench/report.ts';

const MACHINE = {
  cpu: 'A processor',
  cores: 2,
  memoryGib: 24,
  kernel: '6.18.44',
  node: 'v24.21.0',
  commit: 'abc1234',
  date: '2026-11-26 10:10',
  load: [0.1, 0.25, 1],
};

function outcome(part: string, fill: (report: Report) => void, error: string | null = null): PartOutcome {
  const report = new Report();
  fill(report);
  return { part, seconds: 12.4, error, ...report };
}

const REPLAY = outcome('replay', (report) => {
  report.row('replay.nstap.wall', 'nstap replay, wall time', 's', [1.3, 1.25, 1.4]);
  report.row('replay.tcpdump.ratio', 'nstap / tcpdump', 'times', [1.25, 1.3, 1.2]);
  report.row('replay.argus.ratio', 'argus / nstap', 'times', [4.5, 4, 5]);
  report.row('replay.nstap.peak', 'peak memory', 'MiB', [200]);
  report.notes.push('tshark: did not end within 400 s; left out');
  report.profile.push('thread 1: 1000 ms busy', '   50.0 %  decodePacket packet.ts');
});

const RUN: Omit<Results, 'curves'> = {
  machine: MACHINE,
  peers: { tcpdump: '4.99.3', tshark: null },
  quick: false,
  parts: [REPLAY, outcome('live', () => undefined, 'no namespace')],
};

test('the same results give the same page', () => {
  expect(sectionOf({ ...RUN, curves: [] })).toMatchInlineSnapshot(`
    "One run of \`npm run bench\`, 2026-11-26 10:10 UTC, commit abc1234: A processor, 2 cores,
    24 GiB, Linux 6.18.44, Node v24.21.0, load 0.10 0.25 1.00 at the start.
    Beside it: tcpdump 4.99.3; not found: tshark.

    | figure | goal | median | spread |  |
    | --- | --- | --- | --- | --- |
    | replay of 5 million packets, 2.5 GB, time over that of \`tcpdump -r -w /dev/null\` | ≤ 1.3 times | 1.25 | 1.20 to 1.30, 3 rounds | met |
    | the same, times as fast as nfpcapd | ≥ 4 times |  |  | not measured |
    | the same, times as fast as argus | ≥ 5 times | 4.50 | 4.00 to 5.00, 3 rounds | missed by 10 % |
    | the same, times as fast as softflowd | ≥ 5 times |  |  | not measured |
    | the same, times as fast as tshark with conversations | ≥ 50 times |  |  | not measured |
    | the same, peak memory | ≤ 300 MiB | 200 | once | met |
    | peak memory at ten times the packets | ≤ 300 MiB |  |  | not measured |
    | live, 64-octet packets, CPU a packet | ≤ 120 ns |  |  | not measured |
    | live, packets dropped | ≤ 0 packets |  |  | not measured |
    | records written to SQLite | ≥ 150,000 records/s |  |  | not measured |
    | \`nstap --help\`, start to end | ≤ 150 ms |  |  | not measured |
    | \`nstap flows\`, start to end | ≤ 250 ms |  |  | not measured |
    | the slowest point query of millions of flows, with opening | ≤ 50 ms |  |  | not measured |
    | \`nstap tail\`, from the packet to its line | ≤ 50 ms |  |  | not measured |
    | the daemon at rest, of one core | ≤ 1 % |  |  | not measured |

    - replay: tshark: did not end within 400 s; left out
    - live failed: no namespace

    Where the time goes in \`replay\`, by thread, without what is called:

    \`\`\`text
    thread 1: 1000 ms busy
       50.0 %  decodePacket packet.ts
    \`\`\`

    ### \`replay\`, 12 s

    | figure | median | spread | unit |
    | --- | --- | --- | --- |
    | nstap replay, wall time | 1.30 | 1.25 to 1.40, 3 rounds | s |
    | nstap / tcpdump | 1.25 | 1.20 to 1.30, 3 rounds | times |
    | argus / nstap | 4.50 | 4.00 to 5.00, 3 rounds | times |
    | peak memory | 200 | once | MiB |
    "
  `);
});

test('a row a part, folded where there are many', () => {
  const many = outcome('query', (report) => {
    for (let i = 0; i < 20; i++) report.row(`query.${i}`, `question ${i} | with a bar`, 'ms', [i]);
  });
  const page = sectionOf({ ...RUN, parts: [many], curves: [] });
  expect(page).toContain('<summary>query: 20 figures, 12 s</summary>');
  expect(page).toContain('| question 7 \\| with a bar | 7.00 | once | ms |');
});

test('the section goes between its marks, and what people wrote stays', () => {
  const page =
    '# P\n\n<!-- bench: what follows is written by `npm run bench` -->\nold\n<!-- bench: end -->\n\n## More\n';
  const next = withSection(page, 'new\n');
  expect(next).toBe(
    '# P\n\n<!-- bench: what follows is written by `npm run bench` -->\n\nnew\n\n<!-- bench: end -->\n\n## More\n',
  );
  expect(withSection(next, 'new\n')).toBe(next);
  expect(() => withSection('# P\n', 'new')).toThrow('has no lines');
});

test('points that a run has not measured stay, with their date and commit', () => {
  const curves = [1e6, 5e7].map((x) => ({
    curve: 'store',
    x,
    values: { insert: 1 },
    date: 'then',
    commit: 'old',
  }));
  const parts = [outcome('scale', (report) => report.point('store', 1e6, { insert: 2 }))];
  const results = withRun({ ...RUN, curves }, { ...RUN, parts });
  expect(results.curves.map(({ x, values, commit }) => [x, values.insert, commit])).toEqual([
    [1e6, 2, 'abc1234'],
    [5e7, 1, 'old'],
  ]);
  expect(sectionOf(results)).toContain('2026-11-26 10:10, abc1234; then, old');
  expect(withRun(null, { ...RUN, parts }).curves.length).toBe(1);
});

test('a run of some parts takes their places in the last whole one, with its date and commit', () => {
  const again = outcome('live', (report) => report.row('live.cpu', 'live', 'ns', [100]));
  const other = outcome('large', (report) => report.row('large.insert', 'large', 'records/s', [1]));
  const later = { ...RUN, machine: { ...MACHINE, date: 'later' }, parts: [other, again], curves: [] };
  const results = withEarlierParts({ ...RUN, curves: [] }, later);
  expect(results.machine.date).toBe(MACHINE.date);
  expect(results.parts.map(({ part, error, of }) => [part, error, of])).toEqual([
    ['replay', null, undefined],
    ['live', null, 'later, abc1234'],
    ['large', null, 'later, abc1234'],
  ]);
  expect(sectionOf(results)).toContain('### `live`, 12 s, run of later, abc1234');
  expect(withEarlierParts(null, later).parts).toEqual([other, again]);
});

test('a whole run has the page, with the parts of others that it has not run', () => {
  const other = outcome('large', (report) => report.row('large.insert', 'large', 'records/s', [1]));
  const earlier = { ...RUN, parts: [...RUN.parts, { ...other, of: 'then, old' }], curves: [] };
  const next = { ...RUN, machine: { ...MACHINE, date: 'next' }, curves: [] };
  const results = withEarlierParts(earlier, next);
  expect(results.machine.date).toBe('next');
  expect(results.parts.map(({ part, of }) => [part, of])).toEqual([
    ['replay', undefined],
    ['live', undefined],
    ['large', 'then, old'],
  ]);
});

test('goals are met or missed by a part of their bound', () => {
  const row = (id: string, value: number) => {
    const report = new Report();
    report.row(id, '', '', [value]);
    return report.rows[0]!;
  };
  const goal = (id: string) => GOALS.find((each) => each.id === id)!;
  const of = (id: string, value: number): string => verdict(goal(id), row(id, value));
  expect(of('replay.tcpdump.ratio', 1.3)).toBe('met');
  expect(of('replay.tcpdump.ratio', 1.95)).toBe('missed by 50 %');
  expect(of('replay.argus.ratio', 5)).toBe('met');
  expect(of('replay.argus.ratio', 2.5)).toBe('missed by 50 %');
  expect(of('live.drops', 3)).toBe('missed by 3');
  expect(of('live.drops', Number.NaN)).not.toBe('met');
  expect(verdict(goal('live.cpu'), undefined)).toBe('not measured');
  expect(isMet(row('nothing', 1))).toBeNull();
});

test('figures have three digits that count', () => {
  expect([0, 1.234, 12.34, 123.4, 1234567, Number.NaN].map(figure)).toEqual([
    '0',
    '1.23',
    '12.3',
    '123',
    '1,234,567',
    'none',
  ]);
});

test('time of functions is their own, by thread, without idling', () => {
  const frame = (functionName: string, url = '') => ({ functionName, url, lineNumber: 1 });
  const profile = {
    nodes: [
      { id: 1, callFrame: frame('(root)') },
      { id: 2, callFrame: frame('decodePacket', 'file:///x/packet.ts') },
      { id: 3, callFrame: frame('(idle)') },
      { id: 4, callFrame: frame('', 'file:///x/writer.ts') },
    ],
    samples: [2, 3, 4, 2],
    timeDeltas: [3000, 90_000, 1000, 2000],
  };
  expect(selfTimes(profile)).toEqual({
    busyMs: 6,
    functions: [
      ['decodePacket packet.ts', 5],
      ['(anonymous) writer.ts', 1],
    ],
  });
});

test('a plot has a line through the points that have its value, in light and dark', () => {
  const points = [1e3, 1e4, 1e6].map((x, i) => ({
    curve: 'c',
    x,
    values: i === 1 ? { a: 5 } : { a: 5, b: 7 },
  }));
  const spec: PlotSpec = {
    title: 'A < B',
    x: 'flows',
    y: 'ns',
    isLogY: false,
    lines: [
      ['a', 'first'],
      ['b', 'second'],
    ],
  };
  const svg = linePlot(spec, points);
  expect(svg).toContain('A &lt; B');
  expect(svg.match(/<circle/g)?.length).toBe(5);
  expect(svg.match(/class="line /g)?.length).toBe(2);
  expect(svg).toContain('prefers-color-scheme: dark');
  expect(svg).not.toContain('NaN');
});
