import { beforeAll, describe, expect, test } from 'vitest';
import { openForWriting } from '../../storage/database.ts';
import { nstap } from './run-cli.ts';
import { SAMPLE_START, sampleDb } from './sample-db.ts';

let db = '';
let parted = '';
beforeAll(() => {
  const samples = [sampleDb(), sampleDb(true)];
  [db, parted] = samples.map(({ path }) => path) as [string, string];
  return () => {
    for (const { remove } of samples) remove();
  };
});

type Group = Record<string, string | number | null>;

async function flows(...args: string[]): Promise<string> {
  const { status, stdout, stderr } = await nstap(['flows', '--db', db, ...args]);
  expect([status, stderr]).toEqual([0, '']);
  return stdout;
}

async function groups(...args: string[]): Promise<Group[]> {
  return JSON.parse(await flows('--json', ...args)) as Group[];
}

/** The fields and the flows of each group. */
async function counts(by: string, ...args: string[]): Promise<unknown[][]> {
  return (await groups('--by', by, ...args)).map((group) => [
    ...Object.values(group).slice(0, by.split(',').length),
    group.flows,
  ]);
}

describe('--by', () => {
  test('adds up by spans of time, in their order', async () => {
    const minute = '2023-11-14T22:13:00.000000000Z';
    expect(await counts('minute')).toEqual([
      [minute, 4],
      ['2023-11-14T22:14:00.000000000Z', 2],
    ]);
    expect(await counts('hour')).toEqual([['2023-11-14T22:00:00.000000000Z', 6]]);
    expect(await counts('day')).toEqual([['2023-11-14T00:00:00.000000000Z', 6]]);
    const zone = ['--tz', 'Asia/Kolkata'];
    expect(await counts('hour', ...zone)).toEqual([['2023-11-14T21:30:00.000000000Z', 6]]);
    expect(await counts('day,src/0', ...zone)).toEqual([
      ['2023-11-14T18:30:00.000000000Z', '0.0.0.0/0', expect.any(Number)],
      ['2023-11-14T18:30:00.000000000Z', expect.stringContaining('/64'), expect.any(Number)],
    ]);
    expect(await flows('--by', 'day', ...zone)).toMatch(/\n2023-11-15 00:00:00/);
    expect((await counts('start:20s')).map(([at, n]) => [String(at).slice(14, 19), n])).toEqual([
      ['13:20', 2],
      ['13:40', 2],
      ['14:00', 2],
    ]);
    expect(await counts('minute', '--sort', 'minute', '--limit', '1')).toEqual([
      ['2023-11-14T22:14:00.000000000Z', 2],
    ]);
    expect(await counts('minute,protocol', 'tcp or udp')).toEqual([
      [minute, 'tcp', 2],
      [minute, 'udp', 1],
    ]);
  });

  test('adds up by nets, of each IP version its own length', async () => {
    expect(await counts('src/24', '--sort', 'flows')).toEqual([
      ['10.1.0.0/24', 5],
      ['fe80::/64', 1],
    ]);
    expect(await counts('dst/8/16', '--sort', '+dst/8/16')).toEqual([
      ['8.0.0.0/8', 1],
      ['10.0.0.0/8', 4],
      ['ff02::/16', 1],
    ]);
    expect(await counts('src/31', 'ip', '--sort', '+src/31')).toEqual([
      ['10.1.0.2/31', 4],
      ['10.1.0.8/31', 1],
    ]);
    expect(await counts('dst/0/0', '--sort', '+dst/0/0')).toEqual([
      ['0.0.0.0/0', 5],
      ['::/0', 1],
    ]);
    expect(await counts('src/128', 'ip6')).toEqual([['fe80::1/128', 1]]);
    expect(await counts('host/16', 'port 443', '--sort', '+host/16')).toEqual([
      ['10.1.0.0/16', 1],
      ['10.2.0.0/16', 1],
    ]);
    expect(await counts('host/8', 'port 443')).toEqual([['10.0.0.0/8', 1]]);
  });

  test('takes the parts of the route with a dot, too', async () => {
    const dotted = await flows('--by', 'route.type,route_fwd.verdict', '--json');
    expect(dotted).toBe(await flows('--by', 'route_type,route_verdict', '--json'));
    expect(dotted).toContain('"route_type":"blackhole","route_verdict":"drop"');
  });

  test('has rates over the time of a group, and shares of all', async () => {
    const [tcp] = await groups('--by', 'protocol');
    expect(tcp).toMatchObject({
      protocol: 'tcp',
      bytes: 2_000_554,
      flows_share: 33.33,
      bytes_share: 99.98,
      row: 'group',
    });
    // From 22:13:20.123456789 to 22:13:31.
    expect(tcp!.bits_per_s).toBeCloseTo((2_000_554 * 8) / 10.876543211, 2);
    expect(tcp!.packets_per_s).toBeCloseTo(19 / 10.876543211, 3);
    expect(await groups('--by', 'protocol', 'port 9')).toEqual([]);
  });

  test('--top has a row of the others and one of all, in every format', async () => {
    const rows = await groups('--by', 'dst', '--top', '2');
    expect(rows.map(({ row, dst, flows: n, bytes }) => [row, dst, n, bytes])).toEqual([
      ['group', '10.2.0.2', 2, 2_000_554],
      ['group', '8.8.8.8', 1, 200],
      ['others', null, 3, 162],
      ['total', null, 6, 2_000_916],
    ]);
    expect(rows.at(-1)).toMatchObject({ flows_share: 100, packets_share: 100, bytes_share: 100 });
    expect(rows[2]).toMatchObject({
      start: '2023-11-14T22:13:30.123456789Z',
      end: '2023-11-14T22:14:11.000000000Z',
    });
    const csv = (await flows('--by', 'dst', '--top', '2', '--format', 'csv')).trim().split('\n');
    expect(csv.map((line) => line.split(',').at(-1))).toEqual(['row', 'group', 'group', 'others', 'total']);
    const table = (await flows('--by', 'dst', '--top', '2'))
      .split('\n')
      .map((line) => line.replace(/ {2,}/g, '|'));
    expect(table.slice(0, 5).map((line) => line.split('|').slice(0, 5).join(' '))).toEqual([
      'DST FLOWS PACKETS BYTES SHARE',
      '10.2.0.2 2 19 2.0M 100.0%',
      '8.8.8.8 1 2 200 0.0%',
      'others (3) 3 3 162 0.0%',
      'total 6 24 2.0M 100.0%',
    ]);
    expect((await groups('--by', 'dst', '--limit', '2')).map(({ row }) => row)).toEqual(['group', 'group']);
  });

  test('the share is of what is sorted by, and --offset puts the first among the others', async () => {
    const table = await flows('--by', 'dst', '--sort', 'flows', '--limit', '1');
    expect(table.split('\n')[1]).toMatch(/^10\.2\.0\.2 .* 33\.3% /);
    const rows = await groups('--by', 'dst', '--top', '1', '--offset', '1');
    expect(rows.map(({ row, dst }) => [row, dst])).toEqual([
      ['group', '8.8.8.8'],
      ['others', null],
      ['total', null],
    ]);
  });

  test('a flow that is in two groups is in the total once', async () => {
    const rows = await groups('--by', 'host', '--top', '9');
    expect(rows.filter(({ row }) => row === 'group').reduce((sum, { flows: n }) => sum + Number(n), 0)).toBe(
      12,
    );
    expect(rows.at(-1)).toMatchObject({ row: 'total', flows: 6 });
  });

  test('of partitions it says the same', async () => {
    for (const by of ['src/24,start:30s', 'host/16', 'route.prefix', 'experiment'])
      expect(JSON.parse((await nstap(['flows', '--db', parted, '--json', '--by', by])).stdout)).toEqual(
        await groups('--by', by),
      );
  });

  test('adds up by experiment: of a flow of two in both, of none apart', async () => {
    const { path, remove } = sampleDb();
    const write = openForWriting(path);
    const add = write.prepare(
      'INSERT INTO experiments (name, started_ns, ended_ns, netns) VALUES (?, ?, ?, ?)',
    );
    const ns = (sec: number): bigint => BigInt(SAMPLE_START + sec) * 1_000_000_000n;
    add.run('outer', ns(0), ns(25), null);
    add.run('inner', ns(9), ns(12), 'blue');
    add.run('empty', ns(900), ns(901), null);
    add.run('outer', ns(40), ns(45), null);
    write.close();
    try {
      const of = async (...words: string[]): Promise<unknown[][]> =>
        (JSON.parse((await nstap(['flows', '--db', path, '--json', ...words])).stdout) as Group[]).map(
          (group) => [group.experiment, group.protocol, group.flows, group.row],
        );
      expect(await of('--by', 'experiment', '--top', '9', '--sort', 'flows')).toEqual([
        ['outer', undefined, 4, 'group'],
        [null, undefined, 2, 'group'],
        ['inner', undefined, 1, 'group'],
        [null, undefined, 6, 'total'],
      ]);
      expect(await of('--by', 'experiment,protocol', '--sort', '+experiment', 'tcp')).toEqual([
        ['inner', 'tcp', 1, 'group'],
        ['outer', 'tcp', 2, 'group'],
      ]);
      expect(await of('--by', 'protocol,experiment', 'udp')).toEqual([['outer', 'udp', 1, 'group']]);
    } finally {
      remove();
    }
  });

  test.each([
    ['rotue.prefix', /did you mean route\.prefix\?/],
    ['experimnt', /did you mean experiment\?/],
    ['src/129', /cannot add up by "src\/129"/],
    ['src/64/24', /cannot add up by/],
    ['start:0s', /expected whole seconds/],
    ['start:1ms', /expected whole seconds/],
    ['start:soon', /expected whole seconds/],
    ['constructor', /cannot add up by "constructor"/],
    ['', /cannot add up by ""/],
  ])('%s ends with 2', async (by, message) => {
    const run = await nstap(['flows', '--db', db, '--by', by]);
    expect([run.status, run.stdout]).toEqual([2, '']);
    expect(run.stderr).toMatch(message);
  });

  test('a sort that is not there is suggested', async () => {
    const run = await nstap(['flows', '--db', db, '--by', 'dst', '--sort', 'packtes']);
    expect(run.status).toBe(2);
    expect(run.stderr).toContain(
      'cannot sort by "packtes" (did you mean packets?); it can be dst, flows, packets, bytes',
    );
  });
});
