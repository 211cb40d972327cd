import { chownSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Status } from '../../cli/status.ts';
import { formatRoute, formatRule } from '../../daemon/routes/format.ts';
import { parseRouteText } from '../../daemon/routes/route-text.ts';
import { parseRuleText } from '../../daemon/routes/rule-text.ts';
import type { RouteSnapshot } from '../../daemon/routes/snapshot.ts';
import { TestDaemon } from '../daemon/test-daemon.ts';
import { Lab, labMissing } from '../kernel/lab.ts';
import { ipBatch } from '../routes/ip-batch.ts';
import { nstap } from '../support/nstap.ts';

const missing = labMissing();
const NOBODY = 65534;
/** The mirror looks a second time at routes a second after a link changed, and is told a carrier up to a second late. */
const SETTLED_MS = 3000;

/** What the kernel had at a time: routes and rules as sets of lines, and what `nstap routes` printed of it. */
interface Moment {
  at: string;
  routes: string[];
  rules: string[];
  text: string;
  json: RouteSnapshot;
}

describe.skipIf(missing !== null)(`route history${missing === null ? '' : ` (${missing})`}`, () => {
  const lab = new Lab('rh');
  const dir = mkdtempSync(join(tmpdir(), 'nsd-history-'));
  const db = join(dir, 'flows.db');
  const moments: Moment[] = [];
  let red: string;
  let daemon: TestDaemon | null = null;
  let running: Status;

  const sorted = (lines: string[]): string[] => lines.toSorted();
  const routeLines = (text: string): string[] => sorted(parseRouteText(text, 'ip').map(formatRoute));
  const ruleLines = (text: string): string[] => sorted(parseRuleText(text, 'ip').map(formatRule));

  /** Notes what the kernel has now, when the daemon has been told. */
  async function moment(): Promise<Moment> {
    await sleep(SETTLED_MS);
    const routes = routeLines(lab.ip(red, 'route show table all'));
    const rules = [...ruleLines(lab.ip(red, '-4 rule')), ...ruleLines(lab.ip(red, '-6 rule'))];
    const text = nstap(['routes', '--netns', red]).stdout;
    const json = JSON.parse(nstap(['routes', '--netns', red, '--json']).stdout) as RouteSnapshot;
    const noted = { at: new Date().toISOString(), routes, rules, text, json };
    moments.push(noted);
    return noted;
  }

  async function start(): Promise<TestDaemon> {
    daemon = new TestDaemon(db, { netns: [red], interfaces: ['v0'] }, 'real');
    const d = daemon;
    await d.until('it captures', () => d.events('ready').length === 1);
    return d;
  }

  const status = (): Status => JSON.parse(nstap(['status', '--json', '--db', db]).stdout) as Status;
  const atMoment = (i: number): string[] => ['--netns', red, '--db', db, '--at', moments[i]!.at];
  const past = (i: number, ...words: string[]) => nstap(['routes', ...atMoment(i), ...words]);

  beforeAll(async () => {
    chownSync(dir, NOBODY, NOBODY);
    red = lab.add('red');
    const peer = lab.add('peer');
    lab.veth(red, 'v0', '10.9.0.1/24', peer, 'v0', '10.9.0.2/24');
    lab.veth(red, 'v1', '10.9.1.1/24', peer, 'v1', '10.9.1.2/24');
    lab.sysctl(red, 'net.ipv6.conf.lo.disable_ipv6=0');
    ipBatch(
      red,
      [
        'route add default via 10.9.0.2',
        'route add 10.20.0.0/16 via 10.9.1.2',
        'route add 10.20.0.0/16 via 10.9.0.2 metric 50',
        'route add 10.20.1.0/24 nexthop via 10.9.0.2 weight 3 nexthop via 10.9.1.2',
        'route add unreachable 10.30.0.0/16',
        'route add 10.40.0.0/16 via 10.9.0.2 table 77',
        '-6 route add unreachable fd00:1::/32',
        '-6 route add unreachable fd00:1:2::/48',
        '-6 route add default dev lo',
      ],
      false,
    );
    const first = await start();
    await moment(); // 0
    running = status();
    ipBatch(
      red,
      [
        'route add blackhole 10.50.0.0/16',
        'route replace default via 10.9.1.2',
        'route del unreachable 10.30.0.0/16',
        'rule add pref 100 from 10.9.0.7 lookup 77',
        'addr add 10.9.0.7/24 dev v0',
      ],
      false,
    );
    await moment(); // 1
    lab.ip(red, 'link set v1 down');
    await moment(); // 2
    expect(await first.end()).toBe(0);

    // While no daemon runs.
    lab.ip(red, 'route add prohibit 10.60.0.0/16');
    const second = await start();
    await moment(); // 3
    lab.remove(red);
    await sleep(1500); // the daemon lets go of it
    expect(lab.add('red')).toBe(red);
    lab.veth(red, 'v0', '10.9.2.1/24', peer, 'v2', '10.9.2.2/24');
    lab.ip(red, 'route add throw 10.70.0.0/16');
    await moment(); // 4
    expect(await second.end()).toBe(0);
    lab.remove(red);
  });

  afterAll(async () => {
    if (daemon !== null && daemon.code === undefined) await daemon.end('SIGKILL');
    lab.close();
    rmSync(dir, { recursive: true, force: true });
  });

  test('status shows the daemon as running, then as ended, with what it captured and how it followed the routes', () => {
    expect(running.run).toMatchObject({ kind: 'daemon', run_id: 1, state: 'running', ended: null });
    expect(running.captures).toMatchObject([{ netns: red, interface: 'v0', source: 'ring', ended: false }]);
    expect(running.namespaces).toMatchObject([{ netns: red, mirror: { resyncs: 0, shed_updates: 0 } }]);
    const after = status();
    expect(after.run).toMatchObject({ run_id: 2, state: 'ended' });
    expect(after.captures.map(({ ended }) => ended)).toEqual([true, true]); // of each namespace of the name
    expect(after.balanced).toBe(true);
  });

  test('the moments differ, so that they can be told apart', () => {
    expect(new Set(moments.map(({ routes }) => routes.join('\n'))).size).toBe(5);
    expect(moments[1]!.rules.length).toBe(moments[0]!.rules.length + 1);
  });

  test.each([0, 1, 2, 3, 4])('moment %i has the routes and rules that `ip` showed then', (i) => {
    const { status, stdout, stderr } = past(i, '--json');
    expect(status, stderr).toBe(0);
    const snapshot = JSON.parse(stdout) as RouteSnapshot;
    expect(sorted(snapshot.routes.map(formatRoute))).toEqual(moments[i]!.routes);
    expect(sorted(snapshot.rules.map(formatRule))).toEqual(sorted(moments[i]!.rules));
    expect(Date.parse(snapshot.takenAt!)).toBe(Date.parse(moments[i]!.at));
  });

  test.each([0, 1, 2, 3, 4])('moment %i prints as it was printed live, line by line', (i) => {
    expect(past(i).stdout).toBe(moments[i]!.text);
  });

  test.each([0, 1, 2, 3, 4])('moment %i is the snapshot that was read live', (i) => {
    expect({ ...(JSON.parse(past(i, '--json').stdout) as RouteSnapshot), takenAt: null }).toEqual({
      ...moments[i]!.json,
      takenAt: null,
    });
  });

  test('says since when it was so: a time between the moments', () => {
    const since = moments.map((_, i) => {
      const [, time] = /as it was since (\S+)/.exec(past(i).stderr)!;
      return Date.parse(time!);
    });
    for (const [i, time] of since.entries()) {
      expect(time).toBeLessThan(Date.parse(moments[i]!.at));
      if (i > 0) expect(time).toBeGreaterThan(Date.parse(moments[i - 1]!.at));
    }
  });

  test('route get decides as the kernel would have at each moment', () => {
    const decide = (i: number, dst: string, ...more: string[]): Record<string, unknown> => {
      const { status, stdout, stderr } = nstap([
        'route',
        'get',
        dst,
        '--mark',
        '0',
        '--json',
        ...atMoment(i),
        ...more,
      ]);
      expect(status, stderr).toBe(0);
      return JSON.parse(stdout) as Record<string, unknown>;
    };
    expect([0, 1, 2].map((i) => decide(i, '192.0.2.1').gateway)).toEqual(['10.9.0.2', '10.9.1.2', null]);
    expect(decide(2, '192.0.2.1').type).toBe('no_route');
    expect(decide(0, '10.30.1.1').type).toBe('unreachable');
    expect([0, 1].map((i) => decide(i, '10.50.1.1').type)).toEqual(['unicast', 'blackhole']);
    expect([0, 2].map((i) => decide(i, '10.20.9.1').dev)).toEqual(['v1', 'v0']);
    const byRule = decide(1, '10.40.0.1', '--from', '10.9.0.7');
    expect(byRule).toMatchObject({ rule: 100, table: '77', prefix: '10.40.0.0/16' });
    expect([2, 3].map((i) => decide(i, '10.60.0.1').type)).toEqual(['no_route', 'prohibit']);
  });

  test('a time at which no daemon ran is answered from before, with a note', () => {
    const later = new Date(Date.parse(moments[4]!.at) + 3_600_000).toISOString();
    const { stdout, stderr } = nstap(['routes', '--netns', red, '--db', db, '--at', later]);
    expect(stdout).toBe(moments[4]!.text);
    expect(stderr).toMatch(/note: the daemon that followed the routes ended at \S+; what changed after that/);
    expect(past(2).stderr).not.toContain('note: the daemon');
  });

  test('a namespace that was not followed has no history', () => {
    const { status, stderr } = nstap(['routes', '--db', db, '--at', moments[0]!.at]);
    expect(stderr).toContain(`the routes of host at `);
    expect(stderr).toContain(`there is a history of ${red}; choose one with --netns`);
    expect(status).toBe(1);
  });
});
