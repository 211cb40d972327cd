import { describe, expect, test } from 'vitest';
import { FileSource } from '../../daemon/capture/file-source.ts';
import type { TunnelMode } from '../../daemon/config.ts';
import { TestMeter } from '../support/meter.ts';
import { corpus } from '../support/truth.ts';

const files = corpus();

/** Meters a file. @returns its counters, and the sums over the last record of each flow */
async function metered(path: string, maxFlows: number, tunnels: TunnelMode) {
  const m = new TestMeter({ maxFlows }, undefined, tunnels);
  let interfaces = 0;
  const source = new FileSource(path, null, m.meter, () => {
    m.meter.counters.reserve(interfaces);
    return interfaces++;
  });
  const error = await source
    .read(() => {})
    .then(
      () => null,
      (cause: Error) => cause.name,
    );
  const sums = { packets: 0, bytes: 0, innerPackets: 0, evicted: 0, late: 0 };
  const seen = new Set<number>();
  for (const record of m.finish()) {
    const packets = record.packets[0] + record.packets[1];
    if (record.tunnel !== undefined) sums.innerPackets += packets;
    // Every packet is on one flow; of the flows that each level has, the outermost.
    if (tunnels !== 'both' || record.tunnel === undefined) {
      sums.packets += packets;
      sums.bytes += record.bytes[0] + record.bytes[1];
    }
    if (record.reason === 'evicted') sums.evicted++;
    if (compare(record.end, record.start) < 0) sums.late++;
    seen.add(record.seq);
  }
  const counters = Array.from({ length: interfaces }, (_, i) => m.meter.counters.read(i));
  const total = (name: keyof (typeof counters)[number]): number =>
    counters.reduce((sum, c) => sum + c[name], 0);
  const evicted = m.table.evicted.reduce((sum, n) => sum + n, 0);
  return { error, sums, flows: seen.size, created: m.table.created, live: m.table.live, total, evicted };
}

/** Times as TestRecord prints them, with nine decimals. */
function compare(a: string, b: string): number {
  const [aSec, aNsec] = a.split('.').map(Number);
  const [bSec, bNsec] = b.split('.').map(Number);
  return aSec! - bSec! || aNsec! - bNsec!;
}

describe.skipIf(files.length === 0)(
  `meter${files.length === 0 ? ' (skipped: no shared captures)' : ''}`,
  () => {
    test.each([
      ['a roomy table', 100_000, 'outer'],
      ['a table of three flows', 3, 'outer'],
      ['a roomy table, inner flows', 100_000, 'inner'],
      ['a roomy table, flows of all levels', 100_000, 'both'],
      ['a table of three flows, flows of all levels', 3, 'both'],
    ] as const)(
      'counts every packet of every capture once: as undecoded, as no IP, or on one flow; %s',
      async (_, maxFlows, tunnels) => {
        let packets = 0;
        let evicted = 0;
        let inner = 0;
        for (const { name, path, truth } of files) {
          const r = await metered(path, maxFlows, tunnels);
          const ip = r.total('decodedIpv4') + r.total('decodedIpv6');
          expect([null, 'SavefileError'], name).toContain(r.error);
          if (r.error === null && !truth.tshark_error && !truth.read_error)
            expect(r.total('packets'), name).toBe(truth.packets);
          expect(ip + r.total('decodedArp') + r.total('decodedOther') + r.total('undecoded'), name).toBe(
            r.total('packets'),
          );
          expect(
            r.total('tcp') + r.total('udp') + r.total('icmp') + r.total('sctp') + r.total('otherL4'),
            name,
          ).toBe(ip);
          expect(r.sums.packets, name).toBe(ip);
          expect(r.sums.bytes, name).toBeLessThanOrEqual(r.total('bytes'));
          expect([r.flows, r.live], name).toEqual([r.created, 0]);
          const followed = r.total('tunnelled') - r.total('tunnelUndecoded');
          expect(r.sums.innerPackets, name).toBeGreaterThanOrEqual(followed);
          inner += r.sums.innerPackets;
          expect(r.evicted, name).toBe(r.sums.evicted);
          expect(r.sums.late, name).toBe(0);
          packets += r.total('packets');
          evicted += r.evicted;
        }
        expect(packets).toBeGreaterThan(10_000);
        expect(inner > 300).toBe(tunnels !== 'outer');
        expect(evicted > 0).toBe(maxFlows === 3);
      },
    );
  },
);
