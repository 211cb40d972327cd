import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { statSync } from 'node:fs';
import Database from 'better-sqlite3';
import { describe, expect, test } from 'vitest';
import type { Status } from '../../cli/status.ts';
import { openForWriting } from '../../storage/database.ts';
import { zeroCounters, type CaptureCounters } from '../../storage/messages.ts';
import { FlowWriter, type WriteRequest } from '../../storage/writer.ts';
import { removePartition } from '../../storage/partition-files.ts';
import { put, startParted } from '../storage/parted.ts';
import { captureInfo, TEST_RUN } from '../storage/records.ts';
import { tempDb } from '../storage/temp-db.ts';
import { MAIN, nstap } from '../support/nstap.ts';
import { Terminal, terminalMissing } from '../support/terminal.ts';

const hasScript = spawnSync('script', ['--version']).status === 0;

const noTerminal = terminalMissing();

const DAEMON = { ...TEST_RUN, kind: 'daemon' } as const;

function counters(
  captureIndex: number,
  counts: Partial<CaptureCounters>,
  final = true,
): Extract<WriteRequest, { type: 'counters' }> {
  return { type: 'counters', captureIndex, counters: { ...zeroCounters(), ...counts }, span: null, final };
}

/** A run with two captures and the counts of one namespace. */
function write(path: string, second: Partial<CaptureCounters>, run: object = DAEMON): FlowWriter {
  const writer = new FlowWriter(path, { ...DAEMON, ...run });
  const channel = writer.channel();
  const requests: WriteRequest[] = [
    { type: 'capture', info: captureInfo(0) },
    { type: 'capture', info: captureInfo(1, { interface: 'lo' }) },
    counters(0, {
      received: 10,
      aliveFlows: 3,
      cpuNs: 5000,
      packets: 10,
      bytes: 1000,
      decodedIpv4: 4,
      decodedIpv6: 3,
      decodedArp: 2,
      decodedOther: 1,
    }),
    counters(1, second, false),
    { type: 'filter', captureIndex: 1, filter: 'udp' },
    { type: 'load', load: { queued: 3, queueSize: 64, cpuNs: 1_500_000_000 } },
    {
      type: 'routeMirror',
      netns: 'blue',
      netnsId: '4:1',
      resyncs: 0,
      reloads: 3,
      applied: 12,
      interrupted: 1,
    },
    { type: 'routeAudit', netns: 'blue', netnsId: '4:1', asked: 9, agreed: 9, disagreed: 0, unasked: 2 },
    { type: 'routeAudit', netns: 'azure', netnsId: '4:2', asked: 1, agreed: 1, disagreed: 0, unasked: 0 },
  ];
  writer.write(requests.map((request) => [channel, request] as const));
  return writer;
}

const CLEAN = { packets: 5, bytes: 500, decodedIpv4: 4, undecoded: 0, decodedArp: 1, duplicates: 5 };
const LOSSY = {
  ...CLEAN,
  packets: 6,
  undecoded: 1,
  kernelDrops: 1234,
  shedRecords: 7,
  evictedFlows: 2,
  untrackedFlows: 3,
};

function json(path: string): Status {
  const { status, stdout, stderr } = nstap(['status', '--json', '--db', path]);
  expect(stderr).toBe('');
  expect(status).toBe(0);
  return JSON.parse(stdout) as Status;
}

/** Changes what no writer would write. */
function alter(path: string, sql: string): void {
  const db = new Database(path);
  db.exec(sql);
  db.close();
}

describe('status', () => {
  test('--json has the run, every capture and namespace, and what they add up to', () => {
    const path = tempDb();
    write(path, LOSSY).close();
    const status = json(path);
    expect(status).toMatchObject({
      database: path,
      run: {
        run_id: 1,
        kind: 'daemon',
        version: '0.0.0',
        pid: process.pid,
        state: 'ended',
        flows: 0,
        queue_waiting: 3,
        queue_size: 64,
        capture_cpu_ns: 1_500_000_000,
      },
      balanced: true,
    });
    expect(status.run.started).toMatch(/^\d{4}-\d\d-\d\dT.*\.\d{9}Z$/);
    expect(status.run.ended! >= status.run.started).toBe(true);
    const counts = {
      netns: 'blue',
      netns_id: '4:4026532000',
      source: 'ring',
      file: null,
      unaccounted: 0,
      truncated: 0,
      fragments: 0,
      tunnelled: 0,
      tunnel_undecoded: 0,
      shed_route_changes: 0,
      shed_hints: 0,
    };
    const clean = { kernel_drops: 0, duplicates: 0, shed_records: 0, evicted_flows: 0, untracked_flows: 0 };
    const lossy = {
      kernel_drops: 1234,
      duplicates: 5,
      shed_records: 7,
      evicted_flows: 2,
      untracked_flows: 3,
    };
    expect(status.captures).toEqual([
      {
        ...counts,
        ...clean,
        interface: 'veth0',
        filter: null,
        ended: true,
        received: 10,
        alive_flows: 3,
        cpu_ns: 5000,
        packets: 10,
        bytes: 1000,
        decoded: 10,
        undecoded: 0,
      },
      {
        ...counts,
        ...lossy,
        interface: 'lo',
        filter: 'udp',
        ended: false,
        received: 0,
        alive_flows: 0,
        cpu_ns: 0,
        packets: 6,
        bytes: 500,
        decoded: 5,
        undecoded: 1,
      },
    ]);
    const mirror = { resyncs: 0, reloads: 3, applied: 12, interrupted: 1, shed_updates: 0 };
    expect(status.namespaces).toEqual([
      {
        netns: 'azure',
        netns_id: '4:2',
        mirror: null,
        audit: { asked: 1, agreed: 1, disagreed: 0, unasked: 0 },
      },
      { netns: 'blue', netns_id: '4:1', mirror, audit: { asked: 9, agreed: 9, disagreed: 0, unasked: 2 } },
    ]);
    expect(status.totals).toMatchObject({
      ...lossy,
      ...mirror,
      packets: 16,
      decoded: 15,
      undecoded: 1,
      asked: 10,
      unasked: 2,
    });
  });

  test('keys are those that the help lists, in that order', () => {
    const path = tempDb();
    write(path, CLEAN).close();
    const { stdout } = nstap(['status', '--help']);
    const { run, retention, captures, namespaces, ...rest } = json(path);
    expect(stdout).toContain('Example:\n');
    for (const keys of [run, retention, captures[0]!, namespaces[1]!.mirror!, namespaces[1]!.audit!].map(
      Object.keys,
    )) {
      const pattern = keys.join('[\\s{]+(?:\\([^)]*\\)\\s+)?');
      expect(stdout).toMatch(new RegExp(`\\b${pattern}\\b`));
    }
    for (const key of Object.keys(rest)) expect(stdout).toMatch(new RegExp(`^  ${key}\\b`, 'm'));
  });

  test('for people has a line a capture, the law, and no loss where there is none', () => {
    const path = tempDb();
    write(path, CLEAN).close();
    const { status, stdout, stderr } = nstap(['status', '--db', path]);
    expect(stdout).toMatch(/^daemon \(run 1, nstap 0\.0\.0, pid \d+, host .*\): ran from 20\S+Z to 20\S+Z\n/);
    expect(stdout).toMatch(/^blue\/veth0 +ended +10 +10 +1\.0k +10 +0 +0 +0 +0 +0 +0 +0 +3 +500ns$/m);
    expect(stdout).toMatch(/^blue\/lo +cut off +0 +5 +500 +5 +0 +0 +5 +0 +0 +0 +0 +0 +-$/m);
    expect(stdout).toMatch(/^total +10 +15 +1\.5k +15 /m);
    expect(stdout).toMatch(/^azure +- +- +- +- +- +1 +1 +0 +0$/m);
    expect(stdout).toMatch(/^blue +12 +3 +0 +1 +0 +9 +9 +0 +2$/m);
    expect(stdout).toContain(
      'received = 15 decoded + 0 undecoded + 0 dropped by the kernel + 5 duplicates of lo\nlosses    none\n',
    );
    expect(stdout).toContain(
      '\nload      3 flows in the table, 3 of 64 batches wait for the database, 1.5 s of CPU in the capture thread\n',
    );
    expect(stdout).not.toContain('\u001b');
    expect([status, stderr]).toEqual([0, '']);
  });

  test('tells what is kept, and what retention has dropped', () => {
    const path = tempDb();
    const [writer, channel] = startParted(path);
    put(writer, channel, { seq: 0, end: [1_700_000_005, 0] }, { seq: 1, end: [1_700_000_009, 0] });
    const shown = (): string => nstap(['status', '--db', path]).stdout;
    expect(shown()).toMatch(
      /^kept {6}flows since 2023-11-14T22:13:25\.000000000Z; 1 partition, \S+ octets; nothing was dropped so far$/m,
    );
    writer.partitions!.begin();
    const [row] = writer.partitions!.rows();
    writer.partitions!.detach(1);
    removePartition(path, 1);
    writer.partitions!.forget(row!, 1000);
    expect(shown()).toMatch(
      /^kept {6}no flows; 1 partition, \S+ octets; dropped so far: 2 flows, 1 partition$/m,
    );
    writer.close();
    expect(json(path).retention).toEqual({
      partitions: 1,
      octets: statSync(path).size + statSync(`${path}-0002`).size,
      from: null,
      dropped_partitions: 1,
      dropped_flows: 2,
      dropped_octets: 1000,
    });
  });

  test('names each loss with what helps', () => {
    const path = tempDb();
    write(path, LOSSY).close();
    const { stdout } = nstap(['status', '--db', path]);
    const losses = stdout.slice(stdout.indexOf('\nlosses ') + 1).split('\n');
    expect(losses.map((line) => line.slice(10).split(':')[0])).toEqual([
      'kernel_drops 1,234',
      'undecoded 1',
      'evicted_flows 2',
      'untracked_flows 3',
      'shed_records 7',
      '',
    ]);
    expect(losses[0]).toContain('a larger --ring-mib');
  });

  test.skipIf(!hasScript)('marks losses red on a terminal unless NO_COLOR is set (needs script(1))', () => {
    const path = tempDb();
    write(path, LOSSY).close();
    const shown = (noColor: string): string =>
      spawnSync('script', ['-qec', `'${process.execPath}' '${MAIN}' status --db '${path}'`, '/dev/null'], {
        encoding: 'utf8',
        env: { ...process.env, NO_COLOR: noColor, TERM: 'xterm', COLUMNS: '200' },
      }).stdout;
    const colored = shown('');
    expect(colored).toContain('\u001b[31m1.2k\u001b[39m');
    expect(colored).toContain('\u001b[31mkernel_drops 1,234\u001b[39m');
    expect(shown('1')).not.toContain('\u001b[31m');
  });

  test.skipIf(noTerminal !== null)(
    `fits a terminal of 80 columns, with the law at a glance${noTerminal ? ` (${noTerminal})` : ''}`,
    async () => {
      const path = tempDb();
      write(path, LOSSY).close();
      const show = async (env: Record<string, string>): Promise<Terminal> => {
        const words = [process.execPath, MAIN, 'status', '--control', 'none', '--db', path];
        const terminal = Terminal.start(words, { env, height: 50 });
        expect(await terminal.waitForEnd()).toBe(0);
        return terminal;
      };
      using terminal = await show({ LC_ALL: 'C.UTF-8' });
      const screen = terminal.screen();
      expect(screen.join('\n')).toMatch(
        /^NETNS\/IF .*RECEIVED .*DECODED +UNDECODED +DROPS .*FLOWS +CPU\/PKT$/m,
      );
      expect(screen.find((line) => line.startsWith('blue/veth0'))).toMatch(/ 500ns$/);
      // No line was broken by the terminal: what goes on is set in.
      expect(screen.filter((line) => /^(raise|helps|the|of|lo|kernel)\b/.test(line))).toEqual([]);
      const text = screen.join(' ').replace(/ +/g, ' ');
      expect(text).toContain(
        'law ✓ 1,255 received = 15 decoded + 1 undecoded + 1,234 dropped by the kernel + 5 duplicates of lo',
      );
      expect(terminal.coloredScreen().join('\n')).toContain('\u001b[32m✓');
      alter(path, `UPDATE captures SET packets = packets + 4 WHERE interface = 'lo'`);
      using broken = await show({ LC_ALL: 'C' });
      expect(broken.screen().join(' ').replace(/ +/g, ' ')).toContain('BROKEN for blue/lo (4 in no count)');
      expect(broken.coloredScreen().join('\n')).toContain('law       \u001b[31m!!');
    },
  );

  test.skipIf(noTerminal !== null)(
    '--watch shows what changes, until Ctrl-C, and gives the screen back',
    async () => {
      const path = tempDb();
      const writer = write(path, CLEAN);
      const words = [process.execPath, MAIN, 'status', '--watch', '1', '--control', 'none', '--db', path];
      using terminal = Terminal.start(words, { env: { LC_ALL: 'C' } });
      await terminal.waitFor('running since');
      expect(terminal.isAlternate).toBe(true);
      writer.close();
      await terminal.waitFor(': ran from');
      terminal.resize(50, 10);
      await terminal.waitUntil(
        'the first ten lines',
        (screen) => screen.length <= 10 && screen.every((line) => line.length <= 50),
      );
      terminal.press('C-c');
      expect(await terminal.waitForEnd()).toBe(130);
      expect(terminal.isAlternate).toBe(false);
      expect(terminal.scrollback().join('')).toBe('');
      const piped = nstap(['status', '--watch', '--control', 'none', '--db', path]);
      expect([piped.status, piped.stderr]).toEqual([2, expect.stringContaining('--watch needs a terminal')]);
      expect(nstap(['status', '--watch', '0']).status).toBe(2);
    },
  );

  test('--watch --json prints an object a line', async () => {
    const path = tempDb();
    write(path, CLEAN).close();
    const child = spawn(process.execPath, [
      MAIN,
      'status',
      '--json',
      '--watch',
      '1',
      '--control',
      'none',
      '--db',
      path,
    ]);
    let out = '';
    child.stdout.on('data', (chunk) => {
      out += chunk;
      if (out.split('\n').length > 2) child.kill('SIGINT');
    });
    const [code] = await once(child, 'exit');
    expect(code).toBe(130);
    for (const line of out.trimEnd().split('\n')) expect(JSON.parse(line)).toMatchObject({ database: path });
  });

  test('tells the time in which an interface was not captured', () => {
    const path = tempDb();
    const span = { firstSec: 10, firstNsec: 1, lastSec: 20, lastNsec: 2 };
    for (const gapReason of [undefined, 'engine ended by SIGKILL']) {
      const writer = new FlowWriter(path, { ...TEST_RUN, kind: 'daemon' });
      const channel = writer.channel();
      const info = { ...captureInfo(0), ...(gapReason === undefined ? {} : { gapReason }) };
      writer.write([
        [channel, { type: 'capture', info }],
        [channel, { ...counters(0, {}), span: gapReason === undefined ? span : { ...span, firstSec: 30 } }],
      ]);
      writer.close();
    }
    const { netns, interface: name } = captureInfo(0);
    const [from, to] = ['1970-01-01T00:00:20.000000002Z', '1970-01-01T00:00:30.000000001Z'];
    expect(json(path).gaps).toEqual([
      { netns, interface: name, from, to, reason: 'engine ended by SIGKILL' },
    ]);
    const { stdout } = nstap(['status', '--db', path]);
    expect(stdout).not.toContain('losses ');
    expect(stdout).toContain(
      `\ngaps      ${netns}/${name}: not captured from ${from} to ${to}: engine ended by SIGKILL\n`,
    );
  });

  test('says where the law is broken', () => {
    const path = tempDb();
    write(path, { ...CLEAN, packets: 9 }).close();
    const { stdout } = nstap(['status', '--db', path]);
    expect(stdout).toMatch(
      /^law {7}\S+ 24 received = 15 decoded .*: BROKEN for blue\/lo \(4 in no count\)$/m,
    );
    expect(stdout).toContain('losses    unaccounted 4: packets that are in no count');
    expect(json(path)).toMatchObject({ balanced: false, totals: { unaccounted: 4 } });
  });

  test('tells a run that goes on from one whose process is gone, whose number another process has, and of another host', async () => {
    const state = (path: string): string => json(path).run.state;
    const running = tempDb();
    const writer = write(running, CLEAN);
    expect(state(running)).toBe('running');
    expect(nstap(['status', '--db', running]).stdout).toMatch(/: running since \S+\n/);
    expect(nstap(['status', '--db', running]).stdout).toMatch(/^blue\/lo +open /m);
    writer.close();
    expect(state(running)).toBe('ended');

    const child = spawn('sleep', ['60']);
    await once(child, 'spawn');
    const nowNs = BigInt(Date.now()) * 1_000_000n;
    alter(running, `UPDATE runs SET ended_ns = NULL, pid = ${child.pid}, started_ns = ${nowNs}`);
    expect(state(running)).toBe('running');
    // Older than the process by an hour: the number was given to another one.
    alter(running, 'UPDATE runs SET started_ns = started_ns - 3600000000000');
    expect(state(running)).toBe('gone');
    alter(running, 'UPDATE runs SET started_ns = started_ns + 3600000000000');
    child.kill();
    await once(child, 'exit');
    expect(state(running)).toBe('gone');
    expect(nstap(['status', '--db', running]).stdout).toContain('is gone without having ended');
    alter(running, `UPDATE hosts SET name = 'elsewhere'`);
    expect(state(running)).toBe('unknown');
  });

  test('shows the run that is running rather than a later one that has ended', () => {
    const path = tempDb();
    const writer = write(path, CLEAN);
    write(path, LOSSY, { kind: 'replay' }).close();
    expect(json(path).run).toMatchObject({ run_id: 1, state: 'running' });
    expect(json(path).totals.packets).toBe(15);
    writer.close();
    expect(json(path).run).toMatchObject({ run_id: 2, kind: 'replay', state: 'ended' });
    expect(json(path).captures).toHaveLength(2);
  });

  test('without a database, or with an empty one, is one line and status 1', () => {
    const path = tempDb();
    const { status, stdout, stderr } = nstap(['status', '--db', path]);
    expect(stderr).toBe(
      `nstap: open ${path}: NSTAP_MISSING, there is no such database; run \`nstap daemon\` or \`nstap replay FILE\`, or name another with --db\n`,
    );
    expect([status, stdout]).toEqual([1, '']);
    openForWriting(path).close();
    expect(nstap(['status', '--db', path])).toMatchObject({
      status: 1,
      stdout: '',
      stderr: expect.stringContaining('NSTAP_NO_RUN, nothing has been written to it yet'),
    });
  });
});
