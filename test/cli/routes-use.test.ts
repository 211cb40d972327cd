import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { describe, expect, test } from 'vitest';
import type { UseCounts } from '../../cli/route-use.ts';
import { changeExperiment } from '../../storage/experiments.ts';
import type { RouteDecision } from '../../storage/route-decision.ts';
import { FlowWriter } from '../../storage/writer.ts';
import { Lab, labMissing } from '../kernel/lab.ts';
import { addChange, batchOf, captureInfo, decision, type RecordSpec, TEST_RUN } from '../storage/records.ts';
import { tempDb, tempFolder } from '../storage/temp-db.ts';
import { MAIN, nstap } from '../support/nstap.ts';
import { Terminal, terminalMissing } from '../support/terminal.ts';

/** 2023-11-14T22:13:20Z */
const T0 = 1_700_000_000;

const ROUTES = `default via 10.1.0.254 dev veth0
10.1.0.0/24 dev veth0 proto kernel scope link src 10.1.0.1
10.2.0.0/24 dev veth1 proto kernel scope link src 10.2.0.1
blackhole 10.66.0.0/16
10.77.0.0/16 proto static nexthop via 10.1.0.8 dev veth0 weight 1 nexthop via 10.2.0.8 dev veth1 weight 1
10.88.0.0/16 via 10.1.0.9 dev veth0 table 100
local 10.1.0.1 dev veth0 table local proto kernel scope host src 10.1.0.1
fd00:2::/64 dev veth1 proto kernel metric 256 pref medium
`;
const RULES = `0: from all lookup local
100: from 10.1.0.3 lookup 100
32766: from all lookup main
32767: from all lookup default
`;

const plain = { gateway: null, prefsrc: null, protocol: 'kernel', scope: 'link' } as const;
/** By number, see FLOWS. */
const DECISIONS: RouteDecision[] = [
  // 0, 1: through to 10.2.0.0/24, as seen coming in by veth0 and going out by veth1.
  decision({ ...plain, dev: 'veth1', stage: 'input', observed: 'n/a', text: '10.2.0.0/24 dev veth1' }),
  decision({ ...plain, dev: 'veth1', stage: 'forward', observed: 'agrees', text: '10.2.0.0/24 dev veth1' }),
  // 2, 3: the way back.
  decision({ ...plain, prefix: '10.1.0.0/24', dev: 'veth0', stage: 'input', observed: 'n/a' }),
  decision({ ...plain, prefix: '10.1.0.0/24', dev: 'veth0', stage: 'forward', observed: 'agrees' }),
  // 4, 5: from here, and to here.
  decision({ prefix: '0.0.0.0/0', dev: 'veth0', verdict: 'send', stage: 'output', observed: 'agrees' }),
  decision({
    ...plain,
    type: 'local',
    table: 'local',
    rule: 0,
    prefix: '10.1.0.1/32',
    dev: 'veth0',
    verdict: 'deliver',
    stage: 'input',
    observed: 'n/a',
  }),
  // 6: dropped. 7: by no route. 8: a route that was deleted. 9: one whose gateway was another.
  decision({
    type: 'blackhole',
    verdict: 'drop',
    prefix: '10.66.0.0/16',
    gateway: null,
    dev: null,
    stage: 'input',
    observed: 'n/a',
    text: 'blackhole 10.66.0.0/16',
  }),
  decision({
    type: 'no_route',
    verdict: 'drop',
    rule: null,
    table: null,
    prefix: null,
    gateway: null,
    dev: null,
    stage: 'input',
    observed: 'n/a',
    reason: 'no rule led to a route (ENETUNREACH)',
    text: null,
  }),
  decision({
    prefix: '10.99.0.0/16',
    gateway: '10.1.0.9',
    dev: 'veth0',
    stage: 'forward',
    observed: 'agrees',
    text: '10.99.0.0/16 via 10.1.0.9 dev veth0',
  }),
  decision({
    prefix: '0.0.0.0/0',
    gateway: '10.1.0.253',
    dev: 'veth0',
    stage: 'forward',
    observed: 'agrees',
    text: 'default via 10.1.0.253 dev veth0',
  }),
  // 10, 11: both next hops of a multipath route. 12: by a rule's table. 13: IPv6.
  decision({
    prefix: '10.77.0.0/16',
    gateway: '10.1.0.8',
    dev: 'veth0',
    stage: 'forward',
    observed: 'agrees',
  }),
  decision({ prefix: '10.77.0.0/16', gateway: '10.2.0.8', dev: 'veth1', stage: 'forward', observed: 'n/a' }),
  decision({
    prefix: '10.88.0.0/16',
    table: '100',
    rule: 100,
    gateway: '10.1.0.9',
    dev: 'veth0',
    stage: 'forward',
    observed: 'agrees',
  }),
  decision({
    ...plain,
    prefix: 'fd00:2::/64',
    dev: 'veth1',
    metric: 256,
    stage: 'forward',
    observed: 'agrees',
  }),
];

const VETH0 = 0;
const VETH1 = 1;
const ELSEWHERE = 2;
const flow = (
  capture: number,
  route: [number, number],
  packets: [number, number],
  more: RecordSpec = {},
): RecordSpec => ({
  capture,
  route,
  packets,
  bytes: [packets[0] * 100, packets[1] * 100],
  ...more,
});

const FLOWS: RecordSpec[] = [
  // One conversation across the router, seen at both interfaces.
  flow(VETH0, [0, 3], [5, 4]),
  flow(VETH1, [1, 2], [5, 4]),
  // From here to the world and back; another an hour later.
  flow(VETH0, [4, 5], [2, 3]),
  flow(VETH0, [4, -1], [1, 0], { start: [T0 + 3600, 0] }),
  flow(VETH0, [6, -1], [7, 0]),
  flow(VETH0, [7, -1], [8, 0]),
  flow(VETH0, [8, -1], [1, 0]),
  // Left the multipath route's first next hop, and takes the second now; and both directions by one route.
  flow(VETH1, [11, -1], [3, 0], { routeOrigSide: 0 }),
  flow(VETH0, [10, 10], [2, 2]),
  flow(VETH0, [9, -1], [6, 0]),
  flow(VETH0, [12, -1], [4, 0]),
  flow(VETH1, [13, -1], [1, 0]),
  // Of another namespace.
  flow(ELSEWHERE, [1, 3], [900, 900]),
];

function write(path: string, netns = 'red', netnsId = '4:1'): void {
  const writer = new FlowWriter(path, TEST_RUN);
  const channel = writer.channel();
  const batch = batchOf(...FLOWS.map((spec, seq) => ({ seq, start: [T0, 0] as [number, number], ...spec })));
  addChange(batch, { seq: 7, at: [T0, 1], previous: 10, decision: 11 });
  const infos = [
    captureInfo(VETH0, { netns, netnsId, interface: 'veth0' }),
    captureInfo(VETH1, { netns, netnsId, interface: 'veth1' }),
    captureInfo(ELSEWHERE, { netns: 'blue', netnsId: '4:2', interface: 'veth1' }),
  ];
  writer.write([
    ...infos.map((info) => [channel, { type: 'capture', info }] as const),
    [channel, { type: 'decisions', base: 0, list: DECISIONS }],
    [channel, { type: 'batch', batch }],
  ]);
  const second = (sec: number): bigint => BigInt(T0 + sec) * 1_000_000_000n;
  changeExperiment(writer.db, { type: 'start', name: 'late', netns: null }, second(3000));
  changeExperiment(writer.db, { type: 'stop', name: 'late', id: null }, second(4000));
  writer.close();
}

interface Scene {
  db: string;
  words: string[];
}

function scene(): Scene {
  const db = tempDb();
  write(db);
  const folder = tempFolder();
  writeFileSync(join(folder, 'routes'), ROUTES);
  writeFileSync(join(folder, 'rules'), RULES);
  const files = ['--routes', join(folder, 'routes'), '--rules', join(folder, 'rules')];
  return { db, words: ['routes', ...files, '--netns', 'red'] };
}

interface Use extends UseCounts {
  fwd: UseCounts;
  rev: UseCounts;
  output: UseCounts;
  forward: UseCounts;
  input: UseCounts;
  left: number;
  last: string | null;
}
interface CountedSnapshot {
  rules: { priority: number; family: number; use: Use }[];
  routes: { prefix: string; table: number; use: Use }[];
  use: {
    flows: number;
    since: string | null;
    gone: { decision: RouteDecision; use: Use }[];
    other: { decision: RouteDecision; use: Use }[];
  };
}

function counted(...words: string[]): CountedSnapshot {
  const { status, stdout } = nstap([...words, '--json']);
  expect(status).toBe(0);
  return JSON.parse(stdout) as CountedSnapshot;
}

const counts = (flows: number, packets: number): UseCounts => ({ flows, packets, bytes: packets * 100 });

describe('routes with counters', () => {
  test('each route has its flows, packets and octets, by direction and stage; what was forwarded counts once', () => {
    const { db, words } = scene();
    const { routes, rules, use } = counted(...words, '--db', db);
    const of = (prefix: string): Use => routes.find((route) => route.prefix === prefix)!.use;
    const none = counts(0, 0);
    expect(of('10.2.0.0/24')).toEqual({
      ...counts(1, 5),
      fwd: counts(1, 5),
      rev: none,
      output: none,
      forward: counts(1, 5),
      input: none,
      left: 0,
      last: '2023-11-14T22:13:20.000000000Z',
    });
    expect(of('10.1.0.0/24')).toMatchObject({ ...counts(1, 4), rev: counts(1, 4), forward: counts(1, 4) });
    expect(of('0.0.0.0/0')).toMatchObject({
      ...counts(2, 3),
      output: counts(2, 3),
      last: '2023-11-14T23:13:20.000000000Z',
    });
    expect(of('10.1.0.1/32')).toMatchObject({ ...counts(1, 3), rev: counts(1, 3), input: counts(1, 3) });
    expect(of('10.66.0.0/16')).toMatchObject({ ...counts(1, 7), input: counts(1, 7) });
    // Two flows by different next hops of one route, one of them in both directions; the other was at the first before.
    expect(of('10.77.0.0/16')).toMatchObject({
      ...counts(2, 7),
      fwd: counts(2, 5),
      rev: counts(1, 2),
      forward: counts(2, 7),
      left: 1,
    });
    expect(of('10.88.0.0/16')).toMatchObject(counts(1, 4));
    expect(of('fd00:2::/64')).toMatchObject(counts(1, 1));
    const ofRule = (priority: number, family = 4): number | undefined =>
      rules.find((rule) => rule.priority === priority && rule.family === family)?.use.flows;
    expect([ofRule(0), ofRule(100)]).toEqual([1, 1]);
    // Deleted, and of the replaced one with another gateway.
    expect(use.gone.map(({ decision: { text }, use: { flows, packets } }) => [text, flows, packets])).toEqual(
      [
        ['default via 10.1.0.253 dev veth0', 1, 6],
        ['10.99.0.0/16 via 10.1.0.9 dev veth0', 1, 1],
      ],
    );
    expect(use.other).toMatchObject([{ decision: { type: 'no_route' }, use: counts(1, 8) }]);
    expect(use.flows).toBe(FLOWS.length - 1);
  });

  test('every direction that has a decision is counted somewhere, but for those that were seen elsewhere', () => {
    const { db, words } = scene();
    const { routes, use } = counted(...words, '--db', db);
    const packets = [...routes, ...use.gone, ...use.other].reduce((n, each) => n + each.use.packets, 0);
    // SQLite adds up by itself what was left out: the two directions of the conversation that came in at veth0 and veth1.
    const sqlite = new Database(db, { readonly: true });
    const sums = sqlite
      .prepare(
        `SELECT sum(iif(route_fwd IS NULL, 0, packets_fwd)) + sum(iif(route_rev IS NULL, 0, packets_rev)) AS all_packets
         FROM flows JOIN captures USING (capture_id) WHERE netns = 'red'`,
      )
      .get() as { all_packets: number };
    sqlite.close();
    expect(packets).toBe(sums.all_packets - 5 - 4);
  });

  test('for people are comments behind the lines of `ip`, with unused routes, and deleted ones apart', () => {
    const { db, words } = scene();
    const { status, stdout, stderr } = nstap([...words, '--db', db]);
    expect(status).toBe(0);
    const main = stdout.slice(stdout.indexOf('IPv4 table main'), stdout.indexOf('\nIPv4 table local'));
    expect(stdout).toMatch(/^ {2}100:\tfrom 10\.1\.0\.3 lookup 100 +# 1 flow, 400 B$/m);
    const note = (start: string): string | undefined =>
      stdout
        .split('\n')
        .find((line) => line.startsWith(`  ${start}`))
        ?.split(/ +# /)[1];
    expect(note('10.2.0.0/24')).toBe('1 flow, 500 B: forward 1 fwd');
    expect(note('10.77.0.0/16')).toBe('2 flows, 700 B: forward 2 fwd 1 rev; 1 flow left it');
    expect(note('default')).toBe('2 flows, 300 B: output 2 fwd');
    expect(main).not.toContain('10.99.0.0/16');
    expect(stdout).toContain(`
used, but not in the tables now
  default via 10.1.0.253 dev veth0     # 1 flow, 600 B: forward 1 fwd; last 2023-11-14T22:13:20Z
  10.99.0.0/16 via 10.1.0.9 dev veth0  # 1 flow, 100 B: forward 1 fwd; last 2023-11-14T22:13:20Z

without a route
  no_route (drop): no rule led to a route (ENETUNREACH)  # 1 flow, 800 B: input 1 fwd; last 2023-11-14T22:13:20Z
`);
    expect(stderr).toBe(
      `nstap: counters: 12 flows of red in ${db}; --since, --until and --experiment choose others\n`,
    );
    // Without the comments it is what there is without counters.
    const bare = stdout.slice(0, stdout.indexOf('\nused, but')).replace(/ +# .*$/gm, '');
    expect(bare).toBe(nstap(words).stdout);
  });

  test('without a flag of theirs a pipe gets none, and --json is the snapshot that it was; with them it is one, too', () => {
    const { db, words } = scene();
    const env = process.env.NSTAP_DB;
    process.env.NSTAP_DB = db;
    try {
      expect(nstap(words).stdout).not.toContain('#');
      expect(nstap([...words, '--no-counters']).stdout).toBe(nstap(words).stdout);
      expect(nstap([...words, '--json']).stdout).not.toContain('"use"');
      expect(nstap([...words, '--counters']).stdout).toContain('# 1 flow, 500 B: forward 1 fwd');
    } finally {
      if (env === undefined) delete process.env.NSTAP_DB;
      else process.env.NSTAP_DB = env;
    }
    const folder = tempFolder();
    writeFileSync(join(folder, 'a.json'), nstap([...words, '--db', db, '--json']).stdout);
    expect(nstap(['routes', '--snapshot', join(folder, 'a.json')]).stdout).toBe(nstap(words).stdout);
    // The tables of a file, the flows of its namespace.
    const { status, stderr } = nstap(['routes', '--netns', 'none-such', '--routes', words[2]!, '--db', db]);
    expect([status, stderr]).toEqual([0, `nstap: counters: nothing was captured in none-such by ${db}\n`]);
  });

  test('--since, --until and --experiment choose the flows', () => {
    const { db, words } = scene();
    const flows = (...more: string[]): number => counted(...words, '--db', db, ...more).use.flows;
    expect(flows('--since', '2023-11-14T23:00:00Z')).toBe(1);
    expect(flows('--until', '2023-11-14T23:00:00Z')).toBe(11);
    expect(flows('--since', '2023-11-14T22:00:00Z', '--until', '2023-11-14T23:59:00Z')).toBe(12);
    expect(flows('--experiment', 'late')).toBe(1);
    expect(flows('--last-experiment')).toBe(1);
    expect(flows('--tz', 'Asia/Tokyo', '--since', '2023-11-15 08:00')).toBe(1);
    const zoneOfNothing = nstap([...words, '--db', db, '--tz', 'Asia/Tokyo']);
    expect(zoneOfNothing).toMatchObject({ status: 2, stdout: '' });
    expect(zoneOfNothing.stderr).toContain('--tz is the zone of --at, --since and --until');
    const since = nstap([...words, '--db', db, '--since', '2023-11-14T23:00:00Z']);
    expect(since.stdout).toMatch(/^ {2}default via 10\.1\.0\.254 dev veth0 +# 1 flow, 100 B: output 1 fwd$/m);
    expect(since.stderr).toBe(
      `nstap: counters: 1 flow of red since 2023-11-14T23:00:00.000000000Z in ${db}\n`,
    );
    const none = nstap([...words, '--db', db, '--experiment', 'never']);
    expect(none.status).toBe(1);
    expect(none.stderr).toContain('there is no experiment never');
  });

  test('--sort has the most used first within a table, and the others as they were', () => {
    const { db, words } = scene();
    const order = (...more: string[]): string[] => {
      const { stdout } = nstap([...words, '--db', db, ...more]);
      const main = stdout.slice(
        stdout.indexOf('IPv4 table main\n'),
        stdout.indexOf('\n\nIPv4 table default'),
      );
      return [...main.matchAll(/^ {2}(?:blackhole )?(\S+)/gm)].map(([, prefix]) => prefix!).slice(0, 5);
    };
    expect(order()).toEqual(['default', '10.1.0.0/24', '10.2.0.0/24', '10.66.0.0/16', '10.77.0.0/16']);
    const byBytes = order('--sort', 'bytes');
    expect(byBytes.slice(0, 3)).toEqual(
      expect.arrayContaining(['10.66.0.0/16', '10.77.0.0/16', '10.2.0.0/24']),
    );
    expect(byBytes[2]).toBe('10.2.0.0/24');
    expect(order('--sort', 'flows').slice(0, 2)).toEqual(['default', '10.77.0.0/16']);
    expect(nstap([...words, '--sort', 'name']).status).toBe(2);
    expect(nstap([...words, '--no-counters', '--sort', 'bytes'])).toMatchObject({
      status: 2,
      stderr: expect.stringContaining('--no-counters cannot stand beside'),
    });
  });

  test('a database that cannot be read is an error where counters were asked for', () => {
    const { words } = scene();
    const { status, stderr } = nstap([...words, '--db', '/nowhere/flows.db']);
    expect(status).toBe(1);
    expect(stderr).toContain('NSTAP_MISSING');
  });
});

const missing = labMissing() ?? terminalMissing();

describe.skipIf(missing !== null)(`live routes with counters${missing ? ` (${missing})` : ''}`, () => {
  test('a terminal shows those of the last hour, under its width; an earlier namespace of the name is told', async () => {
    using disposed = new DisposableStack();
    const lab = disposed.adopt(new Lab('use'), (each) => each.close());
    const a = lab.add('a');
    lab.ip(a, 'link add veth0 type veth peer name veth1');
    lab.ip(a, 'addr add 10.1.0.1/24 dev veth0');
    lab.ip(a, 'link set veth0 up');
    lab.ip(a, 'link set veth1 up');
    lab.ip(a, 'route add default via 10.1.0.254 dev veth0');
    const db = tempDb();
    write(db, a);
    const words = ['routes', '--netns', a];
    const show = async (width: number, ...more: string[]): Promise<string[]> => {
      using terminal = Terminal.start([process.execPath, MAIN, ...words, ...more], {
        width,
        height: 100,
        env: { NSTAP_DB: db },
      });
      expect(await terminal.waitForEnd()).toBe(0);
      return terminal.screen();
    };
    const now = (await show(120)).join('\n');
    expect(now).toMatch(/^ {2}default via 10\.1\.0\.254 dev veth0 +# 0 flows$/m);
    expect(now).toMatch(/nstap: counters: 0 flows of \S+ since 20/);
    const all = await show(80, '--counters');
    const text = all.join('\n');
    expect(text).toMatch(/^ {2}default via 10\.1\.0\.254 dev veth0 +# 2 flows, 300 B: output 2 fwd$/m);
    expect(text.replaceAll('\n', '')).toContain('an earlier namespace called');
    // What does not fit stands below its line, and is not cut by the edge.
    const local = all.findIndex((line) => line.startsWith('  local 10.1.0.1 dev veth0'));
    expect(all[local]).toMatch(/src 10\.1\.0\.1$/);
    expect(all[local + 1]).toBe('      # 1 flow, 300 B: input 1 rev');
    expect((await show(100, '--no-counters')).join('\n')).not.toContain('#');
    expect(nstap([...words, '--db', db]).stdout).toContain('used, but not in the tables now\n');
  });
});
