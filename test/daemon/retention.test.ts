import { chownSync, existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { idleTimeouts } from '../../daemon/config.ts';
import { readCaptures } from '../../storage/captures.ts';
import { readRetained } from '../../storage/retained.ts';
import { latestRun } from '../../storage/runs.ts';
import { Lab, labMissing } from '../kernel/lab.ts';
import { UdpSocket } from '../kernel/traffic.ts';
import { readFlows, withDb } from '../storage/temp-db.ts';
import { TestDaemon } from './test-daemon.ts';

const missing = labMissing();
const NOBODY = 65534;
/** Two empty partitions take more. */
const OCTETS = 300_000;

describe.skipIf(missing !== null)(`a daemon with little room${missing ? ` (${missing})` : ''}`, () => {
  const lab = new Lab('keep');
  const dir = mkdtempSync(join(tmpdir(), 'nsd-keep-'));
  const db = join(dir, 'flows.db');
  let daemon: TestDaemon | undefined;

  afterAll(async () => {
    if (daemon && daemon.code === undefined) await daemon.end('SIGKILL');
    lab.close();
    rmSync(dir, { recursive: true, force: true });
  });

  test('begins and drops partitions while it captures, and every packet is accounted for', async () => {
    chownSync(dir, NOBODY, NOBODY);
    const [a, b] = [lab.add('a'), lab.add('b')];
    lab.veth(a, 'v0', '10.9.0.1/24', b, 'v0', '10.9.0.2/24');
    daemon = new TestDaemon(
      db,
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
    const d = daemon;
    await d.until(
      'it captures',
      () => d.events('capture-opened').length === 1 && d.events('ready').length === 1,
    );
    using udp = new UdpSocket(lab, a, 4, { port: 4000 });
    let sent = 0;
    await d.until('three partitions are dropped', () => {
      for (let n = 0; n < 20; n++) udp.send('10.9.0.2', 1 + (sent++ % 60_000), 100);
      return d.events('retention-dropped').filter(({ partition }) => partition !== 0).length >= 3;
    });
    expect(await d.end()).toBe(0);
    expect(readdirSync(dir).filter((name) => /-(wal|shm)$/.test(name))).toEqual([]);

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
