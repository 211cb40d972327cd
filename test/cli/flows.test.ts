import { spawnSync } from 'node:child_process';
import { chmodSync, readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import Ajv2020 from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import { beforeAll, describe, expect, test } from 'vitest';
import { MAIN } from '../support/nstap.ts';
import { nstap } from './run-cli.ts';
import { SAMPLE_START, sampleDb } from './sample-db.ts';

const SCHEMA = JSON.parse(readFileSync(new URL('../../docs/flow.schema.json', import.meta.url), 'utf8'));

let db = '';
beforeAll(() => {
  const sample = sampleDb();
  db = sample.path;
  return sample.remove;
});

type Flow = Record<string, unknown>;

/** Runs `nstap flows` over the sample and expects it to succeed. @returns stdout */
async function flows(...args: string[]): Promise<string> {
  const { status, stdout, stderr } = await nstap(['flows', '--db', db, ...args]);
  expect([status, stderr]).toEqual([0, '']);
  return stdout;
}

async function ndjson(...args: string[]): Promise<Flow[]> {
  const lines = (await flows('--format', 'ndjson', ...args)).split('\n');
  expect(lines.pop()).toBe('');
  return lines.map((line) => JSON.parse(line) as Flow);
}

async function ids(...args: string[]): Promise<unknown[]> {
  return (await ndjson(...args)).map(({ flow_id }) => flow_id);
}

describe('flows as JSON', () => {
  test('meets its schema, with every key in the order of the schema', async () => {
    const rows = await ndjson();
    expect(rows).toHaveLength(6);
    const ajv = new Ajv2020.default({ strict: true, allErrors: true, allowUnionTypes: true });
    addFormats.default(ajv);
    const validate = ajv.compile(SCHEMA);
    for (const row of rows) {
      expect(validate(row), JSON.stringify(validate.errors)).toBe(true);
      expect(Object.keys(row)).toEqual(Object.keys(SCHEMA.properties));
    }
    expect(rows.filter((row) => row.route_changes !== null)).toHaveLength(1);
    expect(Object.keys(rows.at(-1)!.route_fwd as object)).toEqual(
      Object.keys(SCHEMA.$defs.decision.properties),
    );
    for (const { description } of [
      ...Object.values<Flow>(SCHEMA.properties),
      ...Object.values<Flow>(SCHEMA.$defs.decision.properties),
    ])
      expect(description).toMatch(/./);
    expect(validate({ ...rows[0], surprise: 1 })).toBe(false);
  });

  test('of a TCP flow is exact to the letter', async () => {
    const [row] = await ndjson('dst port 443');
    expect(row).toEqual({
      flow_id: 1,
      netns: 'blue',
      interface: 'veth0',
      vlan: [],
      ip_version: 4,
      protocol: 'tcp',
      proto_number: 6,
      src: '10.1.0.2',
      src_port: 40_000,
      dst: '10.2.0.2',
      dst_port: 443,
      start: '2023-11-14T22:13:20.123456789Z',
      end: '2023-11-14T22:13:21.000000000Z',
      duration_s: '0.876543211',
      packets_fwd: 10,
      packets_rev: 8,
      bytes_fwd: 2_000_000,
      bytes_rev: 500,
      ip_bytes_fwd: 40,
      ip_bytes_rev: 0,
      payload_bytes_fwd: 0,
      payload_bytes_rev: 0,
      tcp_flags_fwd: 'APSF',
      tcp_flags_rev: 'APSF',
      conn_state: 'SF',
      history: 'ShADadfF',
      rtt_us: 123.456,
      retransmits_fwd: 0,
      retransmits_rev: 0,
      out_of_order_fwd: 0,
      out_of_order_rev: 0,
      zero_windows_fwd: 0,
      zero_windows_rev: 0,
      fast_retransmits_fwd: 0,
      fast_retransmits_rev: 0,
      spurious_retransmits_fwd: 0,
      spurious_retransmits_rev: 0,
      dup_acks_fwd: 0,
      dup_acks_rev: 0,
      lost_segments_fwd: 0,
      lost_segments_rev: 0,
      keep_alives_fwd: 0,
      keep_alives_rev: 0,
      seq_bytes_fwd: 1400,
      seq_bytes_rev: 300,
      missed_bytes_fwd: 0,
      missed_bytes_rev: 0,
      retransmitted_bytes_fwd: null,
      retransmitted_bytes_rev: null,
      mss_fwd: 1460,
      mss_rev: null,
      window_scale_fwd: 0,
      window_scale_rev: null,
      max_window_fwd: 0,
      max_window_rev: 0,
      ack_rtt_us_fwd: 0.5,
      ack_rtt_us_rev: null,
      ts_rtt_us: 3.5,
      ts_rtt_us_fwd: 1.5,
      ts_rtt_us_rev: 2,
      originator_guessed: false,
      ttl_min_fwd: 64,
      ttl_min_rev: 63,
      ttl_max_fwd: 64,
      ttl_max_rev: 63,
      dscp_fwd: 0,
      dscp_rev: 46,
      dscp_min_fwd: 0,
      dscp_min_rev: 46,
      dscp_max_fwd: 0,
      dscp_max_rev: 46,
      ip_id_fwd: 4660,
      ip_id_rev: 0,
      src_mac: '02:00:00:00:00:01',
      dst_mac: '02:00:00:00:00:02',
      community_id: '1:JeNmMAPgVwBkKHBa2fAYLq8gM00=',
      end_reason: 'fin',
      experiment: null,
      experiments: [],
      hints: null,
      payload_fwd: null,
      payload_rev: null,
      route_fwd: {
        type: 'unicast',
        verdict: 'forward',
        rule: 32766,
        table: 'main',
        prefix: '10.2.0.0/24',
        gateway: '10.1.0.254',
        dev: 'veth0',
        scope: 'global',
        protocol: 'static',
        metric: null,
        prefsrc: null,
        stage: 'forward',
        observed: 'agrees',
        confidence: 'exact',
        reason: null,
        text: '10.2.0.0/24 via 10.1.0.254 dev veth0 proto static',
      },
      route_rev: expect.objectContaining({ type: 'local', table: 'local' }),
      route_changes: null,
      tunnel: null,
    });
  });

  test('has every decision of a flow whose decision changed, from when it held', async () => {
    const rows = await ndjson('route changed');
    expect(rows).toEqual([
      expect.objectContaining({
        flow_id: 2,
        route_fwd: expect.objectContaining({ type: 'blackhole' }),
        route_changes: [
          {
            direction: 'fwd',
            since: '2023-11-14T22:13:30.123456789Z',
            route: expect.objectContaining({ type: 'unicast', gateway: '10.1.0.254' }),
          },
          {
            direction: 'fwd',
            since: '2023-11-14T22:13:30.623456789Z',
            route: rows[0]!.route_fwd,
          },
        ],
      }),
    ]);
  });

  test('has null where a field does not apply', async () => {
    const [plain] = await ndjson('proto 253');
    expect(plain).toMatchObject({
      netns: null,
      interface: null,
      protocol: '253',
      src_port: null,
      dst_port: null,
      tcp_flags_fwd: null,
      conn_state: null,
      rtt_us: null,
      retransmits_fwd: null,
      dup_acks_rev: null,
      originator_guessed: null,
      ttl_min_rev: null,
      dscp_rev: null,
      src_mac: null,
      route_fwd: null,
      route_rev: null,
    });
    const [neighbour] = await ndjson('icmp6');
    expect(neighbour).toMatchObject({
      src: 'fe80::1',
      dst: 'ff02::1',
      src_port: 135,
      dst_port: 136,
      vlan: [100, 200],
      ttl_min_fwd: 255,
      ttl_min_rev: null,
    });
  });

  test('is one array with --format json, also when there is none', async () => {
    const all = JSON.parse(await flows('--format', 'json')) as Flow[];
    expect(all.map(({ flow_id }) => flow_id)).toEqual([6, 5, 4, 3, 2, 1]);
    expect(JSON.parse(await flows('--format', 'json', 'port 9'))).toEqual([]);
    expect(await flows('--format', 'ndjson', 'port 9')).toBe('');
  });
});

describe('flows selects', () => {
  test.each([
    ['netns blue', [4, 3, 2, 1]],
    ['tcp port 80', [2]],
    ['route type blackhole', [2]],
    ['route verdict drop or route table local', [2, 1]],
    ['bytes > 1M', [1]],
    ['route changed', [2]],
    ['port 443 or route changed', [2, 1]],
    ['host 10.2.0.2 and not icmp', [1]],
    ['vlan', [5, 4]],
    ['state SF', [1]],
    ['not netns blue', [6, 5]],
  ])('%s', async (filter, expected) => {
    expect(await ids(filter)).toEqual(expected);
  });

  test('by words that the shell has split', async () => {
    expect(await ids('src', 'host', '10.1.0.2', 'and', '(', 'port', '443', 'or', '80', ')')).toEqual([2, 1]);
  });

  test('what changed its way, with --route-changed and whatever else', async () => {
    expect(await ids('--route-changed')).toEqual([2]);
    expect(await ids('--route-changed', 'port 443 or port 80')).toEqual([2]);
    expect(await ids('--route-changed', 'port 443')).toEqual([]);
    expect(await ids('--route-changed', '--since', String(SAMPLE_START + 20))).toEqual([]);
    const groups = await ndjson('--route-changed', '--by', 'route_type');
    expect(groups.map(({ route_type, flows: n }) => [route_type, n])).toEqual([['blackhole', 1]]);
  });

  test('by time: alive at or after --since, begun before --until', async () => {
    expect(await ids('--since', String(SAMPLE_START + 31))).toEqual([6, 5, 4]);
    expect(await ids('--since', `${SAMPLE_START + 31}.000000001`)).toEqual([6, 5]);
    expect(await ids('--until', '2023-11-14T22:13:40.123456789Z')).toEqual([2, 1]);
    expect(await ids('--until', '2023-11-14T22:13:40.123456790Z')).toEqual([3, 2, 1]);
    expect(await ids('--since', '2023-11-14T22:13:30Z', '--until', '2023-11-14T22:13:45Z')).toEqual([3, 2]);
    expect(await ids('--since', '1h')).toEqual([]);
  });

  test('in the order and number asked for', async () => {
    expect(await ids('--sort', 'bytes', '--limit', '2')).toEqual([1, 3]);
    expect(await ids('--sort', '+start', '--limit', '2')).toEqual([1, 2]);
    expect(await ids('--limit', '0')).toHaveLength(6);
  });
});

describe('flows prints', () => {
  test('a table with the route, without colour, whole lines in a pipe', async () => {
    const lines = (await flows()).trimEnd().split('\n');
    expect(lines[0]).toMatch(/^START +DURATION +PROTO +FLOW +STATE +PACKETS +BYTES +NETNS\/IF +ROUTE$/);
    expect(lines).toHaveLength(7);
    expect(lines[6]!.replace(/ +/g, ' ')).toBe(
      '2023-11-14 22:13:20.123 0.877s tcp 10.1.0.2:40000 -> 10.2.0.2:443 SF 18 2.0M blue/veth0 10.2.0.0/24 via 10.1.0.254 dev veth0',
    );
    expect(lines[5]).toContain('blackhole 10.66.0.0/16 (drop)');
    expect(lines[3]).toContain('10.1.0.2 -> 10.2.0.2 type 8');
    expect(lines[2]).toContain('fe80::1 -> ff02::1 type 135');
    expect(lines.join('')).not.toContain('\u001b');
  });

  test('times of the zone that --tz names, where times without one are of it, too', async () => {
    const lines = (
      await flows('--tz', 'asia/tokyo', '--since', '2023-11-15 07:13:20', '--until', '2023-11-15 07:13:25')
    ).split('\n');
    expect(lines[1]).toMatch(/^2023-11-15 07:13:20\.123 /);
    expect(lines).toHaveLength(3);
    expect(JSON.parse(await flows('--tz', 'Asia/Tokyo', '--format', 'ndjson', 'flow', '1'))).toMatchObject({
      start: expect.stringMatching(/^2023-11-14T22:13:20\.123.*Z$/),
    });
  });

  test('the decisions below the flow with --route-changed, and a word of it without', async () => {
    const one = '2023-11-14 22:13:30.123 0.877s tcp 10.1.0.2:40001 -> 10.66.0.1:80 S0 1 54 blue/veth0';
    const lines = (await flows('--route-changed')).trimEnd().split('\n');
    expect(lines.map((line) => line.trimStart().replace(/ +/g, ' '))).toEqual([
      'START DURATION PROTO FLOW STATE PACKETS BYTES NETNS/IF ROUTE',
      `${one} blackhole 10.66.0.0/16 (drop) (changed)`,
      '2023-11-14 22:13:30.123 fwd 10.2.0.0/24 via 10.1.0.254 dev veth0',
      '2023-11-14 22:13:30.623 fwd blackhole 10.66.0.0/16 (drop)',
    ]);
    expect(lines.slice(2).every((line) => /^ {4}\S/.test(line))).toBe(true);
    const without = (await flows()).trimEnd().split('\n');
    expect(without).toHaveLength(7);
    expect(without.filter((line) => line.endsWith('(changed)'))).toHaveLength(1);
  });

  test('CSV counts the changes', async () => {
    const [head, changed, plain] = (await flows('--format', 'csv', 'tcp'))
      .split('\n')
      .map((l) => l.split(','));
    const at = head!.indexOf('route_changes');
    expect(head!.slice(at - 1, at + 2)).toEqual(['route_rev_text', 'route_changes', 'tunnel_type']);
    expect(changed!.at(at - head!.length)).toBe('1');
    expect(plain!.at(at - head!.length)).toBe('');
  });

  test('CSV with a column for each key of the decisions and of the tunnel', async () => {
    const [head, row] = (await flows('--format', 'csv', 'icmp6 or port 443'))
      .split('\n')
      .map((l) => l.split(','));
    expect(head!.slice(0, 4)).toEqual(['flow_id', 'netns', 'interface', 'vlan']);
    expect(head).toContain('route_rev_reason');
    expect(head!.slice(-3)).toEqual(['tunnel_type', 'tunnel_id', 'tunnel_outer_flow_id']);
    expect(row!.slice(0, 4)).toEqual(['5', 'red', 'eth0', '100 200']);
    expect(row).toHaveLength(head!.length);
    expect(head!.length).toBe(Object.keys(SCHEMA.properties).length - 3 + 32 + 3);
  });

  test('groups with --by, what has most bytes first', async () => {
    const groups = await ndjson('--by', 'host', '--limit', '2');
    expect(groups).toEqual([
      {
        host: '10.1.0.2',
        flows: 3,
        packets: 20,
        bytes: 2_000_608,
        packets_fwd: 12,
        packets_rev: 8,
        bytes_fwd: 2_000_108,
        bytes_rev: 500,
        start: '2023-11-14T22:13:20.123456789Z',
        end: '2023-11-14T22:13:51.000000000Z',
        bits_per_s: 518350.253,
        packets_per_s: 0.648,
        flows_share: 50,
        packets_share: 83.33,
        bytes_share: 99.98,
        row: 'group',
      },
      expect.objectContaining({ host: '10.2.0.2', flows: 2 }),
    ]);
    const byRoute = await ndjson('--by', 'netns,route_type', '--sort', 'flows');
    expect(byRoute.map(({ netns, route_type, flows: n }) => [netns, route_type, n])).toEqual([
      ['blue', null, 2],
      ['red', null, 1],
      ['blue', 'unicast', 1],
      ['blue', 'blackhole', 1],
      [null, null, 1],
    ]);
    expect(await flows('--by', 'proto', '--format', 'csv')).toMatch(/^protocol,flows,packets,bytes,/);
    const table = (await flows('--by', 'state')).split('\n');
    expect(table[0]).toMatch(/^CONN_STATE +FLOWS +PACKETS +BYTES +SHARE +RATE +START +END$/);
    expect(table[1]).toMatch(/^SF +1 +18 +2\.0M +100\.0% +18Mbit\/s /);
  });
});

test.skipIf(process.getuid?.() !== 0)(
  'a database of others is not taken for a missing one (needs root)',
  () => {
    for (const mode of [0o700, 0o755]) {
      chmodSync(dirname(db), mode); // first the folder is closed, then the file alone
      chmodSync(db, 0o640);
      const { status, stderr } = spawnSync(process.execPath, [MAIN, 'flows', '--db', db], {
        uid: 54_321,
        gid: 54_321,
        encoding: 'utf8',
      });
      expect([status, stderr]).toEqual([1, expect.stringMatching(/^nstap: open \S+: EACCES, .*try sudo/)]);
    }
  },
);
