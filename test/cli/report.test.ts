import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { reportData, type ReportData } from '../../cli/report/data.ts';
import { reportJson } from '../../cli/report/json.ts';
import { reportPage } from '../../cli/report/page.ts';
import { zeroCounters } from '../../storage/messages.ts';
import { FlowWriter } from '../../storage/writer.ts';
import { batchOf, captureInfo, decision, type RecordSpec, TEST_RUN } from '../storage/records.ts';
import { tempDb, tempFolder, withDb } from '../storage/temp-db.ts';
import { MAIN, nstap } from '../support/nstap.ts';
import { hasProgram } from '../support/processes.ts';
import { sampleDb } from './sample-db.ts';

const db = sampleDb();
afterAll(db.remove);

const ALL = { filter: null, since: null, until: null };
const ORIGIN = {
  title: 'T',
  command: 'nstap report',
  version: '0',
  database: '/tmp/flows.db',
  filter: '',
  madeNs: 1_700_000_000_000_000_000n,
};
const dataOf = (path: string): ReportData => withDb(path, (open) => reportData(open, ALL, null));

/** Names as somebody would choose them who wants a script to run. */
const HOSTILE = '"><script>alert(1)</script><img src=x onerror=alert(2)>';

function hostileDb(): string {
  const path = tempDb();
  const writer = new FlowWriter(path, { ...TEST_RUN, commandLine: `nstap replay ${HOSTILE}` });
  const channel = writer.channel();
  writer.write([
    [
      channel,
      { type: 'capture', info: captureInfo(0, { netns: HOSTILE, interface: `\u001b[31m${HOSTILE}'` }) },
    ],
    [
      channel,
      {
        type: 'decisions',
        base: 0,
        list: [decision({ verdict: 'drop', dev: HOSTILE, reason: HOSTILE, table: HOSTILE })],
      },
    ],
    [channel, { type: 'batch', batch: batchOf({ route: [0, -1] }) }],
  ]);
  writer.close();
  return path;
}

describe('nstap report', () => {
  test('has all times in UTC, whatever the zone of the host', () => {
    const args = [MAIN, 'report', '--db', db.path, '--tz', 'Asia/Tokyo', '--until', '2023-11-15 07:13:25'];
    const run = spawnSync(process.execPath, args, {
      encoding: 'utf8',
      env: { ...process.env, TZ: 'Asia/Tokyo' },
    });
    expect([run.status, run.stderr]).toEqual([0, '']);
    expect(run.stdout).toContain('2023-11-14 22:13:20.123 to 2023-11-14 22:13:25.000 UTC');
    expect(run.stdout).toContain('<td class="w opt">2023-11-14 22:13:20</td>');
  });

  test('writes one page that asks for nothing else, and says how it was made', () => {
    const folder = tempFolder();
    const file = join(folder, 'r.html');
    const run = nstap(['report', '--db', db.path, '-o', file, '--title', 'A & B', 'tcp or udp']);
    expect(run).toEqual({ status: 0, stdout: '', stderr: `nstap: report of 3 flows in ${file}\n` });
    expect(readdirSync(folder)).toEqual(['r.html']);
    const page = readFileSync(file, 'utf8');
    expect(page).toMatch(/^<!doctype html>/);
    expect(page).toContain("default-src 'none'; style-src 'unsafe-inline'");
    expect(page).not.toMatch(/<script|<link|<img|<iframe|url\(|@import|\s(src|href|on\w+)=/i);
    expect(page.match(/https?:/g)).toBeNull();
    expect(page).toContain('<h1>A &amp; B</h1>');
    expect(page).toContain(db.path);
    expect(page).toContain('flows that match <span class="mono">tcp or udp</span>');
    for (const name of [
      'Traffic over time',
      'Top talkers',
      'Top services',
      'Routes',
      'How flows went',
      'Losses',
    ])
      expect(page).toContain(`<h2>${name}</h2>`);
  });

  test('names come out as they are, whatever is in them', () => {
    const page = reportPage(dataOf(hostileDb()), {
      title: HOSTILE,
      command: HOSTILE,
      version: HOSTILE,
      database: HOSTILE,
      filter: HOSTILE,
      madeNs: 0n,
    });
    expect(page).not.toMatch(/<script|<img/i);
    expect(page).not.toContain('\u001b');
    const escaped = '&quot;&gt;&lt;script&gt;alert(1)&lt;/script&gt;&lt;img src=x onerror=alert(2)&gt;';
    expect(page.split(escaped).length - 1).toBeGreaterThanOrEqual(9);
    expect(page).toContain('\\x1b[31m');
  });

  test('every figure has a name and a description, every drawing a table beside it', () => {
    const page = reportPage(dataOf(db.path), ORIGIN);
    const drawings = [
      ...page.matchAll(
        /<svg role="img"[^>]*aria-labelledby="(\w+) (\w+)"[^>]*><title id="(\w+)">(.+?)<\/title><desc id="(\w+)">(.+?)<\/desc>/g,
      ),
    ];
    expect(drawings.length).toBe(page.split('<svg').length - 1);
    expect(drawings.length).toBeGreaterThanOrEqual(2);
    for (const [, title, description, titleId, , descriptionId] of drawings)
      expect([titleId, descriptionId]).toEqual([title, description]);
    expect(page).toContain('The same as a table');
    expect(page).toContain('prefers-color-scheme: dark');
    expect(page).toContain('@media print');
  });

  test('drops come first, with their reason', () => {
    const { routes } = dataOf(db.path);
    expect(routes.map(({ verdict }) => verdict)).toEqual(['drop', 'forward', 'forward']);
    expect(routes[0]).toMatchObject({
      type: 'blackhole',
      reason: 'a blackhole route matches',
      packets: 1,
      bytes: 54,
    });
    const page = reportPage(dataOf(db.path), ORIGIN);
    expect(page.indexOf('a blackhole route matches')).toBeLessThan(page.indexOf('local 10.2.0.0/24'));
  });

  test('losses are there when there are none, and stand out when there are', () => {
    expect(reportPage(dataOf(db.path), ORIGIN)).toContain('<b>Nothing was lost</b>');
    const path = tempDb();
    const writer = new FlowWriter(path, TEST_RUN);
    const channel = writer.channel();
    const counters = {
      ...zeroCounters(),
      packets: 90,
      received: 102,
      kernelDrops: 12,
      undecoded: 3,
      evictedFlows: 1,
    };
    writer.write([
      [channel, { type: 'capture', info: captureInfo(0) }],
      [channel, { type: 'batch', batch: batchOf({}) }],
      [channel, { type: 'counters', captureIndex: 0, counters, span: null, final: true }],
    ]);
    writer.close();
    const page = reportPage(dataOf(path), ORIGIN);
    expect(page).toContain('<b>Not everything is in this report.</b>');
    expect(page).toMatch(/kernel drops<\/td><td class="n"><span class="bad-text">12</);
    expect(reportJson(dataOf(path))).toMatchObject({
      losses: { kernel_drops: 12, undecoded: 3, evicted_flows: 1, packets: 90, gaps: [] },
    });
  });

  test('a database without flows still says what was captured, and lost', () => {
    const path = tempDb();
    const writer = new FlowWriter(path, TEST_RUN);
    const channel = writer.channel();
    writer.write([[channel, { type: 'capture', info: captureInfo(0) }]]);
    writer.close();
    const page = reportPage(dataOf(path), ORIGIN);
    expect(page).toContain('<h2>No flows</h2>');
    expect(page).toContain('<h2>Losses</h2>');
    expect(page).not.toContain('NaN');
  });

  test('the figures as JSON add up to those of `nstap flows`', () => {
    const run = nstap(['report', '--db', db.path, '--json']);
    const report = JSON.parse(run.stdout);
    const flows: { bytes_fwd: number; bytes_rev: number }[] = JSON.parse(
      nstap(['flows', '--db', db.path, '--format', 'json']).stdout,
    );
    const bytes = flows.reduce((sum, flow) => sum + flow.bytes_fwd + flow.bytes_rev, 0);
    expect(report.flows).toBe(flows.length);
    expect(report.bytes_fwd + report.bytes_rev).toBe(bytes);
    expect(report.traffic.counted_bytes + report.traffic.spread_bytes).toBe(bytes);
    const drawn = report.traffic.groups.flatMap((group: { bytes: number[] }) => group.bytes);
    expect(Math.abs(drawn.reduce((sum: number, n: number) => sum + n, 0) - bytes)).toBeLessThan(drawn.length);
  });

  test('an experiment that is not there is told, and no file is left', () => {
    const folder = tempFolder();
    const run = nstap(['report', '--db', db.path, '-o', join(folder, 'r.html'), '--experiment', 'none']);
    expect(run.status).toBe(1);
    expect(run.stderr).toMatch(/there is no experiment none/);
    expect(readdirSync(folder)).toEqual([]);
  });
});

test('traffic lies where the flows were: evenly over their lives, what is outside of the time left out', () => {
  const path = tempDb();
  const writer = new FlowWriter(path, TEST_RUN);
  const channel = writer.channel();
  const at = (from: number, to: number, bytes: number): RecordSpec => ({
    start: [1000 + from, 0],
    end: [1000 + to, 0],
    bytes: [bytes, 0],
    packets: [bytes / 100, 0],
  });
  const specs = [at(0, 100, 10_000), at(50, 50, 700), at(20, 30, 1000)].map((spec, seq) => ({
    ...spec,
    seq,
  }));
  writer.write([
    [channel, { type: 'capture', info: captureInfo(0) }],
    [channel, { type: 'batch', batch: batchOf(...specs) }],
  ]);
  writer.close();
  const traffic = (since: bigint | null, until: bigint | null): number[] => {
    const data = withDb(path, (open) => reportData(open, { filter: null, since, until }, null));
    expect(data.parts?.stepSec).toBe(1);
    return Array.from(data.traffic!.bytes[0]!, Math.round);
  };
  const whole = traffic(null, null);
  expect(whole).toHaveLength(100);
  expect(whole.map((n, i) => n - (i === 50 ? 700 : 0) - (i >= 20 && i < 30 ? 100 : 0))).toEqual(
    new Array(100).fill(100),
  );
  const part = traffic(1_020_000_000_000n, 1_040_000_000_000n);
  expect(part).toEqual([...new Array(10).fill(200), ...new Array(10).fill(100)]);
});

test.skipIf(!hasProgram('chromium'))('a browser draws it (needs chromium)', () => {
  const folder = tempFolder();
  const file = join(folder, 'r.html');
  const picture = join(folder, 'r.png');
  expect(nstap(['report', '--db', db.path, '-o', file]).status).toBe(0);
  spawnSync(
    'chromium',
    [
      ...['--headless', '--no-sandbox', '--disable-gpu', '--disable-background-networking', '--no-first-run'],
      ...[`--user-data-dir=${join(folder, 'profile')}`, `--screenshot=${picture}`, `file://${file}`],
    ],
    { timeout: 50_000 },
  );
  expect(existsSync(picture)).toBe(true);
});
