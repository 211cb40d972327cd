import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, test } from 'vitest';
import { zeekValue } from '../../cli/export/zeek.ts';
import { TUNNEL_TYPES } from '../../storage/flow-batch.ts';
import { FlowWriter } from '../../storage/writer.ts';
import { batchOf, captureInfo, TEST_RUN } from '../storage/records.ts';
import { tempDb } from '../storage/temp-db.ts';
import { nstap } from '../support/nstap.ts';
import { sampleDb } from './sample-db.ts';

const db = sampleDb();
afterAll(db.remove);

const SCENES = fileURLToPath(new URL('../../fixtures/pcap/scenes/', import.meta.url));
const BASELINES = fileURLToPath(new URL('../baselines/flows/fixtures/scenes/', import.meta.url));

/** A log as zeek-cut and Zeek's own readers take it: by its header lines alone. */
function parseLog(text: string): {
  rows: Record<string, string>[];
  types: Record<string, string>;
  head: string[];
} {
  const lines = text.trimEnd().split('\n');
  const head = lines.filter((line) => line.startsWith('#'));
  const of = (name: string): string[] =>
    lines
      .find((line) => line.startsWith(`#${name}\t`))!
      .split('\t')
      .slice(1);
  const [fields, types] = [of('fields'), of('types')];
  expect(types).toHaveLength(fields.length);
  const rows = lines
    .filter((line) => !line.startsWith('#'))
    .map((line) => {
      const values = line.split('\t');
      expect(values).toHaveLength(fields.length);
      return Object.fromEntries(fields.map((field, i) => [field, values[i]!]));
    });
  return { rows, types: Object.fromEntries(fields.map((field, i) => [field, types[i]!])), head };
}

function exported(path: string, ...words: string[]): ReturnType<typeof parseLog> {
  return parseLog(nstap(['export', '--db', path, '--format', 'zeek', ...words]).stdout);
}

describe('export --format zeek', () => {
  test('the header is that of conn.log, and the fields are those of Zeek, in its order', () => {
    const { head } = exported(db.path);
    const time = /^#(open|close)\t\d{4}-\d\d-\d\d-\d\d-\d\d-\d\d$/;
    expect(head.slice(0, 5)).toEqual([
      '#separator \\x09',
      '#set_separator\t,',
      '#empty_field\t(empty)',
      '#unset_field\t-',
      '#path\tconn',
    ]);
    expect(head[5]).toMatch(time);
    expect(head[6]).toBe(
      '#fields\tts\tuid\tid.orig_h\tid.orig_p\tid.resp_h\tid.resp_p\tproto\tservice\tduration\torig_bytes\tresp_bytes\tconn_state\tlocal_orig\tlocal_resp\tmissed_bytes\thistory\torig_pkts\torig_ip_bytes\tresp_pkts\tresp_ip_bytes\ttunnel_parents\tip_proto',
    );
    expect(head[7]).toBe(
      '#types\ttime\tstring\taddr\tport\taddr\tport\tenum\tstring\tinterval\tcount\tcount\tstring\tbool\tbool\tcount\tstring\tcount\tcount\tcount\tcount\tset[string]\tcount',
    );
    expect(head[8]).toMatch(time);
    expect(head).toHaveLength(9);
  });

  test('a flow has the values that Zeek gives a connection', () => {
    const { rows } = exported(db.path);
    expect(rows[0]).toMatchObject({
      ts: '1700000000.123457',
      'id.orig_h': '10.1.0.2',
      'id.orig_p': '40000',
      'id.resp_h': '10.2.0.2',
      'id.resp_p': '443',
      proto: 'tcp',
      service: '-',
      duration: '0.876543',
      // By the sequence numbers, not the sum of what was sent.
      orig_bytes: '1400',
      resp_bytes: '300',
      conn_state: 'SF',
      local_orig: 'T',
      local_resp: 'T',
      missed_bytes: '0',
      history: 'ShADadfF',
      orig_pkts: '10',
      resp_pkts: '8',
      tunnel_parents: '-',
      ip_proto: '6',
    });
    expect(rows[2]).toMatchObject({ local_orig: 'T', local_resp: 'F', 'id.resp_h': '8.8.8.8' });
    // ICMP: type and code are the ports; without letters the history is unset.
    expect(rows[3]).toMatchObject({ proto: 'icmp', 'id.orig_p': '8', 'id.resp_p': '0', history: '-' });
    expect(rows[4]).toMatchObject({
      proto: 'icmp',
      'id.orig_p': '135',
      ip_proto: '58',
      'id.orig_h': 'fe80::1',
    });
    expect(rows[5]).toMatchObject({ proto: 'unknown_transport', 'id.orig_p': '0', ip_proto: '253' });
  });

  test('a name of a connection is the same in every export, and another one for each', () => {
    const uids = exported(db.path).rows.map(({ uid }) => uid!);
    expect(exported(db.path).rows.map(({ uid }) => uid!)).toEqual(uids);
    expect(new Set(uids).size).toBe(uids.length);
    for (const uid of uids) expect(uid).toMatch(/^C[0-9A-Za-z]{10,17}$/);
  });

  test('--extra adds columns behind those of Zeek, and changes none of them', () => {
    const plain = exported(db.path);
    const more = exported(db.path, '--extra');
    for (const [i, row] of plain.rows.entries()) expect(more.rows[i]).toMatchObject(row);
    expect(Object.keys(more.types).slice(0, 22)).toEqual(Object.keys(plain.types));
    expect(more.rows[1]).toMatchObject({
      netns: 'blue',
      interface: 'veth0',
      orig_route_verdict: 'drop',
      orig_route_type: 'blackhole',
      orig_route_prefix: '10.66.0.0/16',
      orig_route_gateway: '-',
      resp_route_type: '-',
    });
    expect(more.rows[0]!.community_id).toMatch(/^1:/);
    expect(more.rows[0]!.rtt).toBe('0.000123');
  });

  test('a flow in a tunnel names the one around it', () => {
    const path = tempDb();
    const writer = new FlowWriter(path, TEST_RUN);
    const channel = writer.channel();
    const vxlan = TUNNEL_TYPES.indexOf('vxlan');
    writer.write([
      [channel, { type: 'capture', info: captureInfo(0) }],
      [
        channel,
        {
          type: 'batch',
          batch: batchOf(
            { proto: 17, ports: [1000, 4789] },
            { tunnel: [vxlan, 42, 0] },
            { tunnel: [vxlan, 42, -1] },
          ),
        },
      ],
    ]);
    writer.close();
    const { rows } = exported(path);
    expect(rows.map(({ tunnel_parents: parents }) => parents)).toEqual(['-', rows[0]!.uid, '-']);
  });

  test('a text that would be read as something else is escaped', () => {
    expect(zeekValue(null)).toBe('-');
    expect(zeekValue('-')).toBe('\\x2d');
    expect(zeekValue('')).toBe('(empty)');
    expect(zeekValue('(empty)')).toBe('\\x28empty)');
    expect(zeekValue('a\tb\nc\\d')).toBe('a\\x09b\\x0ac\\\\d');
    expect(zeekValue('\u0085')).toBe('\\xc2\\x85');
    expect(zeekValue('zwölf, drei')).toBe('zwölf, drei');
    expect(zeekValue([])).toBe('(empty)');
    expect(zeekValue(['a,b', '-'])).toBe('a\\x2cb,\\x2d');
  });

  // The texts in test/baselines are compared with a model of Zeek and were read by people.
  const scenes = readdirSync(BASELINES).map((name) => name.replace(/\.txt$/, ''));

  test('the log of every scene says what its baseline says', () => {
    expect(scenes.length).toBeGreaterThan(10);
    const path = tempDb();
    expect(nstap(['replay', '--db', path, ...scenes.map((name) => join(SCENES, name))]).status).toBe(0);
    const got = exported(path).rows.map((row) => {
      const proto = row.proto === 'icmp' && row.ip_proto === '58' ? 'icmp6' : row.proto;
      const end = (address: string, port: string): string =>
        address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
      return [
        proto,
        end(row['id.orig_h']!, row['id.orig_p']!),
        end(row['id.resp_h']!, row['id.resp_p']!),
        row.conn_state,
        row.history,
        `${row.orig_pkts}/${row.resp_pkts}`,
        row.duration === '-' ? '0.000000' : row.duration,
      ].join(' ');
    });
    const want = scenes.flatMap((name) =>
      readFileSync(join(BASELINES, `${name}.txt`), 'utf8')
        .split('\n')
        .filter((line) => /^\d/.test(line))
        .map((line) => {
          const [, duration, proto, orig, resp, state, history, packets] = line.split(' ');
          return [proto, orig, resp, state, history, packets, duration].join(' ');
        }),
    );
    expect(got.sort()).toEqual(want.sort());
  });
});
