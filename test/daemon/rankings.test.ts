import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { ControlClient } from '../../daemon/control/client.ts';
import type { LiveRankedFlow, LiveRanking, RankBody } from '../../daemon/control/messages.ts';
import { Rankings } from '../../daemon/rankings.ts';
import { labMissing } from '../kernel/lab.ts';
import { UdpSocket } from '../kernel/traffic.ts';
import { DaemonLab } from './daemon-lab.ts';

const missing = labMissing();
const ASKED: RankBody = {
  view: 'flows',
  filter: '',
  sort: 'rate',
  ascending: false,
  limit: 100,
  intervalS: 1,
};
/** Ethernet, IPv4 and UDP headers. */
const HEADERS = 42;

test('when the thread cannot be had, whoever watches is told, and decisions are told no more', async () => {
  const told: boolean[] = [];
  const rankings = new Rankings({
    share: () => Promise.reject(new Error('no memory')),
    places: () => [],
    decisions: () => Promise.resolve([]),
    tellDecisions: (isOn) => told.push(isOn),
  });
  const question = { ...ASKED, filter: null, isAscending: false, ticks: 1 } as const;
  const found = await new Promise((resolve) =>
    rankings.watch({ ...question, view: 'flows', sort: 'rate' }, resolve),
  );
  expect(found).toMatchObject({ code: 'CONTROL_FAILED', message: 'rank: no memory' });
  expect(told).toEqual([true, false]);
});

describe.skipIf(missing !== null)(`rankings of a daemon${missing ? ` (${missing})` : ''}`, () => {
  const lab = new DaemonLab('rank');
  let a = '';
  let b = '';

  beforeAll(() => {
    a = lab.add('a');
    b = lab.add('b');
    lab.veth(a, 'v0', '10.9.0.1/24', b, 'v0', '10.9.0.2/24');
    lab.ip(a, 'route add 10.50.0.0/16 via 10.9.0.2');
  });
  afterEach(() => lab.endDaemon());
  afterAll(() => lab.close());

  async function connected(): Promise<ControlClient> {
    const control = join(lab.dir, `run${Math.random()}`, 'control.sock');
    mkdirSync(join(control, '..'));
    const { d } = lab.daemon(
      { netns: [a], interfaces: ['v0'], control, checkpointSec: 3600, ringMib: 16 },
      'real',
    );
    await d.opened(1);
    return ControlClient.connect(control, 'test');
  }

  /** Rankings until one of them is as it should be. */
  async function until(
    client: ControlClient,
    body: RankBody,
    condition: (found: LiveRanking) => boolean,
    each: (found: LiveRanking) => void = () => {},
  ): Promise<LiveRanking> {
    for await (const found of client.rankings(body)) {
      each(found);
      if (condition(found)) return found;
    }
    throw new Error('the rankings have ended');
  }

  const to = (found: LiveRanking, port: number): LiveRankedFlow | undefined =>
    found.flows.find(({ flow }) => flow.dstPort === port);

  test('the rates of a sender add up to what it sent, over each second and over the window', async () => {
    const client = await connected();
    using udp = new UdpSocket(lab, a, 4);
    await until(client, ASKED, ({ intervalS }) => intervalS > 0);
    const sending = (async () => {
      for (let i = 0; i < 30; i++) {
        udp.send('10.9.0.2', 7000, 958, 20);
        udp.send('10.9.0.2', 7001, 58, 1);
        await sleep(100);
      }
    })();
    const sums = { large: 0, packets: 0, small: 0, spoken: 0 };
    const found = await until(
      client,
      ASKED,
      (each) => to(each, 7000)?.flow.packetsFwd === 600 && to(each, 7001)?.flow.packetsFwd === 30,
      (each) => {
        const large = to(each, 7000);
        sums.large += (large?.bytesFwdPerS ?? 0) * each.intervalS;
        sums.packets += (large?.packetsPerS ?? 0) * each.intervalS;
        sums.small += (to(each, 7001)?.bytesFwdPerS ?? 0) * each.intervalS;
        if ((large?.bytesFwdPerS ?? 0) > 0) sums.spoken++;
      },
    );
    await sending;
    const [large, small] = [600 * (958 + HEADERS), 30 * (58 + HEADERS)];
    expect(sums.large).toBeCloseTo(large, 3);
    expect(sums.packets).toBeCloseTo(600, 3);
    expect(sums.small).toBeCloseTo(small, 3);
    // It was no single burst.
    expect(sums.spoken).toBeGreaterThanOrEqual(2);
    expect(to(found, 7000)!.bytesPerSWindow * found.windowS).toBeCloseTo(large, 3);
    expect(found.flows.findIndex(({ flow }) => flow.dstPort === 7000)).toBe(0);
    client.close();
  });

  test('flows have their route decisions before any record of them was written', async () => {
    const client = await connected();
    using udp = new UdpSocket(lab, a, 4);
    udp.send('10.50.1.1', 7002, 10);
    const found = await until(client, ASKED, (each) => (to(each, 7002)?.routeFwd ?? 0) > 0);
    expect(found.routes[to(found, 7002)!.routeFwd - 1]).toMatchObject({
      verdict: 'send',
      prefix: '10.50.0.0/16',
      gateway: '10.9.0.2',
    });
    const filter = JSON.stringify({ kind: 'route', field: 'prefix', values: ['10.50.0.0/16'] });
    udp.send('10.9.0.2', 7003, 10);
    const filtered = await until(client, { ...ASKED, filter }, ({ matched }) => matched > 0);
    expect(filtered.flows.map(({ flow }) => flow.dst)).toEqual(['10.50.1.1']);
    const routes = await until(
      client,
      { ...ASKED, view: 'routes' },
      (each) => each.groups.length > 1 && each.groups.every(({ route }) => route > 0),
    );
    expect(routes.routes.map(({ prefix }) => prefix)).toContain('10.50.0.0/16');
    const talkers = await until(client, { ...ASKED, view: 'talkers' }, ({ groups }) => groups.length > 2);
    expect(talkers.groups[0]).toMatchObject({ netns: a, interface: 'v0' });
    client.close();
  });
});
