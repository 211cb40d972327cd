import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Ajv2020 from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import { afterAll, describe, expect, test } from 'vitest';
import { openForReading } from '../../storage/database.ts';
import { type FlowRow, queryFlows } from '../../storage/query.ts';
import { pcapFile, type Record as FileRecord } from '../decoders/savefile-build.ts';
import { until } from '../kernel/lab.ts';
import { EVERYTHING, readFlows, tempFolder } from '../storage/temp-db.ts';
import { type FrameSpec, frame } from '../support/frames.ts';
import { clientHello, dnsMessage } from '../support/payloads.ts';
import { MAIN, nstap } from '../support/nstap.ts';

const START = 1_700_000_003;
const CLIENT: FrameSpec = { src: '10.0.0.9', sport: 5000, dst: '10.0.0.1', dport: 80 };
const SERVER: FrameSpec = { src: '10.0.0.1', sport: 80, dst: '10.0.0.9', dport: 5000 };

function record(spec: FrameSpec, sec: number, fraction = 0): FileRecord {
  return { sec: START + sec, fraction, data: frame(spec) };
}

/** A UDP flow of 95 s with a pause, and a TCP flow whose originator is known only after 25 s. */
const PACKETS: FileRecord[] = [
  ...Array.from({ length: 96 }, (_, t) => t)
    .filter((t) => t < 30 || t > 60)
    .flatMap((t) => [
      record({ ...CLIENT, proto: 'udp', payload: 10 }, t, 500_000),
      ...(t % 3 === 0 ? [record({ ...SERVER, proto: 'udp', payload: 100 }, t, 600_000)] : []),
    ]),
  ...Array.from({ length: 25 }, (_, t) => record({ ...SERVER, flags: 'A', ack: 2, payload: t }, t, 700_000)),
  record({ ...CLIENT, flags: 'S', seq: 1 }, 25),
  record({ ...CLIENT, flags: 'A', seq: 2 }, 41),
].sort((a, b) => a.sec - b.sec || a.fraction - b.fraction);

interface FlowWithSeries {
  protocol: string;
  src: string;
  start: string;
  packets_fwd: number;
  packets_rev: number;
  bytes_fwd: number;
  bytes_rev: number;
  series: { at: string; packets_fwd: number; packets_rev: number; bytes_fwd: number; bytes_rev: number }[];
}

describe('flows in trouble', () => {
  test('that find no room are counted, and their octets are null', () => {
    const folder = tempFolder();
    const [pcap, db] = [join(folder, 'x.pcap'), join(folder, 'x.db')];
    // 64 of a table this small can be in trouble at once.
    const packets = Array.from({ length: 140 }, (_, i) =>
      record({ ...CLIENT, sport: 20_000 + (i >> 1), flags: 'A', payload: 10 }, 0, i),
    );
    writeFileSync(pcap, pcapFile(packets));
    const args = ['replay', '--db', db, '--max-flows', '100'];
    const { stdout } = nstap([...args, '--json', pcap]);
    expect(JSON.parse(stdout)).toMatchObject({ flows: 70, evicted: 0, untracked: 6 });
    expect(readFlows(db).filter((flow) => flow.seqBytesFwd === null)).toHaveLength(6);
    expect(nstap([...args, pcap]).stdout).toMatch(/^untracked +6 TCP flows have counts that are too low/m);
    expect(nstap(['status', '--db', db]).stdout).toMatch(/^losses +untracked_flows 6: .*--max-flows$/m);
  });
});

describe('flows over time', () => {
  test.each([[], ['--checkpoint', '2']])(
    'a row for every 10 s in which there were packets %j',
    (...flags) => {
      const folder = tempFolder();
      const [pcap, db] = [join(folder, 'x.pcap'), join(folder, 'x.db')];
      writeFileSync(pcap, pcapFile(PACKETS));
      expect(nstap(['replay', '--db', db, '--timeseries', ...flags, pcap])).toMatchObject({
        status: 0,
        stderr: '',
      });
      const { stdout } = nstap(['flows', '--db', db, '--series', '--format', 'json', '--sort', '+protocol']);
      const flows = JSON.parse(stdout) as FlowWithSeries[];
      expect(flows.map((flow) => [flow.protocol, flow.src])).toEqual([
        ['tcp', '10.0.0.9'],
        ['udp', '10.0.0.9'],
      ]);
      for (const flow of flows) {
        for (const key of ['packets_fwd', 'packets_rev', 'bytes_fwd', 'bytes_rev'] as const)
          expect(flow.series.reduce((n, row) => n + row[key], 0)).toBe(flow[key]);
      }
      const at = (seconds: number): string =>
        new Date((START + seconds) * 1000).toISOString().replace('Z', '000000Z');
      expect(flows[1]!.series.map((row) => [row.at, row.packets_fwd, row.packets_rev])).toEqual([
        [at(0), 10, 4],
        [at(10), 10, 3],
        [at(20), 10, 3],
        [at(60), 9, 3],
        [at(70), 10, 3],
        [at(80), 10, 3],
        [at(90), 6, 2],
      ]);
      expect(flows[0]!.series.map((row) => [row.at, row.packets_fwd, row.packets_rev])).toEqual([
        [at(0), 0, 10],
        [at(10), 0, 10],
        [at(20), 1, 5],
        [at(40), 1, 0],
      ]);
    },
  );

  test('without --timeseries there are none, and --series asks for JSON', () => {
    const folder = tempFolder();
    const [pcap, db] = [join(folder, 'x.pcap'), join(folder, 'x.db')];
    writeFileSync(pcap, pcapFile(PACKETS));
    expect(nstap(['replay', '--db', db, pcap]).status).toBe(0);
    const { stdout } = nstap(['flows', '--db', db, '--series', '--format', 'ndjson', '--limit', '1']);
    expect(JSON.parse(stdout).series).toEqual([]);
    expect(
      JSON.parse(nstap(['flows', '--db', db, '--format', 'ndjson', '--limit', '1']).stdout),
    ).not.toHaveProperty('series');
    for (const words of [['--series'], ['--series', '--format', 'json', '--by', 'src']])
      expect(nstap(['flows', '--db', db, ...words])).toMatchObject({
        status: 2,
        stderr: expect.stringContaining('--series needs --format json or ndjson'),
      });
    expect(nstap(['replay', '--db', db, '--timeseries', '--checkpoint', '3', pcap])).toMatchObject({
      status: 2,
      stderr: expect.stringContaining('--checkpoint 1, 2, 5 or 10, not 3'),
    });
  });
});

test('a flow that goes on in a pipe is in the database while it lives, as one row that grows', async () => {
  const db = join(tempFolder(), 'x.db');
  const child = spawn(process.execPath, [MAIN, 'replay', '--db', db, '-'], {
    stdio: ['pipe', 'ignore', 'inherit'],
  });
  const header = pcapFile([]);
  const part = (from: number, to: number): Buffer =>
    pcapFile(
      Array.from({ length: to - from }, (_, i) => record({ ...CLIENT, proto: 'udp', payload: 10 }, from + i)),
    ).subarray(header.length);
  const rows = (): FlowRow[] => {
    try {
      const reader = openForReading(db);
      const found = [...queryFlows(reader, EVERYTHING)];
      reader.close();
      return found;
    } catch {
      return []; // not made yet
    }
  };
  child.stdin.write(Buffer.concat([header, part(0, 15)]));
  await until('the flow is there', () => rows().length === 1);
  expect(rows()).toMatchObject([{ packetsFwd: 10, endReason: 'active' }]);
  child.stdin.write(part(15, 45));
  await until('the flow has grown', () => rows()[0]?.packetsFwd === 40);
  child.stdin.end(part(45, 50));
  expect(await once(child, 'close')).toEqual([0, null]);
  expect(readFlows(db)).toMatchObject([{ flowId: 1, packetsFwd: 50, endReason: 'eof' }]);
});

describe('hints and payload', () => {
  const folder = mkdtempSync(join(tmpdir(), 'nstap-hints-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  const pcap = join(folder, 'x.pcap');
  const ascii = (text: string): Uint8Array => Uint8Array.from(text, (letter) => letter.charCodeAt(0));
  const dns = { proto: 'udp', src: '10.0.0.9', sport: 6000, dst: '10.0.0.53', dport: 53 } as const;
  writeFileSync(
    pcap,
    pcapFile([
      record({ ...dns, payload: dnsMessage('www.example.org', 28) }, 0),
      record({ ...CLIENT, flags: 'PA', payload: clientHello({ sni: 'www.example.org', alpn: ['h2'] }) }, 1),
      record(
        { ...CLIENT, sport: 7, flags: 'PA', payload: ascii('GET /secret HTTP/1.1\r\nHost: a,b\r\n\r\n') },
        2,
      ),
      record({ ...CLIENT, sport: 8, flags: 'PA', payload: ascii('SSH-2.0-x\r\n') }, 3),
      record({ ...CLIENT, sport: 9, flags: 'PA', payload: 5 }, 4),
    ]),
  );
  const replayed = (...flags: string[]): Record<string, unknown>[] => {
    const db = join(folder, `${flags.join('')}.db`);
    expect(nstap(['replay', '--db', db, ...flags, pcap])).toMatchObject({ status: 0, stderr: '' });
    const { stdout } = nstap(['flows', '--db', db, '--format', 'json', '--sort', '+start']);
    return JSON.parse(stdout);
  };
  const ajv = new Ajv2020.default({ strict: true, allErrors: true, allowUnionTypes: true });
  addFormats.default(ajv);
  const validate = ajv.compile(
    JSON.parse(readFileSync(new URL('../../docs/flow.schema.json', import.meta.url), 'utf8')),
  );

  test('are in JSON as its schema has it, without the path', () => {
    const flows = replayed('--hints', '--payload', '16');
    for (const flow of flows) expect([validate(flow), validate.errors]).toEqual([true, null]);
    expect(flows.map((flow) => flow.hints)).toEqual([
      { dns: { query: 'www.example.org', type: 'AAAA', rcode: null } },
      { tls: { sni: 'www.example.org', alpn: ['h2'] } },
      { http: { method: 'GET', host: 'a,b', status: null } },
      { ssh: { client: 'SSH-2.0-x', server: null } },
      null,
    ]);
    const payloads = flows.map((flow) => Buffer.from(String(flow.payload_fwd), 'base64'));
    expect(payloads.map(({ length }) => length)).toEqual([16, 16, 16, 11, 5]);
    expect(payloads[2]!.toString()).toBe('GET /secret HTTP');
    expect(flows.every((flow) => flow.payload_rev === null)).toBe(true);
  });

  test('are not kept unless asked for, and are asked for one by one', () => {
    for (const flow of replayed())
      expect(flow).toMatchObject({ hints: null, payload_fwd: null, payload_rev: null });
    for (const flow of replayed('--payload', '1'))
      expect(flow).toMatchObject({ hints: null, payload_fwd: expect.any(String) });
    expect(replayed('--hints').map((flow) => flow.payload_fwd)).toEqual([null, null, null, null, null]);
    expect(nstap(['replay', '--payload', '1025', pcap]).stderr).toContain('from 0 to 1024');
  });

  test('are columns of CSV', () => {
    const db = join(folder, '--hints--payload16.db');
    const { stdout } = nstap(['flows', '--db', db, '--format', 'csv', 'port 53']);
    const [head, row] = stdout.split('\n');
    expect(head).toContain(',experiment,experiments,hints,payload_fwd,payload_rev,');
    expect(row).toContain('{""dns"":{""query"":""www.example.org""');
  });
});
