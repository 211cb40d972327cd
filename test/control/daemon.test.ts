import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chownSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { DaemonOptions } from '../../daemon/config.ts';
import { ControlClient } from '../../daemon/control/client.ts';
import type { LiveCapture, LiveFlow, LivePacket } from '../../daemon/control/messages.ts';
import { readCaptures } from '../../storage/captures.ts';
import { nstap } from '../cli/run-cli.ts';
import { TestDaemon } from '../daemon/test-daemon.ts';
import { Lab, labMissing, until } from '../kernel/lab.ts';
import { sendUdp } from '../kernel/traffic.ts';
import { withDb } from '../storage/temp-db.ts';
import { childrenOf } from '../support/processes.ts';
import { RawClient } from './test-server.ts';

const missing = labMissing();
const NOBODY = 65534;

describe.skipIf(missing !== null)(`the control socket of a daemon${missing ? ` (${missing})` : ''}`, () => {
  const lab = new Lab('ctl');
  const dir = mkdtempSync(join(tmpdir(), 'nsd-ctl-'));
  let count = 0;
  let a = '';
  let b = '';
  let daemon: TestDaemon | undefined;
  const clients: ControlClient[] = [];

  beforeAll(() => {
    chownSync(dir, NOBODY, NOBODY);
    a = lab.add('a');
    b = lab.add('b');
    lab.veth(a, 'v0', '10.9.0.1/24', b, 'v0', '10.9.0.2/24');
    lab.ip(a, 'route add 10.50.0.0/16 via 10.9.0.2');
  });
  afterEach(async () => {
    for (const client of clients.splice(0)) client.close();
    if (daemon && daemon.code === undefined) await daemon.end('SIGKILL');
  });
  afterAll(() => {
    lab.close();
    rmSync(dir, { recursive: true, force: true });
  });

  interface Started {
    d: TestDaemon;
    db: string;
    control: string;
    connected(): Promise<ControlClient>;
  }

  async function start(captures: number, options: Partial<DaemonOptions>): Promise<Started> {
    const own = join(dir, `d${count++}`);
    mkdirSync(own);
    chownSync(own, NOBODY, NOBODY);
    const db = join(own, 'flows.db');
    const control = join(own, 'run', 'control.sock');
    const d = new TestDaemon(db, { control, checkpointSec: 1, ...options }, 'real');
    daemon = d;
    await d.until('it captures', () => d.events('capture-opened').length >= captures);
    const connected = async (): Promise<ControlClient> => {
      const client = await ControlClient.connect(control, 'test');
      clients.push(client);
      return client;
    };
    return { d, db, control, connected };
  }

  /** The status once a capture has seen so many packets. */
  async function counted(client: ControlClient, name: string, packets: number): Promise<LiveCapture> {
    const end = performance.now() + 30_000;
    for (;;) {
      const { captures } = await client.status();
      const capture = captures.find((each) => each.interface === name);
      if (capture !== undefined && capture.packets + capture.kernelDrops >= packets) return capture;
      if (performance.now() > end)
        throw new Error(`never seen: ${packets} packets, ${JSON.stringify(capture)}`);
      await sleep(20);
    }
  }

  it('tells how the daemon does, what there is, and what is captured and why not', async () => {
    const { d, db, control, connected } = await start(1, { netns: [a], interfaces: ['v*'], filter: 'udp' });
    const client = await connected();
    const [enginePid] = childrenOf(d.child.pid!);
    expect(client.welcome).toMatchObject({ version: 1, pid: d.child.pid, enginePid });
    sendUdp(lab, a, '10.9.0.2', 4000, 100, 25);
    const capture = await counted(client, 'v0', 25);
    expect(capture).toMatchObject({
      netns: a,
      source: 'ring',
      filter: 'udp',
      received: 25,
      packets: 25,
      decoded: 25,
      undecoded: 0,
      kernelDrops: 0,
      bytes: 25 * 142,
      untrackedFlows: 0,
      aliveFlows: 1,
      cpuNs: expect.any(Number),
    });
    expect(await client.status()).toMatchObject({
      pid: d.child.pid,
      enginePid,
      engineRestarts: 0,
      database: db,
      storageTrouble: '',
      flows: 1,
      createdFlows: 1,
      clients: 1,
      maxClients: 64,
      refusedClients: 0,
    });

    const netns = await client.netns();
    expect(netns.find((each) => each.netns === a)).toMatchObject({ interfaces: 2, captured: 1, reason: '' });
    expect(netns.find((each) => each.netns === b)).toMatchObject({
      interfaces: 0,
      captured: 0,
      reason: 'namespace not selected',
    });
    expect(await client.interfaces(a)).toMatchObject([
      { interface: 'lo', up: true, captured: false, reason: 'not selected' },
      { interface: 'v0', up: true, captured: true, reason: '' },
    ]);
    await expect(client.interfaces('none-such')).rejects.toMatchObject({ code: 'CONTROL_NOT_FOUND' });
    await client.reload();

    // What `nstap status` shows of it.
    const status = await nstap(['status', '--control', control, '--json']);
    expect(status).toMatchObject({ status: 0, stderr: '' });
    expect(JSON.parse(status.stdout)).toMatchObject({
      database: db,
      run: { state: 'running' },
      daemon: {
        control,
        pid: d.child.pid,
        engine_pid: enginePid,
        flows: 1,
        captures: [{ netns: a, received: 25 }],
      },
    });
    const text = await nstap(['status', '--control', control]);
    expect(text.stdout).toMatch(
      /^daemon {4}up \d+\.\d{3}s, engine pid \d+, \d+ MiB, restarted 0 times; 2 clients of /m,
    );

    const listed = await nstap(['interfaces', '--control', control, '--json']);
    const rows = (JSON.parse(listed.stdout) as { netns: string; interface: string }[]).filter((row) =>
      [a, b].includes(row.netns),
    );
    const none = { packets: null, kernel_drops: null };
    expect(rows).toMatchObject([
      { netns: a, interface: 'lo', up: true, captured: false, reason: 'not selected', ...none },
      { netns: a, interface: 'v0', up: true, captured: true, reason: null, packets: 25, kernel_drops: 0 },
      { netns: b, interface: 'lo', captured: false, reason: 'namespace not selected', ...none },
      { netns: b, interface: 'v0', captured: false, reason: 'namespace not selected', ...none },
    ]);
    const table = await nstap(['interfaces', '--control', control, '--netns', a]);
    const cells = table.stdout.split('\n').map((line) => line.trim().split(/ {2,}/));
    expect(cells[1]!.slice(0, 2)).toEqual([a, 'lo']);
    expect(cells[1]!.slice(-6)).toEqual(['-', '-', '-', '-', '-', 'no: not selected']);
    expect(cells[2]!.slice(0, 5)).toEqual([a, 'v0', '2', 'veth', 'up']);
    // RECEIVED, PACKETS, UNDECODED, DROPS, FLOWS, CAPTURED
    expect(cells[2]!.slice(-6)).toEqual(['25', '25', '0', '0', '1', 'yes']);
    expect(cells[3]).toEqual(['']);
    const tree = await nstap(['netns', '--control', control, a, b], { LC_ALL: 'C.UTF-8' });
    expect(tree.stdout.split('\n').map((line) => line.replace(/ {2,}.*/, ''))).toEqual([
      a,
      '├─ lo',
      '└─ v0',
      b,
      '├─ lo',
      '└─ v0',
      '',
      '● captured by the daemon',
      '',
    ]);
    expect(tree.stdout).toMatch(/^├─ lo +○ .* not selected$/m);
    expect(tree.stdout).toMatch(new RegExp(`^└─ v0  ● .* ↔ v0 in ${b}$`, 'm'));
    expect(tree.stdout).toMatch(new RegExp(`^${b}  \\(\\S+\\)  ○ namespace not selected$`, 'm'));
    const told = JSON.parse((await nstap(['netns', '--control', control, '--json', a, b])).stdout);
    expect(told).toMatchObject([
      {
        name: a,
        captured: true,
        reason: null,
        interfaces: [
          { captured: false, reason: 'not selected' },
          { captured: true, reason: null },
        ],
      },
      { name: b, captured: false, reason: 'namespace not selected' },
    ]);
    const unasked = await nstap(['interfaces', '--control', 'none', '--netns', a, '--json']);
    expect(JSON.parse(unasked.stdout)).toMatchObject([{ captured: null }, { captured: null }]);

    expect(await d.end()).toBe(0);
    expect(existsSync(control)).toBe(false);
    const gone = await nstap(['status', '--control', control]);
    expect(gone).toMatchObject({ status: 1, stdout: '' });
    expect(gone.stderr).toBe(
      `nstap: connect ${control}: ENOENT, nobody listens there; is the daemon running (\`nstap daemon\`)?\n`,
    );
    // Without it, the database is all there is.
    const stored = await nstap(['status', '--db', db, '--json'], { NSTAP_CONTROL: control });
    expect(JSON.parse(stored.stdout)).toMatchObject({ run: { state: 'ended' }, daemon: null });
  });

  it('gives the mirrored tables of a namespace as a snapshot file, which `nstap routes` reads', async () => {
    const { connected } = await start(1, { netns: [a], interfaces: ['v0'] });
    const client = await connected();
    const text = (await client.routes(a)).join('');
    const { routes } = JSON.parse(text) as { routes: { prefix: string; table: number }[] };
    expect(routes.filter(({ table }) => table === 254).map(({ prefix }) => prefix)).toEqual([
      '10.9.0.0/24',
      '10.50.0.0/16',
    ]);
    await expect(client.routes('none-such')).rejects.toMatchObject({ code: 'CONTROL_NOT_FOUND' });
  });

  it('adds captures in namespaces that the options do not name, and takes captures out; an engine that dies changes neither', async () => {
    const { d, connected } = await start(2, { netns: [a], filter: 'udp' });
    const client = await connected();
    expect(await client.addCapture({ netns: b.replace(/b$/, '?'), interface: 'v[0-9]' })).toBe(2);
    expect(await client.removeCapture({ netns: a, interface: 'v0' })).toBe(0);
    const captured = async (from: ControlClient): Promise<string[]> =>
      (await from.interfaces()).filter((row) => row.captured).map((row) => `${row.netns}/${row.interface}`);
    expect((await captured(client)).sort()).toEqual([`${a}/lo`, `${b}/v0`]);
    await d.until('the new one is open', () => d.events('capture-opened').length === 3);
    sendUdp(lab, a, '10.9.0.2', 4000, 100, 10);
    expect(await counted(client, 'v0', 10)).toMatchObject({ netns: b, packets: 10 });

    const [engine] = childrenOf(d.child.pid!);
    process.kill(engine!, 'SIGKILL');
    await d.until('it is started anew', () => d.events('ready').length === 2);
    const again = await connected();
    expect((await captured(again)).sort()).toEqual([`${a}/lo`, `${b}/v0`]);
    expect(await again.status()).toMatchObject({ engineRestarts: 1 });
    await expect(client.status()).rejects.toMatchObject({ code: 'CONTROL_CLOSED' });

    // A namespace that is no longer wanted is let go.
    await again.removeCapture({ netns: b.replace(/b$/, '?'), interface: 'v[0-9]' });
    expect((await again.netns()).find((each) => each.netns === b)!.reason).toBe('namespace not selected');
    expect(d.events('capture-added')).toMatchObject([{ interface: 'v[0-9]' }]);
  });

  it('shows packets and flows live, with their route decisions', async () => {
    const { connected } = await start(1, { netns: [a], interfaces: ['v0'], filter: 'udp port 4001' });
    const client = await connected();
    const packets: LivePacket[] = [];
    const flows: LiveFlow[] = [];
    const watching = [
      (async () => {
        for await (const message of client.packets()) {
          expect([message.skipped, message.skippedClient]).toEqual([0, 0]);
          packets.push(...message.packets);
          if (packets.length >= 5) break;
        }
      })(),
      (async () => {
        for await (const message of client.flows()) {
          flows.push(...message.flows);
          if (flows.some((flow) => flow.packetsFwd === 5)) break;
        }
      })(),
    ];
    // Answered after both streams have begun.
    await client.reload().catch(() => {});
    sendUdp(lab, a, '10.50.1.1', 4001, 300, 5, 5001);
    await Promise.all(watching);
    expect(packets).toHaveLength(5);
    const route = '10.50.0.0/16 via 10.9.0.2 dev v0';
    for (const packet of packets) {
      expect(packet).toMatchObject({
        netns: a,
        interface: 'v0',
        linkType: 1,
        packetType: 4,
        wireLength: 342,
        capturedLength: 342,
        verdict: 'send',
        route,
      });
      expect(packet.octets).toHaveLength(256);
      // Destination address and port of the datagram.
      expect(Buffer.from(packet.octets.subarray(30, 38)).toString('hex')).toBe('0a32010113890fa1');
    }
    expect(flows.at(-1)).toMatchObject({
      netns: a,
      interface: 'v0',
      ipVersion: 4,
      protocol: 17,
      src: '10.9.0.1',
      dst: '10.50.1.1',
      srcPort: 5001,
      dstPort: 4001,
      packetsFwd: 5,
      packetsRev: 0,
      bytesFwd: 5 * 342,
      routeFwd: route,
      routeRev: '',
    });
  });

  it('is for root and the group, not for others, and no more is the database', async () => {
    const { db, control, connected } = await start(1, { netns: [a], interfaces: ['v0'] });
    await connected();
    const group = /^nstap:[^:]*:(\d+)/m.exec(readFileSync('/etc/group', 'utf8'))?.[1] ?? '0';
    const stat = statSync(control);
    expect([stat.mode & 0o777, stat.uid, stat.gid]).toEqual([0o660, 0, Number(group)]);
    for (const file of [db, `${db}-wal`, `${db}-shm`]) expect(statSync(file).mode & 0o777).toBe(0o640);
    // A stranger: neither root, nor the engine's user, nor of any group that matters.
    const script = `
      const errors = [];
      for (const file of process.argv.slice(2)) try { require('fs').openSync(file, 'r'); errors.push('open'); }
        catch (error) { errors.push(error.code); }
      const socket = require('net').connect(process.argv[1], () => { console.log('connected'); process.exit(); });
      socket.on('error', (error) => console.log(error.code, ...errors));`;
    const stranger = spawnSync(process.execPath, ['-e', script, control, db, `${db}-wal`], {
      uid: 54_321,
      gid: 54_321,
      encoding: 'utf8',
    });
    expect(stranger.stdout.trim()).toBe('EACCES EACCES EACCES');
  });

  it('of a daemon that was killed is taken over, one that answers is not, nor is another file', async () => {
    const { d, control } = await start(1, { netns: [a], interfaces: ['v0'] });
    const second = new TestDaemon(
      join(dir, 'second.db'),
      { netns: [a], interfaces: ['v0'], control },
      'real',
    );
    await until('the second one ends', () => second.code !== undefined);
    expect(second.code).toBe(1);
    expect(second.log).toContain(
      `control socket ${control}: another daemon listens there; choose another path`,
    );
    await d.end('SIGKILL');
    expect(existsSync(control)).toBe(true);
    const options = { netns: [a], interfaces: ['v0'], control };
    // The engine of the killed one drains, and then nobody holds the socket any more.
    await until('nobody answers', () => !answers(control));
    const third = new TestDaemon(join(dir, 'third.db'), options, 'real');
    daemon = third;
    await third.until('it captures', () => third.events('capture-opened').length === 1);
    const client = await ControlClient.connect(control, 'test');
    clients.push(client);
    expect(client.welcome.pid).toBe(third.child.pid);
    expect(await third.end()).toBe(0);
    const file = join(dir, 'precious');
    spawnSync('touch', [file]);
    const fourth = new TestDaemon(join(dir, 'third.db'), { ...options, control: file }, 'real');
    await until('the fourth one ends', () => fourth.code !== undefined);
    expect(fourth.log).toContain(`control socket ${file}: a file that is no socket lies there`);
    expect(existsSync(file)).toBe(true);
  });

  it('with a slow reader and 160 hostile clients while packets pass: each is accounted for, and the daemon stays', async () => {
    const PACKETS = 100_000;
    const { d, db, control, connected } = await start(1, {
      netns: [a],
      interfaces: ['v0'],
      filter: 'udp port 9',
      ringMib: 32,
    });
    const [enginePid] = childrenOf(d.child.pid!);
    const slow = await RawClient.greeted(control);
    slow.send(2, 'packets', { netns: '', interface: '', filter: '', snapLength: 0 });
    await until('it is watched', () => slow.responses.length === 1);
    slow.socket.pause();
    const client = await connected();

    const hostile: Socket[] = [];
    // Half of them stay, more than there is room for: those that are at fault go as fast as they come.
    for (let i = 0; i < 160; i++) {
      const socket = connect(control);
      socket.on('error', () => {});
      // Some say nothing, some half a message, some a length that is too large, some 1 MB of noise.
      if (i % 4 === 1) socket.write(Uint8Array.of(0x7f, 1, 2, 3));
      if (i % 4 === 2) socket.write(Uint8Array.of(0xff, 0xff, 0x7f));
      if (i % 4 === 3) socket.write(randomBytes(1_000_000));
      hostile.push(socket);
    }
    for (let sent = 0; sent < PACKETS; sent += 1000) {
      sendUdp(lab, a, '10.9.0.2', 9, 18, 1000, 5009);
      await sleep(0);
    }
    const capture = await counted(client, 'v0', PACKETS);
    expect(capture.decoded + capture.undecoded).toBe(capture.packets);
    expect(capture.packets + capture.kernelDrops).toBe(PACKETS);
    const status = await client.status();
    expect(status.enginePid).toBe(enginePid);
    expect(status.skippedPackets).toBeGreaterThan(0);
    expect(status.refusedClients).toBeGreaterThan(0);

    // The slow one reads on, and is told what it missed: together with what it got, all of it.
    slow.socket.resume();
    sendUdp(lab, a, '10.9.0.2', 9, 18, 1, 5010);
    const total = (): number =>
      slow.responses.reduce(
        (n, { packets: p }) => n + (p === undefined ? 0 : p.packets.length + p.skipped + p.skippedClient),
        0,
      );
    await until('the slow one has been told of every packet', () => total() === capture.packets + 1);
    for (const socket of hostile) socket.destroy();
    slow.socket.destroy();

    expect(await d.end()).toBe(0);
    const [stored] = withDb(db, (reader) => readCaptures(reader));
    expect(stored!.packets + stored!.kernelDrops).toBe(PACKETS + 1);
    expect(d.events('engine-exited')).toEqual([]);
  });
});

function answers(path: string): boolean {
  const script = `require('net').connect(process.argv[1], () => process.exit(0)).on('error', () => process.exit(1))`;
  return spawnSync(process.execPath, ['-e', script, path]).status === 0;
}
