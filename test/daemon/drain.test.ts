import { afterAll, describe, expect, test } from 'vitest';
import { labMissing } from '../kernel/lab.ts';
import { UdpSocket } from '../kernel/traffic.ts';
import { withDb } from '../storage/temp-db.ts';
import { DaemonLab } from './daemon-lab.ts';

const missing = labMissing();
/** More than the queue to the database holds: 64 batches of 2,048 records. */
const SOURCES = 3;
const PORTS = 50_000;

describe.skipIf(missing !== null)(`a daemon that is told to end${missing ? ` (${missing})` : ''}`, () => {
  const lab = new DaemonLab('drn');
  afterAll(async () => {
    await lab.endDaemon();
    lab.close();
  });

  test('writes every flow, also when there are more than the queue holds', { timeout: 120_000 }, async () => {
    const [a, b] = [lab.add('a'), lab.add('b')];
    lab.veth(a, 'v0', '10.9.0.1/24', b, 'v0', '10.9.0.2/24');
    const options = { netns: [a], interfaces: ['v0'], filter: 'udp', checkpointSec: 3600, ringMib: 32 };
    const { d, db } = lab.daemon({ ...options, maxFlows: 200_000 }, 'real');
    await d.opened(1);
    for (let source = 0; source < SOURCES; source++) {
      using udp = new UdpSocket(lab, a, 4, { port: 5000 + source });
      for (let port = 0; port < PORTS; port++) udp.send('10.9.0.2', 10_000 + port, 10);
    }
    expect(await d.end()).toBe(0);
    const totals = withDb(db, (reader) => ({
      ...(reader
        .prepare('SELECT packets, undecoded, kernel_drops, shed_records FROM captures')
        .get() as object),
      ...(reader.prepare('SELECT count(*) AS flows, sum(packets_fwd) AS metered FROM flows').get() as object),
    }));
    const all = SOURCES * PORTS;
    expect(totals).toEqual({
      packets: all,
      undecoded: 0,
      kernel_drops: 0,
      shed_records: 0,
      flows: all,
      metered: all,
    });
  });
});
