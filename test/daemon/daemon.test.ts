import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { openForReading } from '../../storage/database.ts';
import { queryFlows } from '../../storage/query.ts';
import { EVERYTHING } from '../storage/temp-db.ts';
import { labMissing, until } from '../kernel/lab.ts';
import { sendUdp } from '../kernel/traffic.ts';
import { DaemonLab } from './daemon-lab.ts';
import { TestDaemon } from './test-daemon.ts';

const missing = labMissing();

describe.skipIf(missing !== null)(`the whole daemon${missing ? ` (${missing})` : ''}`, () => {
  const lab = new DaemonLab('all');

  afterEach(() => lab.endDaemon());
  afterAll(() => lab.close());

  it('keeps the flows of two namespaces with their route decisions, and every packet is accounted for', async () => {
    const a = lab.add('a');
    const b = lab.add('b');
    lab.veth(a, 'v0', '10.9.0.1/24', b, 'v0', '10.9.0.2/24');
    lab.ip(a, 'route add 10.50.0.0/16 via 10.9.0.2');
    const { d, db } = lab.daemon({ netns: [a, b], filter: 'udp' }, 'real');
    await d.opened(4);
    sendUdp(lab, a, '10.9.0.2', 4000, 100, 25);
    sendUdp(lab, a, '10.50.1.1', 4001, 10, 5);
    expect(await d.end()).toBe(0);

    const reader = openForReading(db);
    try {
      const flows = reader
        .prepare(
          `SELECT c.netns, c.interface, f.dst_port AS port, f.packets_fwd AS packets, f.bytes_fwd AS bytes,
                  r.type, r.prefix, r.gateway, r.dev, r.stage
           FROM flows f JOIN captures c USING (capture_id) LEFT JOIN route_decisions r ON r.decision_id = f.route_fwd
           ORDER BY c.netns, port`,
        )
        .all();
      const sent = { netns: a, interface: 'v0', type: 'unicast', dev: 'v0', stage: 'output' };
      expect(flows).toEqual([
        { ...sent, port: 4000, packets: 25, bytes: 25 * 142, prefix: '10.9.0.0/24', gateway: null },
        { ...sent, port: 4001, packets: 5, bytes: 5 * 52, prefix: '10.50.0.0/16', gateway: '10.9.0.2' },
        expect.objectContaining({ netns: b, port: 4000, packets: 25, type: 'local', prefix: '10.9.0.2/32' }),
        expect.objectContaining({ netns: b, port: 4001, packets: 5 }),
      ]);
      const totals = reader
        .prepare(
          'SELECT sum(packets) AS packets, sum(undecoded) AS undecoded, sum(kernel_drops) AS drops, min(ended) AS ended FROM captures',
        )
        .get();
      expect(totals).toEqual({ packets: 60, undecoded: 0, drops: 0, ended: 1 });
    } finally {
      reader.close();
    }
    expect(d.events('drained')).toHaveLength(1);
  });

  it('keeps each route decision of a flow with the time from which it held', async () => {
    const a = lab.add('over');
    const b = lab.add('time');
    lab.veth(a, 'v0', '10.8.0.1/24', b, 'v0', '10.8.0.2/24');
    lab.ip(a, 'route add 10.51.0.0/16 via 10.8.0.2');
    const { d, db: path } = lab.daemon({ netns: [a], filter: 'udp' }, 'real');
    await d.opened(2);
    sendUdp(lab, a, '10.51.1.1', 4001, 10, 5, 5001);
    const changedMs = Date.now();
    lab.ip(a, 'route add 10.51.1.0/24 via 10.8.0.2 metric 7');
    // Until the daemon has taken in the change; its packets tell when.
    for (let i = 0; i < 20; i++) {
      sendUdp(lab, a, '10.51.1.1', 4001, 10, 1, 5001);
      await setTimeout(50);
    }
    expect(await d.end()).toBe(0);

    const reader = openForReading(path);
    try {
      const [flow, ...more] = [...queryFlows(reader, EVERYTHING)];
      expect(more).toEqual([]);
      expect(flow).toMatchObject({ packetsFwd: 25, routeFwd: { prefix: '10.51.1.0/24', metric: 7 } });
      const [before, after] = flow!.routeChanges!;
      expect(flow!.routeChanges).toHaveLength(2);
      expect(before).toMatchObject({
        direction: 'fwd',
        sinceNs: flow!.startNs,
        decision: { prefix: '10.51.0.0/16' },
      });
      expect(after).toMatchObject({ direction: 'fwd', decision: flow!.routeFwd });
      expect(Number(after!.sinceNs / 1_000_000n)).toBeGreaterThanOrEqual(changedMs);
      expect(after!.sinceNs).toBeLessThan(flow!.endNs);
    } finally {
      reader.close();
    }
  });

  it('ends with 1 and the reason when the database is none', async () => {
    const none = join(lab.dir, 'none');
    const d = new TestDaemon(join(none, 'flows.db'), { netns: ['host'], interfaces: ['none'] }, 'real');
    await until('it ends', () => d.code !== undefined);
    expect(d.code).toBe(1);
    expect(d.log).toContain(`there is no folder ${none}`);
  });
});
