import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ControlClient } from '../../daemon/control/client.ts';
import { readCaptures } from '../../storage/captures.ts';
import type { CaptureCounters } from '../../storage/messages.ts';
import { TailProcess } from '../e2e/tail-lab.ts';
import { labMissing, until } from '../kernel/lab.ts';
import { ethernetFrame, sendFrames, udpPacket } from '../kernel/traffic.ts';
import { readFlows, withDb } from '../storage/temp-db.ts';
import { MAIN } from '../support/nstap.ts';
import { childrenOf } from '../support/processes.ts';
import { DaemonLab } from './daemon-lab.ts';
import type { TestDaemon, TestEngine } from './test-daemon.ts';

const missing = labMissing();
const HOSTS = 60;
const ROUNDS = 5;

interface Run {
  d: TestDaemon;
  db: string;
  control: string;
}

describe.skipIf(missing !== null)(`an interface that threads share${missing ? ` (${missing})` : ''}`, () => {
  const lab = new DaemonLab('fan');
  let a = '';
  let b = '';
  let runs = 0;

  beforeAll(() => {
    a = lab.add('a');
    b = lab.add('b');
    lab.veth(a, 'v0', '10.9.0.1/24', b, 'v0', '10.9.0.2/24');
    lab.ip(a, 'route add 10.50.0.0/16 via 10.9.0.2');
  });
  afterAll(() => lab.close());

  function start(fanout: number, more: object = {}, engine: TestEngine = 'real'): Run {
    const folder = join(lab.dir, `run${runs++}`);
    mkdirSync(folder);
    const control = join(folder, 'control.sock');
    const options = { netns: [a], interfaces: ['v*'], filter: 'ip', fanout, control, ringMib: 16, ...more };
    const { d, db } = lab.daemon(options, engine);
    return { d, db, control };
  }

  /** Each host of one net talks with one of the other, both ways, with fragments that have no ports. @returns frames sent */
  function talk(): number {
    const sent = [a, b].map((netns, i) => {
      const frames = [];
      for (let host = 1; host <= HOSTS; host++) {
        const ends = [`10.50.0.${host}`, `10.60.0.${(host * 7) % 251}`];
        if (i === 1) ends.reverse();
        const ports = i === 0 ? [1000 + host, 53] : [53, 1000 + host];
        frames.push(ethernetFrame(0x0800, udpPacket(ends[0]!, ends[1]!, ports[0]!, ports[1]!, 40 + host)));
        const first = udpPacket(ends[0]!, ends[1]!, ports[0]! + 1, ports[1]!, 64);
        first.writeUInt16BE(host, 4);
        const later = Buffer.from(first);
        first.writeUInt16BE(0x2000, 6);
        later.writeUInt16BE(9, 6);
        frames.push(ethernetFrame(0x0800, first), ethernetFrame(0x0800, later));
      }
      sendFrames(lab, netns, 'v0', frames);
      return frames.length;
    });
    return sent[0]! + sent[1]!;
  }

  /** Flows without their numbers and times: each socket takes the time for itself, where the device has not. */
  function flowsOf(db: string): string[] {
    return readFlows(db, { limit: 100_000 })
      .map((flow) => {
        const {
          flowId: _,
          flowSeq: __,
          startNs: ___,
          endNs: ____,
          durationNs: _____,
          ...same
        } = flow as never as Record<string, unknown>;
        return JSON.stringify(same, (key, value) => {
          if (/Ns$|^captureId$|^runId$|^seed/.test(key)) return undefined;
          return typeof value === 'bigint' ? String(value) : value;
        });
      })
      .toSorted();
  }

  function law(c: CaptureCounters): void {
    expect(c.received).toBe(c.packets + c.kernelDrops + c.duplicates);
  }

  test('flows and counters of 1, 2 and 4 threads are the same, and what was sent', {
    timeout: 120_000,
  }, async () => {
    const all = [1, 2, 4].map((fanout) => start(fanout));
    for (const { d } of all) await d.opened(1);
    let sent = 0;
    for (let i = 0; i < ROUNDS; i++) {
      sent += talk();
      await sleep(50);
    }
    await sleep(300);
    for (const { d } of all) expect(await d.end()).toBe(0);
    const [one, ...others] = all.map(({ db }) => flowsOf(db));
    expect(one!.length).toBeGreaterThanOrEqual(2 * HOSTS);
    for (const other of others) {
      expect(other.length).toBe(one!.length);
      for (const [i, flow] of other.entries()) expect(flow).toBe(one![i]);
    }
    const rows = all.map(({ db }) => withDb(db, (database) => readCaptures(database)));
    for (const captures of rows) {
      expect(captures).toHaveLength(1);
      expect(captures[0]).toMatchObject({ packets: sent, received: sent, kernelDrops: 0 });
      law(captures[0] as never);
      const { cpuNs: _, ...counters } = captures[0] as never as Record<string, unknown>;
      const { cpuNs: __, ...ofOne } = rows[0]![0] as never as Record<string, unknown>;
      for (const name of [
        'packets',
        'bytes',
        'received',
        'fragments',
        'decodedIpv4',
        'undecoded',
        'finished',
      ])
        expect([name, counters[name]]).toEqual([name, ofOne[name]]);
    }
  });

  test('each thread has flows, and none has a capability', { timeout: 60_000 }, async () => {
    const { d } = start(4);
    await d.opened(1);
    talk();
    const [engine] = childrenOf(d.child.pid!);
    const tasks = readdirSync(`/proc/${engine}/task`).map((task) =>
      readFileSync(`/proc/${engine}/task/${task}/status`, 'utf8'),
    );
    expect(tasks.length).toBeGreaterThan(6);
    for (const status of tasks) {
      expect(status).toMatch(/^CapEff:\t0+$/m);
      expect(status).toMatch(/^NoNewPrivs:\t1$/m);
    }
    expect(await d.end()).toBe(0);
  });

  test('status, top and tail see what all threads have', { timeout: 120_000 }, async () => {
    const { d, control, db } = start(4);
    await d.opened(1);
    const tail = new TailProcess(['--control', control, 'udp']);
    await tail.says('snapshot length');
    const client = await ControlClient.connect(control, 'test');
    const sent = talk();
    const lines = await tail.prints(sent);
    expect(lines).toHaveLength(sent);
    let status = await client.status();
    await until('all are counted', () => {
      void client.status().then((next) => {
        status = next;
      });
      return status.captures[0]?.packets === sent;
    });
    expect(status.captures).toHaveLength(1);
    expect(status.captures[0]).toMatchObject({ received: sent, packets: sent, kernelDrops: 0 });
    const asked = { sort: 'bytes', ascending: false, filter: '', limit: 500, intervalS: 1 } as const;
    for await (const found of client.rankings({ ...asked, view: 'flows' })) {
      if (found.matched < status.flows) continue;
      expect(found.flows).toHaveLength(status.flows);
      expect(new Set(found.flows.map(({ flowSeq }) => flowSeq)).size).toBe(status.flows);
      const total = found.flows.reduce((sum, { flow }) => sum + flow.packetsFwd + flow.packetsRev, 0);
      expect(total).toBe(sent);
      break;
    }
    for await (const found of client.rankings({ ...asked, view: 'routes' })) {
      if (found.groups.length === 0 || found.groups.some(({ route }) => route === 0)) continue;
      const texts = found.groups.map(({ route }) => JSON.stringify(found.routes[route - 1]));
      expect(new Set(texts).size).toBe(texts.length);
      expect(found.rows).toBe(texts.length);
      expect(found.groups.reduce((sum, { packets }) => sum + packets, 0)).toBe(sent);
      break;
    }
    await client.checkpoint();
    expect(readFlows(db, { limit: 100_000 }).reduce((sum, f) => sum + f.packetsFwd + f.packetsRev, 0)).toBe(
      sent,
    );
    client.close();
    await tail.interrupt();
    expect(tail.count('matched')).toBe(sent);
    expect(await d.end()).toBe(0);
  });

  test('a rename, an interface that goes and one that comes: each is one capture with all packets', {
    timeout: 120_000,
  }, async () => {
    const { d, db } = start(3);
    await d.opened(1);
    let before = talk();
    await sleep(200);
    lab.ip(a, 'link set v0 down');
    lab.ip(a, 'link set v0 name v1');
    lab.ip(a, 'link set v1 up');
    await until('renamed', () => d.events('capture-opened').length === 2);
    lab.ip(a, 'link set v1 down');
    lab.ip(a, 'link set v1 name v0');
    lab.ip(a, 'link set v0 up');
    await until('renamed back', () => d.events('capture-opened').length === 3);
    await until('the link is up', () => lab.ip(a, '-o link show v0').includes('state UP'));
    before += talk();
    await sleep(300);
    lab.ip(a, 'link del v0');
    await until('its end', () => d.events('capture-ended').length >= 3);
    lab.veth(a, 'v0', '10.9.0.1/24', b, 'v0', '10.9.0.2/24');
    lab.ip(a, 'route add 10.50.0.0/16 via 10.9.0.2');
    await until('the next one', () => d.events('capture-opened').length === 4);
    before += talk();
    await sleep(300);
    expect(await d.end()).toBe(0);
    const captures = withDb(db, (database) => readCaptures(database));
    expect(captures.map((each) => each.interface)).toEqual(['v0', 'v1', 'v0', 'v0']);
    for (const each of captures) law(each as never);
    expect(captures.reduce((sum, { packets }) => sum + packets, 0)).toBe(before);
    expect(d.events('capture-failed')).toEqual([]);
  });

  test('one that dies takes the engine with it: what was told is kept, and status tells the gap until the next one', {
    timeout: 120_000,
  }, async () => {
    const { d, control, db } = start(3, {}, 'dying');
    await d.opened(1);
    const before = talk();
    const counted = (): number[] =>
      withDb(db, (database) => readCaptures(database).map(({ packets }) => packets));
    await d.until('all are counted', () => counted()[0] === before);
    const first = await ControlClient.connect(control, 'test');
    await first.checkpoint();
    first.close();
    process.kill(childrenOf(d.child.pid!)[0]!, 'SIGUSR2');
    await d.until('another engine captures', () => d.events('capture-opened').length === 2);
    expect(d.events('engine-failed')).toMatchObject([{ err: { type: 'TypeError' } }]);
    expect(d.events('engine-exited')).toMatchObject([{ code: 1 }]);
    const after = talk();
    await d.until('all are counted', () => counted()[1] === after);
    const said = execFileSync(process.execPath, [MAIN, 'status', '--json', '--db', db, '--control', control]);
    const { captures, gaps, balanced } = JSON.parse(String(said));
    expect(balanced).toBe(true);
    expect(captures).toMatchObject([{ received: after, packets: after, kernel_drops: 0 }]);
    expect(gaps).toMatchObject([{ netns: a, interface: 'v0', reason: 'engine ended with 1' }]);
    expect(gaps[0].to > gaps[0].from).toBe(true);
    expect(await d.end()).toBe(0);
    for (const capture of withDb(db, (database) => readCaptures(database))) law(capture as never);
    const flows = readFlows(db, { limit: 100_000 });
    expect(flows.reduce((sum, f) => sum + f.packetsFwd + f.packetsRev, 0)).toBe(before + after);
  });
});
