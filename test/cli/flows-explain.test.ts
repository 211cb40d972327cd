import { beforeAll, describe, expect, test } from 'vitest';
import { encodeUpdate } from '../../daemon/routes/update-codec.ts';
import { historySteps, stateWords } from '../../cli/format/flow-words.ts';
import { sparkline } from '../../cli/format/sparkline.ts';
import { CONN_STATES } from '../../storage/flow-batch.ts';
import { FlowWriter } from '../../storage/writer.ts';
import { contextOf, Teller } from '../routes/teller.ts';
import { batchOf, captureInfo, decision, TEST_RUN } from '../storage/records.ts';
import { tempDb } from '../storage/temp-db.ts';
import { nstap } from './run-cli.ts';
import { SAMPLE_START, sampleDb } from './sample-db.ts';

let db = '';
beforeAll(() => {
  const sample = sampleDb();
  db = sample.path;
  return sample.remove;
});

async function flows(path: string, ...args: string[]): Promise<string> {
  const { status, stdout, stderr } = await nstap(['flows', '--db', path, ...args]);
  expect([status, stderr]).toEqual([0, '']);
  return stdout;
}

describe('--explain', () => {
  test('tells all of a flow as a page', async () => {
    const lines = (await flows(db, '--explain', '1')).split('\n');
    expect(lines[0]).toBe('flow 1  tcp  10.1.0.2:40000 -> 10.2.0.2:443');
    const page = lines.map((line) => line.trim().replace(/ {2,}/g, ' | '));
    for (const line of [
      'began | 2023-11-14T22:13:20.123456789Z',
      'ended | 2023-11-14T22:13:21.000000000Z, after 0.876543211 s: both sides closed it (fin)',
      'community-id 1:JeNmMAPgVwBkKHBa2fAYLq8gM00=',
      'packets | 10 | 8 | 18',
      'frames, octets | 2,000,000 | 500 | 2,000,500',
      'TTL | 64 | 63',
      'state | SF: established, then closed by both sides',
      'originator | 10.1.0.2:40000, who sent the SYN',
      'history | ShADadfF',
      'S | originator sent SYN: asks for a connection',
      'h | responder answered SYN+ACK: accepts it',
      'd | responder sent data',
      'F | originator sent FIN: has nothing more to send',
      'flags | APSF | APSF',
      'Route to the responder',
      'decision | forward: 10.2.0.0/24 via 10.1.0.254 dev veth0',
      'by | rule 32766, table main',
      'observed | agrees: it was seen on the interface that it was sent to',
      'Route to the originator',
      'Over time',
      'What capture missed',
    ])
      expect(page).toContain(line);
    expect(page.join('\n')).toMatch(/round trip \| 123us in the handshake; 3\.5us by timestamps/);
    expect(page.join('\n')).toMatch(/note \| only the decision is stored: a replay keeps no tables/);
  });

  test('takes the one flow that a filter leaves, and says how many there are otherwise', async () => {
    expect(await flows(db, 'port 443', '--explain')).toBe(await flows(db, '--explain', '1'));
    const many = await nstap(['flows', '--db', db, 'netns blue', '--explain']);
    expect([many.status, many.stdout]).toEqual([1, '']);
    expect(many.stderr).toContain('the filter leaves 4 flows, and --explain is about one');
    expect(many.stderr).toContain('  --explain 4        10.1.0.2 -> 10.2.0.2 type 8  blue/veth0.100\n');
    const none = await nstap(['flows', '--db', db, 'port 9', '--explain']);
    expect([none.status, none.stderr]).toEqual([
      1,
      'nstap: no flow is left by the filter; --explain is about one\n',
    ]);
    const gone = await nstap(['flows', '--db', db, '--explain', '77']);
    expect(gone.status).toBe(1);
    expect(gone.stderr).toContain('there is no flow 77');
    const word = await nstap(['flows', '--db', db, '--explain', 'tcp']);
    expect(word.status).toBe(2);
    expect(word.stderr).toContain('A filter stands before --explain');
  });

  test('shows each decision of a flow whose decision changed, with its time', async () => {
    const page = await flows(db, '--explain', '2');
    const headings = page.split('\n').filter((line) => line.startsWith('Route'));
    expect(headings).toEqual([
      'Route to the responder',
      'Route to the responder, from 2023-11-14T22:13:30.623456789Z on',
    ]);
    expect(page).toContain('S0: the originator asked for a connection, and nobody answered');
    expect(page).toContain('drop: blackhole 10.66.0.0/16 (drop)');
    expect(page).toContain('a blackhole route matches');
  });

  test('of a flow without ports, TCP or routes leaves out what it has not', async () => {
    const page = await flows(db, '--explain', '6');
    expect(page).toContain('flow 6  253  10.1.0.9 -> 10.2.0.9');
    expect(page).not.toMatch(/null|undefined|NaN|Route to|handshake/);
    for (const id of ['3', '4', '5'])
      expect(await flows(db, '--explain', id)).not.toMatch(/null|undefined|NaN/);
  });

  test('--json has the same', async () => {
    const json = JSON.parse(await flows(db, '--explain', '2', '--json'));
    const [flow] = JSON.parse(await flows(db, '--json', 'port 80')) as unknown[];
    expect(json).toMatchObject({
      flow,
      host: expect.any(String),
      conn_state_text: 'the originator asked for a connection, and nobody answered',
      history_steps: [{ letter: 'S', side: 'originator', text: 'sent SYN: asks for a connection' }],
      routes: [
        { direction: 'fwd', since: '2023-11-14T22:13:30.123456789Z', steps: null, note: expect.any(String) },
        { direction: 'fwd', since: '2023-11-14T22:13:30.623456789Z', route: { type: 'blackhole' } },
      ],
      capture: { run: 'replay', source: 'ring', kernel_drops: 0 },
      gaps: [],
      series: [{ packets_fwd: 1, bytes_fwd: 54 }],
    });
  });

  test('tries the rules again with the tables of that time', async () => {
    const path = tempDb();
    const writer = new FlowWriter(path, { ...TEST_RUN, kind: 'daemon' });
    const channel = writer.channel();
    const teller = new Teller();
    const update = (sec: number, told: ReturnType<Teller['update']>) =>
      ({
        type: 'routeUpdate',
        netns: 'blue',
        netnsId: '4:4026532000',
        atNs: BigInt(SAMPLE_START + sec) * 1_000_000_000n,
        isFull: told.isFull,
        data: encodeUpdate(told),
      }) as const;
    const route = (gateway: string, dev: string) =>
      decision({
        verdict: 'send',
        stage: 'output',
        prefix: '0.0.0.0/0',
        gateway,
        dev,
        text: `default via ${gateway} dev ${dev}`,
      });
    const flow = { src: [10, 9, 0, 1], dst: [8, 8, 8, 8], proto: 17, ports: [1, 53] as [number, number] };
    writer.write([
      [channel, { type: 'capture', info: captureInfo(0) }],
      [
        channel,
        update(0, teller.update(['default via 10.9.0.2 dev d0'], { isFull: true, context: contextOf() })),
      ],
      [channel, update(60, teller.update(['default via 10.9.1.2 dev d1']))],
      [channel, { type: 'decisions', base: 0, list: [route('10.9.0.2', 'd0'), route('10.9.1.2', 'd1')] }],
      [
        channel,
        {
          type: 'batch',
          batch: batchOf(
            { ...flow, seq: 0, start: [SAMPLE_START + 30, 0], route: [0, -1] },
            { ...flow, seq: 1, start: [SAMPLE_START + 90, 0], route: [1, -1] },
            { ...flow, seq: 2, start: [SAMPLE_START - 90, 0], route: [0, -1] },
            { ...flow, seq: 3, start: [SAMPLE_START + 91, 0], route: [0, -1] },
          ),
        },
      ],
    ]);
    writer.close();
    const first = await flows(path, '--explain', '1');
    expect(first).toMatch(/rules +with the tables as they were since 2023-11-14T22:13:20\.000000000Z\n/);
    expect(first).toMatch(/32766: +\* from all lookup main +route found 0\.0\.0\.0\/0/);
    expect(first).not.toContain('note');
    expect(await flows(path, '--explain', '2')).toContain('since 2023-11-14T22:14:20.000000000Z');
    expect(await flows(path, '--explain', '3')).toContain('the tables of that time are not known');
    const other = (await flows(path, '--explain', '4')).replace(/\s+/g, ' ');
    expect(other).toContain('the answer would be default via 10.9.1.2 dev d1, which is not what was decided');
    expect(other).toContain('not kept the daemon or replay that captured it had no --timeseries');
  });
});

describe('a history in words', () => {
  test('names who, what, and that it came again', () => {
    const words = (history: string, isTcp = true): string[] =>
      historySteps(history, isTcp).map(({ letter, side, text }) => `${letter} ${side}: ${text}`);
    expect(words('^hTtT')).toEqual([
      '^ null: the two sides were exchanged: whoever was seen first is not who began it',
      'h responder: answered SYN+ACK: accepts it',
      'T originator: sent octets again (retransmission)',
      't responder: sent octets again (retransmission)',
      'T originator: sent octets again (retransmission), ten times by now',
    ]);
    expect(words('SS')[1]).toBe(
      'S originator: sent SYN: asks for a connection, again with another sequence number',
    );
    expect(words('Dd', false)).toEqual(['D originator: sent a packet', 'd responder: sent a packet']);
  });

  test('has words for each letter and each state', () => {
    for (const step of historySteps('shadfrcgtwiqSHADFRCGTWIQ^', true))
      expect(step.text).not.toContain('no words');
    for (const state of CONN_STATES) if (state !== null) expect(stateWords(state, true), state).toMatch(/\w/);
    for (const state of ['S0', 'SF', 'SHR']) expect(stateWords(state, false), state).toMatch(/\w/);
  });
});

test('a sparkline has a bar for each value, and means where they are too many', () => {
  expect(sparkline([0, 1, 4, 8], 10)).toBe(' ▁▄█');
  expect(sparkline([8, 8, 0, 0, 4, 4], 3)).toBe('█ ▄');
  expect(sparkline([0, 0], 5)).toBe('  ');
  expect(sparkline([1], 5)).toBe('█');
});
