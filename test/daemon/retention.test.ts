import { existsSync, readdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { idleTimeouts } from '../../daemon/config.ts';
import { readCaptures } from '../../storage/captures.ts';
import { readRetained } from '../../storage/retained.ts';
import { latestRun } from '../../storage/runs.ts';
import { labMissing } from '../kernel/lab.ts';
import { UdpSocket } from '../kernel/traffic.ts';
import { readFlows, withDb } from '../storage/temp-db.ts';
import { DaemonLab } from './daemon-lab.ts';

const missing = labMissing();
/** Two empty partitions take more. */
const OCTETS = 300_000;

describe.skipIf(missing !== null)(`a daemon with little room${missing ? ` (${missing})` : ''}`, () => {
  const lab = new DaemonLab('keep');

  afterAll(async () => {
    await lab.endDaemon();
    lab.close();
  });

  test('begins and drops partitions while it captures, and every packet is accounted for', async () => {
    const [a, b] = [lab.add('a'), lab.add('b')];
    lab.veth(a, 'v0', '10.9.0.1/24', b, 'v0', '10.9.0.2/24');
    const { d, db } = lab.daemon(
      {
        netns: [a],
        interfaces: ['v0'],
        filter: 'udp',
        checkpointSec: 1,
        timeouts: idleTimeouts(1),
        retention: { ageSec: null, size: { octets: OCTETS, percent: null }, free: null },
      },
      'real',
    );
    await d.opened(1);
    using udp = new UdpSocket(lab, a, 4, { port: 4000 });
    let sent = 0;
    await d.until('three partitions are dropped', () => {
      for (let n = 0; n < 20; n++) udp.send('10.9.0.2', 1 + (sent++ % 60_000), 100);
      return d.events('retention-dropped').filter(({ partition }) => partition !== 0).length >= 3;
    });
    expect(await d.end()).toBe(0);
    expect(readdirSync(dirname(db)).filter((name) => /-(wal|shm)$/.test(name))).toEqual([]);

    const told = d.events('retention-dropped');
    const dropped = told.filter(({ partition }) => partition !== 0);
    expect(dropped.map(({ partition }) => partition)).toEqual(dropped.map((_, i) => i + 1));
    for (const event of dropped) {
      expect(event).toMatchObject({ reason: 'size', flows: expect.any(Number), octets: expect.any(Number) });
      expect(event.from).toMatch(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
      expect(String(event.until) >= String(event.from)).toBe(true);
      expect(existsSync(`${db}-000${event.partition as number}`)).toBe(false);
    }
    expect(d.events('retention-trouble')).toEqual([]);
    const kept = readFlows(db);
    const { retained, captures, run } = withDb(db, (reader) => ({
      retained: readRetained(reader),
      captures: readCaptures(reader),
      run: latestRun(reader)!,
    }));
    expect(captures).toHaveLength(1);
    const { packets, decodedIpv4, undecoded, kernelDrops, shedRecords } = captures[0]!;
    expect({ packets, decodedIpv4, undecoded, kernelDrops, shedRecords }).toEqual({
      packets: sent,
      decodedIpv4: sent,
      undecoded: 0,
      kernelDrops: 0,
      shedRecords: 0,
    });
    expect(retained.droppedPartitions).toBe(dropped.length);
    expect(retained.droppedFlows).toBe(told.reduce((sum, { flows }) => sum + (flows as number), 0));
    // A flow that lived on when its partition was dropped is kept again, with all it had.
    expect(kept.length + retained.droppedFlows).toBeGreaterThanOrEqual(run.flows);
    expect(new Set(kept.map(({ flowId }) => flowId)).size).toBe(kept.length);
    expect(kept.length).toBeGreaterThan(0);
  });
});
