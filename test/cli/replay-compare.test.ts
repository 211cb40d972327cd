import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeEach, describe, expect, test } from 'vitest';
import { withAddrs, parseAddrs, snapshotOfRoutes } from '../../daemon/routes/load-snapshot.ts';
import { writeSnapshot } from '../../daemon/routes/snapshot-file.ts';
import { pairRuns } from '../../storage/compare-runs.ts';
import { openForReading } from '../../storage/database.ts';
import { pcapFile } from '../decoders/savefile-build.ts';
import { frame, type FrameSpec } from '../support/frames.ts';
import { MAIN, nstap } from '../support/nstap.ts';

const DEMO = fileURLToPath(new URL('../../fixtures/demo/client.pcap', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'nstap-cmp-test-'));
/** What the program leaves in $TMPDIR is seen in here. */
const temporary = join(folder, 'tmp');
mkdirSync(temporary);
process.env.TMPDIR = temporary;
afterAll(() => rmSync(folder, { recursive: true }));
beforeEach(() => rmSync(join(folder, 'x.db'), { force: true }));

const file = (name: string, content: string | Uint8Array): string => {
  writeFileSync(join(folder, name), content);
  return join(folder, name);
};
const pcap = (name: string, frames: FrameSpec[]): string =>
  file(name, pcapFile(frames.map((spec, i) => ({ sec: 1_700_000_000, fraction: i, data: frame(spec) }))));

const MAIN_TABLE = '10.1.0.0/24 dev to-router proto kernel scope link src 10.1.0.2\n';
const before = file('before.txt', `default via 10.1.0.1 dev to-router\n${MAIN_TABLE}`);
const after = file('after.txt', `default via 10.1.0.1 dev to-router\nblackhole 10.66.0.0/16\n${MAIN_TABLE}`);

const db = join(folder, 'x.db');
const compare = (...words: string[]) => nstap(['replay', '--db', db, ...words]);
const compared = (...words: string[]) => {
  const { stdout, stderr, status } = compare('--json', ...words);
  expect(stderr).toBe('');
  expect(status).toBe(0);
  return JSON.parse(stdout);
};

describe('replay --compare', () => {
  test('lists the flows that go another way, with the verdict, and what they add up to', () => {
    const { stdout, stderr, status } = compare('--routes', before, '--compare', after, DEMO);
    expect(stderr).toBe('');
    expect(status).toBe(0);
    const lines = stdout.trimEnd().split('\n');
    expect(lines[0]).toMatch(/^29 packets, 2,656 bytes, 7 flows in /);
    expect(lines.slice(-5).map((line) => line.replaceAll(/ +/g, ' '))).toEqual([
      'PROTO FLOW DIR PACKETS BYTES VERDICT BEFORE -> AFTER',
      'udp 10.1.0.2:55056 -> 10.66.0.1:9 fwd 1 80 send -> drop default via 10.1.0.1 dev to-router -> blackhole 10.66.0.0/16 (drop)',
      '',
      '1 of 7 flows differs: 1 packet, 80 bytes',
      ' send -> drop: 1 flow, 1 packet, 80 bytes',
    ]);
  });

  test('in JSON: the totals of the replay, and each change with both decisions', () => {
    const { compare: result, ...totals } = compared('--routes', before, '--compare', after, DEMO);
    expect(totals).toMatchObject({ files: [DEMO], packets: 29, flows: 7, errors: [] });
    const { changes, ...sums } = result;
    expect(sums).toEqual({ before, after, flows: 7, differ: 1, packets: 1, bytes: 80 });
    expect(changes).toHaveLength(1);
    expect(changes[0]).toMatchObject({
      src: '10.1.0.2',
      dst: '10.66.0.1',
      protocol: 'udp',
      differs: ['fwd'],
      route_fwd_before: { verdict: 'send', prefix: '0.0.0.0/0', gateway: '10.1.0.1' },
      route_fwd_after: { type: 'blackhole', verdict: 'drop', prefix: '10.66.0.0/16' },
      route_rev_before: null,
      route_rev_after: null,
    });
    expect(changes[0]).not.toHaveProperty('route_fwd');
  });

  test('stores the flows once, as decided by the first', () => {
    compared('--routes', before, '--compare', after, DEMO);
    const { stdout } = nstap(['flows', '--db', db, '--format', 'json']);
    const flows = JSON.parse(stdout) as { dst: string; route_fwd: { type: string } }[];
    expect(flows).toHaveLength(7);
    expect(flows.map((flow) => flow.route_fwd.type)).not.toContain('blackhole');
    // Flows that another run put there are not compared.
    expect(compared('--routes', before, '--compare', after, DEMO).compare.flows).toBe(7);
  });

  test('says so when no decision differs, also where texts and reasons do', () => {
    expect(compare('--routes', before, '--compare', before, DEMO).stdout).toContain(
      "\nno flow's decision differs (7 flows)\n",
    );
    const scoped = file('scoped.txt', `default via 10.1.0.1 dev to-router proto static\n${MAIN_TABLE}`);
    expect(compared('--routes', before, '--compare', scoped, DEMO).compare).toEqual({
      before,
      after: scoped,
      flows: 7,
      differ: 0,
      packets: 0,
      bytes: 0,
      changes: [],
    });
  });

  test('both directions of a flow, and rules alone, count', async () => {
    const both = file('both.pcap', pcapFile([]));
    writeFileSync(
      both,
      pcapFile([
        { sec: 1, fraction: 0, data: frame({ src: '10.5.0.1', dst: '10.6.0.1', flags: 'S', payload: 10 }) },
        {
          sec: 2,
          fraction: 0,
          data: frame({ src: '10.6.0.1', dst: '10.5.0.1', sport: 80, dport: 1000, flags: 'SA' }),
        },
      ]),
    );
    const reversed = file('reversed.txt', '10.0.0.0/8 via 192.0.2.9 dev e1\n');
    const plain = file('plain.txt', '10.0.0.0/8 via 192.0.2.1 dev e0\n');
    const { compare: result } = compared('--routes', plain, '--compare', reversed, both);
    expect(result).toMatchObject({ flows: 1, differ: 1, packets: 2 });
    expect(result.changes[0].differs).toEqual(['fwd', 'rev']);
    const snapshot = snapshotOfRoutes('10.0.0.0/8 via 192.0.2.1 dev e0\n', 'r');
    const rule = { ...snapshot.rules[1]!, priority: 50, from: '10.5.0.0/16' };
    const ruled = join(folder, 'ruled.json.zst');
    await writeSnapshot(ruled, { ...snapshot, rules: [rule, ...snapshot.rules] });
    const { stdout } = compare('--routes', plain, '--compare', ruled, both);
    expect(stdout).toContain('via 192.0.2.1 dev e0 rule 32766 -> 10.0.0.0/8 via 192.0.2.1 dev e0 rule 50\n');
    expect(stdout).toContain('1 of 1 flow differs: 1 packet, 64 bytes\n');
  });

  test('two snapshot files; text replaces those tables of the first that it has routes of', async () => {
    const addrs = parseAddrs('to-router UP 10.1.0.2/24\nlo UNKNOWN 127.0.0.1/8\n', 'a');
    const routes = (main: string) =>
      withAddrs(snapshotOfRoutes(`${main}${MAIN_TABLE}default dev to-router table 77\n`, 'r'), addrs);
    const first = join(folder, 'first.json.gz');
    const second = join(folder, 'second.json');
    await writeSnapshot(first, routes('default via 10.1.0.1 dev to-router\n'));
    await writeSnapshot(second, routes('prohibit default\n'));
    const snapshots = compared('--snapshot', first, '--compare', second, DEMO).compare;
    const text = file('main.txt', `prohibit default\n${MAIN_TABLE}`);
    const main = compared('--snapshot', first, '--compare', text, DEMO).compare;
    expect(snapshots.differ).toBeGreaterThan(3);
    const ways = (result: typeof main) =>
      result.changes.map(({ flow_id: _, ...change }: Record<string, unknown>) => change);
    expect(ways(main)).toEqual(ways(snapshots));
  });

  test('a table has the largest changes, and says how many more there are', () => {
    const many = pcap(
      'many.pcap',
      Array.from({ length: 120 }, (_, i) => ({
        src: '10.1.0.2',
        dst: `10.66.0.${i + 1}`,
        proto: 'udp',
        payload: i,
      })),
    );
    const { stdout } = compare('--routes', before, '--compare', after, many);
    expect(stdout.match(/blackhole/g)).toHaveLength(50);
    expect(stdout).toContain('10.66.0.120:80');
    expect(stdout).toContain('\n… and 70 more; --json lists all\n');
    expect(stdout).toContain('\n120 of 120 flows differ: 120 packets, ');
    expect(compared('--routes', before, '--compare', after, many).compare.changes).toHaveLength(120);
  });

  test('compares the same flows when the flow table is full', () => {
    const many = pcap(
      'crowd.pcap',
      Array.from({ length: 3000 }, (_, i) => ({
        src: '10.1.0.2',
        dst: `10.66.${(i * 7) % 50}.${(i * 13) % 250}`,
        proto: 'udp',
        sport: 1000 + ((i * 31) % 700),
      })),
    );
    for (let i = 0; i < 3; i++) {
      const totals = compared('--routes', before, '--compare', after, '--max-flows', '100', many);
      expect(totals.evicted).toBeGreaterThan(100);
      expect(totals.compare).toMatchObject({ flows: totals.flows, differ: totals.flows, packets: 3000 });
    }
  });

  test('compares the same flows when fragments push each other out of their table', () => {
    const datagrams = Array.from({ length: 1500 }, (_, i) => ({
      src: '10.1.0.2',
      dst: '10.66.0.1',
      proto: 'udp' as const,
      sport: 2000 + i,
      ipId: i,
      payload: 64,
    }));
    const fragments = pcap('fragments.pcap', [
      ...datagrams.map((spec) => ({ ...spec, moreFragments: true })),
      ...datagrams.map((spec) => ({ ...spec, fragOff: 72 })),
    ]);
    for (let i = 0; i < 3; i++) {
      const { compare: result, ...totals } = compared('--routes', before, '--compare', after, fragments);
      expect(totals).toMatchObject({ packets: 3000, fragments: 3000 });
      expect(result).toMatchObject({ flows: totals.flows, differ: totals.flows, packets: 3000 });
    }
  });

  test('a damaged file: what is good is compared, and the status is 1', () => {
    const damaged = file(
      'damaged.pcap',
      pcapFile([{ sec: 1, fraction: 0, data: frame({}) }]).subarray(0, -3),
    );
    const { status, stderr, stdout } = compare(
      '--json',
      '--routes',
      before,
      '--compare',
      after,
      damaged,
      DEMO,
    );
    expect(status).toBe(1);
    expect(stderr.match(/damaged.pcap/g)).toHaveLength(1);
    expect(JSON.parse(stdout).compare).toMatchObject({ flows: 7, differ: 1 });
  });

  test.each([
    [['--compare', after, DEMO], 'nstap: --compare needs --snapshot or --routes, to compare with\n'],
    [
      ['--routes', before, '--compare', after, '-'],
      'nstap: --compare reads the packets twice, and stdin can be read once; save it to a file\n',
    ],
    [['--routes', before, '--compare', after, '/dev/null'], '/dev/null can be read once'],
  ])('%s: wrong usage, told before anything is read', (words, message) => {
    const { status, stderr } = compare(...words);
    expect(stderr).toContain(message);
    expect(status).toBe(2);
    expect(readdirSync(folder)).not.toContain('x.db');
  });

  test('a second snapshot that is none is told before anything is read', () => {
    for (const [name, content, message] of [
      ['empty.txt', '', 'has neither a snapshot nor a route in it'],
      ['wrong.txt', 'default dev e0 frob', 'line 1: "frob": unknown word'],
      ['wrong.json', '{"format":"x"}', 'is no snapshot of nstap'],
    ] as const) {
      const { status, stderr } = compare('--routes', before, '--compare', file(name, content), DEMO);
      expect(stderr).toContain(message);
      expect(status).toBe(1);
    }
    expect(compare('--routes', before, '--compare', join(folder, 'none'), DEMO).stderr).toContain('ENOENT');
    expect(readdirSync(folder)).not.toContain('x.db');
  });

  test('leaves no temporary database, also when it is interrupted', async () => {
    expect(readdirSync(temporary)).toEqual([]);
    const large = pcap(
      'large.pcap',
      Array.from({ length: 200_000 }, (_, i) => ({
        src: '10.1.0.2',
        dst: '10.66.0.1',
        proto: 'udp',
        sport: i & 0xffff,
      })),
    );
    const child = spawn(
      process.execPath,
      [MAIN, 'replay', '--db', db, '--routes', before, '--compare', after, large],
      { stdio: ['ignore', 'pipe', 'pipe'] },
    );
    let stderr = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
    });
    const closed = once(child, 'close');
    // The second replay has begun when its database is there.
    for (;;) {
      const [scratch] = readdirSync(temporary);
      if (scratch !== undefined && readdirSync(join(temporary, scratch)).length > 0) break;
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    child.kill('SIGINT');
    expect(await closed).toEqual([130, null]);
    expect(stderr).toBe('nstap: interrupted: the flows are stored, nothing is compared\n');
    expect(readdirSync(temporary)).toEqual([]);
    expect(nstap(['flows', '--db', db, '--by', 'protocol', '--format', 'json']).stdout).toContain(
      '"packets":200000',
    );
  }, 60_000);

  test('runs over other packets are never compared', () => {
    const databases = ['one', 'two', 'more'].map((name) => {
      const own = join(folder, `${name}.db`);
      const frames: FrameSpec[] = [{ dst: name === 'two' ? '10.9.9.9' : '10.8.8.8' }];
      if (name === 'more') frames.push({ dst: '10.9.9.9' });
      expect(nstap(['replay', '--db', own, pcap(`${name}.pcap`, frames)]).status).toBe(0);
      return openForReading(own);
    });
    const [one, two, more] = databases.map((own) => ({ db: own, runId: 1 }));
    expect([...pairRuns(one!, one!)]).toHaveLength(1);
    expect(() => [...pairRuns(one!, two!)]).toThrow('the two readings differ (flow ');
    expect(() => [...pairRuns(one!, more!)]).toThrow('the second one has more flows');
    expect(() => [...pairRuns(more!, one!)]).toThrow('is in one of them only');
    for (const own of databases) own.close();
    expect(spawnSync('ls', [temporary], { encoding: 'utf8' }).stdout).toBe('');
  });
});
