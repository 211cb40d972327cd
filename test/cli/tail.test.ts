import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { ControlError } from '../../daemon/control/errors.ts';
import { type TestFeed, TestServer } from '../control/test-server.ts';
import { until } from '../kernel/lab.ts';
import { frame } from '../support/frames.ts';
import { MAIN } from '../support/nstap.ts';
import { nstap } from './run-cli.ts';
import { decision, livePacket } from './tail/packets.ts';

const udp = frame({ proto: 'udp', dport: 53, payload: 10 });
const dir = mkdtempSync(join(tmpdir(), 'nstap-tail-'));
const open: (() => void)[] = [];

afterEach(() => {
  for (const close of open.splice(0)) close();
});

/** A tail of a daemon that says and does what the test wants. */
async function tail(words: string[]) {
  const server = new TestServer();
  server.backend.captures = [{ netns: 'red', interface: 'eth0', received: 10, kernelDrops: 0 }];
  const child = spawn(process.execPath, [MAIN, 'tail', '--control', server.path, ...words]);
  open.push(
    () => child.kill('SIGKILL'),
    () => server[Symbol.dispose](),
  );
  const out = { stdout: '', stderr: '', status: undefined as number | null | undefined };
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    out.stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    out.stderr += text;
  });
  const ended = once(child, 'close').then(([status]) => {
    out.status = status as number | null;
    return out;
  });
  await until('it watches, or ends', () => server.backend.feeds.length === 1 || out.status !== undefined);
  const feed = server.backend.feeds[0] as TestFeed;
  if (feed !== undefined) await until('it says so', () => out.stderr.includes('nstap: '));
  return { server, child, out, ended, feed };
}

function packets(count: number, routeIndex = 0): ReturnType<typeof livePacket>[] {
  return Array.from({ length: count }, (_, i) => livePacket(udp, { timeNs: i * 1000, routeIndex }));
}

const LINE = 'red/eth0 In  IP 10.0.0.1.1000 > 10.0.0.2.53: UDP, length 10';

describe('nstap tail', () => {
  it('asks the daemon for what the words say', async () => {
    const { feed, child, ended } = await tail([
      '--netns',
      'r*',
      '-i',
      'eth?',
      '-s',
      '96',
      'udp',
      'port',
      '53',
    ]);
    expect(feed.wanted).toEqual({
      selection: { netns: 'r*', interface: 'eth?' },
      filter: {
        kind: 'and',
        nodes: [
          { kind: 'proto', numbers: [17] },
          { kind: 'port', side: 'any', comparator: '=', values: [53] },
        ],
      },
      snapLen: 96,
    });
    child.kill('SIGINT');
    await ended;
  });

  it('prints packets as they come, and after Ctrl-C what was copied by then, a summary, and 130', async () => {
    const { feed, child, ended, out } = await tail(['-t']);
    feed.routes.push(decision());
    feed.give(packets(1, 1));
    await until('it is printed', () => out.stdout !== '');
    expect(out.stdout).toBe(`${LINE}, -> main 10.2.0.0/16 via 10.0.0.1 dev eth0\n`);
    feed.give(packets(2, 1), 7);
    child.kill('SIGINT');
    const { stdout, stderr, status } = await ended;
    expect([stdout.split('\n').length, status]).toEqual([4, 130]);
    expect(stderr).toBe(
      [
        'nstap: listening on red/eth0, snapshot length 256 octets',
        '-- 7 of 10 packets not shown (more than the daemon gives; a filter makes them fewer)',
        '3 packets shown',
        '10 packets matched',
        '7 packets skipped',
        '0 packets dropped by kernel',
        '',
      ].join('\n'),
    );
  });

  it('ends with 0 after -c packets, and counts none after that', async () => {
    const { feed, ended, server } = await tail(['-t', '-c', '3', '--no-route']);
    feed.give(packets(10, 1), 2);
    const { stdout, stderr, status } = await ended;
    expect([stdout, status]).toEqual([`${LINE}\n`.repeat(3), 0]);
    expect(stderr).toContain('3 packets shown\n5 packets matched\n2 packets skipped\n');
    await until('the daemon lets go', () => server.backend.feeds.length === 0);
  });

  it('tells what the kernel dropped meanwhile', async () => {
    const { server, feed, ended } = await tail(['-c', '1']);
    server.backend.captures = [
      { netns: 'red', interface: 'eth0', received: 5000, kernelDrops: 321 },
      { netns: 'blue', interface: 'eth0', received: 9, kernelDrops: 2, index: 2 },
    ];
    feed.give(packets(1));
    expect((await ended).stderr).toContain('\n323 packets dropped by kernel\n');
  });

  it('tells when the daemon ends, with a summary, and 1', async () => {
    const { server, ended } = await tail([]);
    server.server.close();
    const { stderr, status } = await ended;
    expect(stderr).toMatch(/\n0 packets shown\n.*\nnstap: the daemon has ended\n$/s);
    expect(status).toBe(1);
  });

  it('prints JSON, one array or one object a line', async () => {
    const lines = await tail(['--format', 'ndjson', '-c', '2']);
    lines.feed.routes.push(decision({ type: 'blackhole', verdict: 'drop' }));
    lines.feed.give(packets(2, 1));
    const objects = (await lines.ended).stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(objects).toMatchObject([
      {
        time: '2023-11-14T22:13:20.000000000Z',
        dst_port: 53,
        route: decision({ type: 'blackhole', verdict: 'drop' }),
      },
      { time: '2023-11-14T22:13:20.000001000Z' },
    ]);
    const array = await tail(['--json']);
    array.feed.give(packets(3));
    array.child.kill('SIGINT');
    expect(JSON.parse((await array.ended).stdout)).toHaveLength(3);
  });

  it('ends in silence when nobody reads its lines any more', async () => {
    const { feed, child, ended } = await tail([]);
    child.stdout.destroy();
    const feeding = setInterval(() => feed.give(packets(100)), 20);
    open.push(() => clearInterval(feeding));
    expect((await ended).status).toBe(0);
  });

  it('writes a capture file over one that is there, with print also lines', async () => {
    const file = join(dir, 'x.pcapng');
    const { server, feed, ended } = await tail(['-w', file, '--print', '-c', '4', '-t']);
    expect(feed.wanted.snapLen).toBe(65_535);
    const head = readFileSync(file);
    expect(head.subarray(0, 4).toString('hex')).toBe('0a0d0d0a');
    server.backend.captures = [{ netns: 'red', interface: 'eth0', received: 40, kernelDrops: 7 }];
    feed.give(packets(4));
    const { stdout, stderr, status } = await ended;
    expect([stdout, status]).toEqual([`${LINE}\n`.repeat(4), 0]);
    expect(stderr).toContain('4 packets written\n');
    // What the kernel dropped is in the statistics of the interface.
    const replayed = await nstap(['replay', '--json', '--db', join(dir, 'x.db'), file]);
    expect(JSON.parse(replayed.stdout)).toMatchObject({ packets: 4, capture_drops: 7 });
    rmSync(dir, { recursive: true });
  });

  it('tells which command starts a daemon when there is none', async () => {
    const { status, stdout, stderr } = await nstap([
      'tail',
      '--control',
      '/nowhere/x.sock',
      '--netns',
      'lab-*',
      '-c',
      '1',
    ]);
    expect([status, stdout]).toEqual([1, '']);
    expect(stderr).toBe(
      `nstap: connect /nowhere/x.sock: ENOENT, nobody listens there; is the daemon running (\`nstap daemon\`)?
start one in another terminal, or with & behind it:
  ${process.getuid!() === 0 ? '' : 'sudo '}nstap daemon --netns 'lab-*' --control /nowhere/x.sock
`,
    );
  });

  it('passes on why the daemon refuses', async () => {
    const server = new TestServer();
    open.push(() => server[Symbol.dispose]());
    server.backend.captures = [];
    server.backend.refusal = new ControlError('CONTROL_BUSY', 'no room');
    const { status, stderr } = await nstap(['tail', '--control', server.path]);
    expect([status, stderr]).toEqual([1, `nstap: packets ${server.path}: no room\n`]);
  });

  it('asks for addresses where the filter has names, with --resolve', async () => {
    const { child, feed, ended } = await tail(['--resolve', '--tz', '+05:30', 'host', 'localhost']);
    expect(JSON.stringify(feed.wanted.filter)).toContain('"kind":"host"');
    child.kill('SIGINT');
    await ended;
  });

  it.each([
    [['host', 'localhost'], 'names of hosts are looked up with --resolve only'],
    [['state', 'SF'], 'nstap: "state" cannot be asked here: a connection state is of a whole flow'],
    [['duration', '>', '5s', 'or', 'packets', '>', '3'], '"packets" cannot be asked here'],
    [['port'], 'nstap: '],
    [[`port in [ ${Array.from({ length: 5000 }, (_, i) => i).join(' ')} ]`], 'nstap: '],
    [['--netns', 'a/b'], 'nstap: netns "a/b": a name or pattern'],
    [['-c', '0'], 'whole number'],
    [['-s', '65536'], 'whole number'],
    [['--tz', 'Nowhere'], 'nstap: cannot read the time zone "Nowhere"'],
    [['-w', '-', '--json'], 'nstap: -w - writes the capture file to stdout'],
    [['--json', '--format', 'ndjson'], "'--json' cannot be used with"],
  ])('is wrong usage: %j', async (words, message) => {
    const { status, stdout, stderr } = await nstap(['tail', '--control', '/nowhere', ...words]);
    expect([status, stdout]).toEqual([2, '']);
    expect(stderr).toContain(message);
  });
});
