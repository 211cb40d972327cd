import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { pcapFile } from '../decoders/savefile-build.ts';
import { type FrameSpec, frame } from '../support/frames.ts';
import { type CliResult, nstap } from '../support/nstap.ts';
import { overUdp, vxlan } from '../support/tunnel-frames.ts';

const scratch = mkdtempSync(join(tmpdir(), 'nstap-tunnels-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

const REQUEST: FrameSpec = {
  proto: 'udp',
  src: '192.168.0.1',
  dst: '192.168.0.2',
  sport: 5000,
  dport: 53,
  payload: 20,
};
const ANSWER: FrameSpec = {
  ...REQUEST,
  src: '192.168.0.2',
  dst: '192.168.0.1',
  sport: 53,
  dport: 5000,
  payload: 100,
};
const ARP = Uint8Array.from([...new Array(12).fill(2), 8, 6, ...new Array(28).fill(0)]);

function overVxlan(inner: Uint8Array, src: string, dst: string, sport: number): Uint8Array {
  return overUdp(4789, vxlan(42, inner), { src, dst, sport });
}

/** A question and its answer in VNI 42, an ARP request in it, and a packet in no tunnel. */
const file = join(scratch, 'overlay.pcap');
const packets = [
  overVxlan(frame(REQUEST), '10.0.0.1', '10.0.0.2', 40_000),
  overVxlan(frame(ANSWER), '10.0.0.2', '10.0.0.1', 50_000),
  overVxlan(ARP, '10.0.0.1', '10.0.0.2', 40_000),
  frame({ proto: 'udp', sport: 1, dport: 2 }),
];
writeFileSync(file, pcapFile(packets.map((data, i) => ({ sec: 1_700_000_000 + i, fraction: 0, data }))));

function replayed(mode: string | null): { db: string; run: CliResult } {
  const db = join(scratch, `${mode}.db`);
  return {
    db,
    run: nstap(['replay', '--json', '--db', db, ...(mode === null ? [] : ['--tunnels', mode]), file]),
  };
}

function flows(db: string, ...filter: string[]): unknown[] {
  const { stdout, stderr } = nstap([
    'flows',
    '--db',
    db,
    '--format',
    'ndjson',
    '--sort',
    '+flow_id',
    ...filter,
  ]);
  expect(stderr).toBe('');
  const lines = stdout.split('\n').filter((line) => line !== '');
  return lines.map((line) => {
    const flow = JSON.parse(line);
    return [`${flow.src}:${flow.src_port}`, flow.packets_fwd, flow.packets_rev, flow.tunnel];
  });
}

describe('replay --tunnels', () => {
  test.each([null, 'outer'])('%s: flows of the outermost header', (mode) => {
    const { db, run } = replayed(mode);
    expect(run).toMatchObject({ status: 0, stderr: '' });
    expect(JSON.parse(run.stdout)).toMatchObject({ packets: 4, flows: 3, tunnelled: 0, tunnel_undecoded: 0 });
    expect(flows(db)).toEqual([
      ['10.0.0.1:40000', 2, 0, null],
      ['10.0.0.2:50000', 1, 0, null],
      ['10.0.0.1:1', 1, 0, null],
    ]);
  });

  test('both: each level, the inner one pointing at the outer', () => {
    const { db, run } = replayed('both');
    expect(run.status).toBe(0);
    expect(JSON.parse(run.stdout)).toMatchObject({
      packets: 4,
      flows: 4,
      decoded: { ipv4: 4, udp: 4 },
      undecoded: 0,
      tunnelled: 3,
      tunnel_undecoded: 1,
    });
    const inner = ['192.168.0.1:5000', 1, 1, { type: 'vxlan', id: 42, outer_flow_id: 1 }];
    expect(flows(db)).toEqual([
      ['10.0.0.1:40000', 2, 0, null],
      inner,
      ['10.0.0.2:50000', 1, 0, null],
      ['10.0.0.1:1', 1, 0, null],
    ]);
    expect(flows(db, 'tunnel vxlan and tunnel id 42 and tunnel outer 1')).toEqual([inner]);
    expect(flows(db, 'tunnel none')).toHaveLength(3);
    const table = nstap(['flows', '--db', db, 'tunnel']).stdout;
    expect(table).toMatch(/192\.168\.0\.1:5000 -> 192\.168\.0\.2:53 .* -\/-\/vxlan:42 +unknown\n$/);
    const csv = nstap(['flows', '--db', db, '--format', 'csv', 'tunnel']).stdout;
    expect(csv.trimEnd()).toMatch(/,vxlan,42,1$/);
    const groups = nstap([
      'flows',
      '--db',
      db,
      '--by',
      'tunnel_type,tunnel_id',
      '--format',
      'csv',
      '--sort',
      '+flows',
    ]).stdout;
    expect(groups.split('\n')[1]).toMatch(/^vxlan,42,1,2,/);
    const [row] = nstap(['flows', '--db', db, '--format', 'ndjson', 'tunnel']).stdout.split('\n');
    expect(JSON.parse(row!).route_fwd).toMatchObject({
      type: 'unknown',
      reason: 'inside a tunnel: where it was seen, the kernel routed the outer packet',
    });
  });

  test('inner: each packet on one flow, that of the innermost level', () => {
    const { db, run } = replayed('inner');
    expect(JSON.parse(run.stdout)).toMatchObject({ packets: 4, flows: 3, tunnelled: 3, tunnel_undecoded: 1 });
    expect(flows(db)).toEqual([
      ['192.168.0.1:5000', 1, 1, { type: 'vxlan', id: 42, outer_flow_id: null }],
      ['10.0.0.1:40000', 1, 0, null],
      ['10.0.0.1:1', 1, 0, null],
    ]);
  });

  test('a wrong word ends with 2 and the words that are right', () => {
    for (const command of [['replay', file], ['daemon']]) {
      const { status, stderr } = nstap([...command, '--tunnels', 'deep']);
      expect(status).toBe(2);
      expect(stderr).toMatch(/--tunnels.*deep.*outer, inner, both/);
    }
  });

  test('the totals for people say what was inside', () => {
    const run = nstap(['replay', '--db', join(scratch, 'text.db'), '--tunnels', 'both', file]);
    expect(run.stdout).toContain(
      'tunnels    3 packets carried another one, 1 of them one that could not be followed\n',
    );
  });
});
