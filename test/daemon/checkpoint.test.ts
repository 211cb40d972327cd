import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, describe, expect, test } from 'vitest';
import { seriesReader } from '../../storage/series.ts';
import { labMissing } from '../kernel/lab.ts';
import { UdpSocket } from '../kernel/traffic.ts';
import { readFlows, withDb } from '../storage/temp-db.ts';
import { dnsMessage } from '../support/payloads.ts';
import { DaemonLab } from './daemon-lab.ts';

const missing = labMissing();

describe.skipIf(missing !== null)(`a flow that goes on${missing ? ` (${missing})` : ''}`, () => {
  const lab = new DaemonLab('ckpt');

  afterAll(async () => {
    await lab.endDaemon();
    lab.close();
  });

  test('is in the database while it lives, as one row that grows, and over time', {
    timeout: 60_000,
  }, async () => {
    const [a, b] = [lab.add('a'), lab.add('b')];
    lab.veth(a, 'v0', '10.9.0.1/24', b, 'v0', '10.9.0.2/24');
    const { d, db } = lab.daemon(
      {
        netns: [a],
        interfaces: ['v0'],
        filter: 'udp',
        checkpointSec: 1,
        timeseries: true,
        hints: true,
        payloadOctets: 8,
      },
      'real',
    );
    await d.opened(1);
    using udp = new UdpSocket(lab, a, 4, { port: 4000 });
    const seen: number[] = [];
    let sent = 0;
    for (const end = Date.now() + 12_500; Date.now() < end; sent++) {
      udp.send('10.9.0.2', 9, 100);
      await sleep(20);
      if (sent % 10 !== 9) continue;
      const flows = readFlows(db);
      expect(flows.length).toBeLessThanOrEqual(1);
      if (flows.length === 0) continue;
      expect(flows[0]).toMatchObject({ endReason: 'active', dstPort: 9 });
      expect(flows[0]!.packetsFwd).toBeLessThanOrEqual(sent + 1);
      seen.push(flows[0]!.packetsFwd);
    }
    expect(new Set(seen).size).toBeGreaterThan(5);
    const question = Buffer.from(dnsMessage('live.example', 28)).toString('hex').replace(/../g, '\\x$&');
    lab.exec(a, 'bash', '-c', `printf '${question}' > /dev/udp/10.9.0.2/53`);
    await sleep(300);
    expect(await d.end()).toBe(0);
    const flows = readFlows(db).filter((flow) => flow.dstPort === 9);
    expect(flows).toMatchObject([
      { packetsFwd: sent, packetsRev: 0, bytesFwd: sent * 142, endReason: 'shutdown' },
    ]);
    expect(flows[0]!.payloadFwd).toEqual(Buffer.alloc(8));
    const asked = readFlows(db).find((flow) => flow.dstPort === 53);
    expect(JSON.parse(asked!.hints!)).toEqual({ dns: { query: 'live.example', type: 'AAAA', rcode: null } });
    const series = withDb(db, (reader) => seriesReader(reader)(flows[0]!.flowId));
    expect(series).toHaveLength(2);
    expect(series[1]!.atNs - series[0]!.atNs).toBe(10_000_000_000n);
    expect(series.reduce((n, row) => n + row.packetsFwd, 0)).toBe(sent);
    expect(series.reduce((n, row) => n + row.bytesFwd, 0)).toBe(sent * 142);
    expect(series[0]!.packetsFwd).toBeGreaterThan(series[1]!.packetsFwd);
  });
});
