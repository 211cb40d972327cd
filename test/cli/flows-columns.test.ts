import { beforeAll, describe, expect, test } from 'vitest';
import { FLOW_FIELD_NAMES } from '../../cli/format/flow-fields.ts';
import { nstap } from './run-cli.ts';
import { sampleDb } from './sample-db.ts';

let db = '';
beforeAll(() => {
  const sample = sampleDb();
  db = sample.path;
  return sample.remove;
});

async function flows(...args: string[]): Promise<string> {
  const { status, stdout, stderr } = await nstap(['flows', '--db', db, ...args]);
  expect([status, stderr]).toEqual([0, '']);
  return stdout;
}

async function ids(...args: string[]): Promise<number[]> {
  const lines = (await flows('--format', 'ndjson', '--columns', 'id', ...args)).trim().split('\n');
  return lines.filter(Boolean).map((line) => (JSON.parse(line) as { flow_id: number }).flow_id);
}

describe('--columns', () => {
  test('chooses what is printed and in which order: for people in a table, exact elsewhere', async () => {
    const words = ['--columns', 'dst_port,bytes,rate,duration,rtt,route.prefix,experiment', 'port 443'];
    expect((await flows(...words)).replace(/ +/g, ' ')).toBe(
      'DST_PORT BYTES RATE DURATION_S RTT_US ROUTE_FWD.PREFIX EXPERIMENT\n 443 2.0M 18Mbit/s 0.877s 123us 10.2.0.0/24 -\n',
    );
    expect(JSON.parse(await flows('--format', 'ndjson', ...words))).toEqual({
      dst_port: 443,
      bytes: 2_000_500,
      rate: (2_000_500 * 8e9) / 876_543_211,
      duration_s: '0.876543211',
      rtt_us: 123.456,
      'route_fwd.prefix': '10.2.0.0/24',
      experiment: null,
    });
    expect(await flows('--format', 'csv', ...words)).toMatch(
      /^dst_port,bytes,rate,duration_s,rtt_us,route_fwd\.prefix,experiment\n443,2000500,[\d.]+,0\.876543211,123\.456,10\.2\.0\.0\/24,\n$/,
    );
    expect(JSON.parse(await flows('--json', ...words))).toHaveLength(1);
  });

  test('takes every field there is, in every format', async () => {
    const words = ['--columns', FLOW_FIELD_NAMES.join(',')];
    const rows = JSON.parse(await flows('--json', ...words)) as object[];
    expect(Object.keys(rows[0]!)).toEqual(FLOW_FIELD_NAMES);
    const whole = JSON.parse(await flows('--json')) as Record<string, unknown>[];
    for (const [i, row] of rows.entries()) {
      const chosen = row as Record<string, unknown>;
      for (const [key, value] of Object.entries(whole[i]!)) expect(chosen[key], key).toEqual(value);
      const route = whole[i]!.route_fwd as Record<string, unknown> | null;
      expect(chosen['route_fwd.gateway']).toBe(route?.gateway ?? null);
    }
    const table = await flows(...words);
    expect(table.split('\n')).toHaveLength(8);
    expect(table).not.toContain('[object Object]');
    expect(await flows('--format', 'csv', ...words)).not.toContain('[object Object]');
  });

  test('help lists the fields, without a database', async () => {
    const { status, stdout, stderr } = await nstap(['flows', '--columns', 'help', '--db', '/nonexistent']);
    expect([status, stderr]).toEqual([0, '']);
    for (const name of FLOW_FIELD_NAMES)
      expect(stdout).toContain(name.replace(/^(route_(fwd|rev)|tunnel|hints)\./, ''));
  });

  test.each([
    ['bytse', /there is no field "bytse" \(did you mean bytes\?\); `nstap flows --columns help` lists them/],
    ['route_fwd.prefx', /did you mean route_fwd\.prefix\?/],
    ['start,,end', /there is no field ""/],
    ['constructor', /there is no field "constructor"/],
    ['route_fwd.constructor', /there is no field/],
  ])('%s ends with 2, before any database is opened', async (columns, message) => {
    const run = await nstap(['flows', '--columns', columns, '--db', '/nonexistent']);
    expect([run.status, run.stdout]).toEqual([2, '']);
    expect(run.stderr).toMatch(message);
  });
});

describe('pages', () => {
  test.each([
    ['start', [6, 5, 4, 3, 2, 1]],
    ['+start', [1, 2, 3, 4, 5, 6]],
    ['bytes', [1, 3, 6, 5, 4, 2]],
    ['+bytes', [2, 4, 5, 6, 3, 1]],
    ['dst_port', [1, 5, 2, 3, 4, 6]],
    ['+rtt', [2, 3, 4, 5, 6, 1]],
    ['rtt', [1, 6, 5, 4, 3, 2]],
  ])('--before goes on behind each flow of a list by %s', async (sort, expected) => {
    expect(await ids('--sort', sort)).toEqual(expected);
    for (let at = 0; at < expected.length; at++)
      expect(await ids('--sort', sort, '--before', String(expected[at]), '--limit', '2')).toEqual(
        expected.slice(at + 1, at + 3),
      );
  });

  test('--before keeps to the filter, and --offset leaves out the first', async () => {
    expect(await ids('--before', '5', 'netns blue')).toEqual([4, 3, 2, 1]);
    expect(await ids('--offset', '2', '--limit', '3')).toEqual([4, 3, 2]);
    expect(await ids('--top', '2')).toEqual([1, 3]);
    expect(await ids('--top', '2', '--sort', 'start')).toEqual([6, 5]);
  });

  test('--before a flow that is not there ends with 1', async () => {
    const run = await nstap(['flows', '--db', db, '--before', '99']);
    expect([run.status, run.stdout]).toEqual([1, '']);
    expect(run.stderr).toContain('there is no flow 99');
  });
});

test.each([
  [['--series'], /--series needs --format json or ndjson/],
  [['--series', '--json', '--columns', 'id'], /--series needs/],
  [['--before', '1', '--by', 'src'], /--before names a flow/],
  [['--columns', 'id', '--by', 'src'], /--columns is for flows/],
  [['--top', '1', '--limit', '2'], /--top is a --limit/],
  [['--wide', '--columns', 'id'], /both choose columns/],
  [['--explain', '--by', 'src'], /--explain is about one flow/],
  [['--explain', '--format', 'csv'], /--explain prints a page/],
  [['--json', '--format', 'csv'], /--json is --format json, not csv/],
  [['--format', 'jsn'], /Allowed choices are table, json, ndjson, csv \(did you mean json\?\)/],
  [['--sort', 'bytse'], /cannot sort by "bytse" \(did you mean bytes\?\)/],
])('flows %j ends with 2', async (words, message) => {
  const run = await nstap(['flows', '--db', db, ...words]);
  expect([run.status, run.stdout]).toEqual([2, '']);
  expect(run.stderr).toMatch(message);
});
