import { spawn } from 'node:child_process';
import { chownSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ControlClient } from '../../daemon/control/client.ts';
import { readExperiments } from '../../storage/experiments.ts';
import { nstap } from '../cli/run-cli.ts';
import { TestDaemon } from '../daemon/test-daemon.ts';
import { Lab, labMissing, until } from '../kernel/lab.ts';
import { sendUdp } from '../kernel/traffic.ts';
import { readFlows, withDb } from '../storage/temp-db.ts';
import { MAIN, type CliResult } from '../support/nstap.ts';
import { childrenOf } from '../support/processes.ts';

const missing = labMissing();
const NOBODY = 65534;

describe.skipIf(missing !== null)(`experiments beside a daemon${missing ? ` (${missing})` : ''}`, () => {
  const lab = new Lab('exp');
  const dir = mkdtempSync(join(tmpdir(), 'nsd-exp-'));
  const control = join(dir, 'run', 'control.sock');
  const db = join(dir, 'flows.db');
  let a = '';
  let b = '';
  let daemon: TestDaemon;

  /** Living flows are written when somebody asks for it, and at no other time. */
  async function startDaemon(): Promise<void> {
    daemon = new TestDaemon(
      db,
      { control, checkpointSec: 3600, netns: [a, b], interfaces: ['v0'], filter: 'udp' },
      'real',
    );
    await daemon.until('it captures', () => daemon.events('capture-opened').length === 2);
  }

  beforeAll(async () => {
    chownSync(dir, NOBODY, NOBODY);
    a = lab.add('a');
    b = lab.add('b');
    lab.veth(a, 'v0', '10.9.0.1/24', b, 'v0', '10.9.0.2/24');
    await startDaemon();
  });
  afterAll(async () => {
    if (daemon?.code === undefined) await daemon?.end('SIGKILL');
    lab.close();
    rmSync(dir, { recursive: true, force: true });
  });

  const experiment = (...words: string[]): Promise<CliResult> =>
    nstap(['experiment', words[0]!, '--control', control, ...words.slice(1)]);

  async function checkpoint(): Promise<void> {
    const client = await ControlClient.connect(control, 'test');
    await client.checkpoint();
    client.close();
  }

  const done = { status: 0, stderr: '' };
  const send = (port: number): void => sendUdp(lab, a, '10.9.0.2', port, 100, 1, port);
  /** Of the flows to a port, as the namespace `a` saw them. */
  const experimentsOf = (port: number): (readonly string[])[] =>
    readFlows(db)
      .filter((flow) => flow.netns === a && flow.dstPort === port)
      .map(({ experiments }) => experiments);
  /** A command that sends a datagram. */
  const sending = (port: number, more = ''): string[] => [
    'bash',
    '-c',
    `echo hello >/dev/udp/10.9.0.2/${port}; ${more}`,
  ];

  it('run a command in a namespace: its traffic is there at once, and its status is passed on', async () => {
    const first = await experiment('run', 'in a', '--netns', a, '--', ...sending(4100, 'echo said; exit 3'));
    expect(first.status).toBe(3);
    expect(first.stdout).toMatch(/^said\nSTART .*\n.* udp +10\.9\.0\.1:\d+ -> 10\.9\.0\.2:4100 .*\n$/);
    expect(first.stderr).toMatch(
      /^nstap: experiment in a#1: 1 flow in \S+ \(`nstap flows --experiment 'in a#1'`\)\n$/,
    );
    // Both ends of the link saw it; the experiment is of one namespace.
    expect(experimentsOf(4100)).toEqual([['in a']]);
    expect(readFlows(db).filter(({ dstPort }) => dstPort === 4100)).toHaveLength(2);

    const both = await experiment('run', 'both', '--netns', a, '--all-netns', '--', ...sending(4101));
    expect([both.status, both.stdout.split('\n').length]).toEqual([0, 4]);
    const killed = await experiment(
      'run',
      'killed',
      '--quiet',
      '--netns',
      a,
      '--',
      ...sending(4102, 'kill -9 $$'),
    );
    expect(killed).toEqual({ status: 137, stdout: '', stderr: expect.stringMatching(/^[^\n]*\n$|^$/) });
    expect(experimentsOf(4102)).toEqual([['killed']]);
    const path = await experiment('run', 'by path', '--netns', `/run/netns/${a}`, '--', ...sending(4103));
    expect(path.stdout).toContain(':4103');
    expect(experimentsOf(4103)).toEqual([['by path']]);
    expect(withDb(db, readExperiments).every(({ endedNs }) => endedNs !== null)).toBe(true);
  });

  it('say so when the daemon does not capture there', async () => {
    const { status, stderr } = await experiment('run', 'host', '--netns', 'host', '--', 'true');
    expect([status, stderr.split('\n')[0]]).toEqual([
      0,
      'nstap: the daemon captures nothing in host: `nstap interfaces` says why',
    ]);
  });

  it('nest and overlap, and go on over an engine that dies and a daemon that is stopped and started', async () => {
    expect(await experiment('start', 'outer')).toMatchObject(done);
    expect((await experiment('start', 'outer')).stderr).toMatch(/experiment outer is running since/);
    send(4200);
    expect(await experiment('start', 'inner', '--netns', a)).toMatchObject(done);
    send(4200);
    send(4201);
    expect((await experiment('stop')).stdout).toMatch(/^experiment inner ended after /);
    await checkpoint();
    // The first flow began before the inner one did.
    expect([...experimentsOf(4200), ...experimentsOf(4201)]).toEqual([
      ['outer', 'inner'],
      ['outer', 'inner'],
    ]);

    process.kill(childrenOf(daemon.child.pid!)[0]!, 'SIGKILL');
    await daemon.until('the engine is started anew', () => daemon.events('capture-opened').length === 4);
    send(4202);
    expect(await daemon.end()).toBe(0);
    // Without a daemon the database is written by whoever may.
    expect(await nstap(['experiment', 'start', 'meanwhile', '--db', db, '--control', 'none'])).toMatchObject(
      done,
    );
    await startDaemon();
    send(4203);
    expect(await experiment('start', 'late')).toMatchObject(done);
    send(4204);
    expect(await experiment('stop', 'outer')).toMatchObject(done);
    expect(await experiment('stop', 'meanwhile')).toMatchObject(done);
    send(4204);
    send(4205);
    expect(await experiment('stop', 'late')).toMatchObject(done);
    send(4206);
    await checkpoint();
    expect([4202, 4203, 4204, 4205, 4206].map((port) => experimentsOf(port))).toEqual([
      [['outer']],
      [['outer', 'meanwhile']],
      [['outer', 'meanwhile', 'late']],
      [['late']],
      [[]],
    ]);
    const { stdout } = await nstap([
      'flows',
      '--db',
      db,
      '--experiment',
      'outer',
      '--format',
      'ndjson',
      `netns ${a}`,
    ]);
    const ports = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { dst_port: number; experiment: string })
      .map((flow) => [flow.dst_port, flow.experiment]);
    expect(ports.toSorted()).toEqual([
      [4200, 'inner'],
      [4201, 'inner'],
      [4202, 'outer'],
      [4203, 'meanwhile'],
      [4204, 'late'],
    ]);
  });

  it('end with their command also when the daemon was stopped meanwhile', async () => {
    const end = join(dir, 'end');
    const words = ['experiment', 'run', 'orphan', '--control', control, '--netns', a, '--'];
    const command = ['sh', '-c', `echo on; while [ ! -e ${end} ]; do sleep 0.05; done; exit 5`];
    const child = spawn(process.execPath, [MAIN, ...words, ...command], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let out = '';
    child.stdout.on('data', (text) => {
      out += text;
    });
    await until('the command runs', () => out === 'on\n');
    expect(await daemon.end()).toBe(0);
    writeFileSync(end, '');
    await until('it ends', () => child.exitCode !== null);
    expect(child.exitCode).toBe(5);
    expect(withDb(db, readExperiments).at(-1)).toMatchObject({ name: 'orphan', endedNs: expect.any(BigInt) });
  });
});
