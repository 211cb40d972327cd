import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parseAddress } from '../../decoders/address.ts';
import { communityId } from '../../decoders/community-id.ts';
import { CORPUS, tally } from './corpus.ts';

/** The id of endpoints in text. */
function idOf(
  protocol: number,
  src: string,
  srcPort: number,
  dst: string,
  dstPort: number,
  seed = 0,
): string {
  const from = parseAddress(src)!;
  const flow = { protocol, srcPort, dstPort, src: from.bytes, dst: parseAddress(dst)!.bytes, hasPorts: true };
  return communityId({ ...flow, version: from.version }, seed);
}

describe('communityId', () => {
  it('is that of the specification, in both directions', () => {
    expect(idOf(6, '1.2.3.4', 1122, '5.6.7.8', 3344)).toBe('1:wCb3OG7yAFWelaUydu0D+125CLM=');
    expect(idOf(6, '5.6.7.8', 3344, '1.2.3.4', 1122)).toBe('1:wCb3OG7yAFWelaUydu0D+125CLM=');
  });

  it('pairs ICMP types whether the code or the answering type is given, and keeps one-way types apart', () => {
    const echo = idOf(1, '10.0.0.1', 8, '10.0.0.2', 0);
    expect(idOf(1, '10.0.0.2', 0, '10.0.0.1', 8)).toBe(echo);
    expect(idOf(1, '10.0.0.2', 0, '10.0.0.1', 0)).toBe(echo);
    const solicit = idOf(58, 'fe80::1', 135, 'fe80::2', 0);
    expect(idOf(58, 'fe80::1', 135, 'fe80::2', 136)).toBe(solicit);
    expect(idOf(1, '10.0.0.1', 3, '10.0.0.2', 1)).not.toBe(idOf(1, '10.0.0.2', 3, '10.0.0.1', 1));
    expect(idOf(1, '10.0.0.1', 3, '10.0.0.2', 1)).not.toBe(idOf(1, '10.0.0.1', 3, '10.0.0.2', 3));
  });

  it('orders equal addresses by port, and reads only 4 octets of a wider IPv4 column', () => {
    expect(idOf(17, '::1', 9, '::1', 4)).toBe(idOf(17, '::1', 4, '::1', 9));
    const wide = (text: string) =>
      Uint8Array.from([...parseAddress(text)!.bytes, ...new Uint8Array(12).fill(7)]);
    const ports = { srcPort: 1122, dstPort: 3344, hasPorts: true };
    expect(
      communityId({ version: 4, protocol: 6, src: wide('1.2.3.4'), dst: wide('5.6.7.8'), ...ports }),
    ).toBe('1:wCb3OG7yAFWelaUydu0D+125CLM=');
  });

  const baseline = join(CORPUS, 'community-id-spec/baseline');
  const missing = existsSync(baseline) ? null : `no ${baseline}`;
  it.for([
    ['baseline_deflt.json', 0],
    ['baseline_seed1.json', 1],
  ] as const)(
    'agrees with %s of the specification for every packet of its capture',
    async ([name, seed], context) => {
      if (missing !== null) context.skip(missing);
      const rows: { proto: number; communityid: string; sport?: number }[] = JSON.parse(
        readFileSync(join(baseline, name), 'utf8'),
      );
      const ours: string[] = [];
      await tally(join(CORPUS, 'community-id-spec/combined.pcap.gz'), (f, view) => {
        if (f.ipVersion === 0) return;
        const octets = new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
        const version = f.ipVersion === 4 ? 4 : 6;
        ours.push(
          communityId(
            {
              version,
              protocol: f.ipProto,
              src: octets.subarray(f.srcOff),
              dst: octets.subarray(f.dstOff),
              srcPort: f.srcPort,
              dstPort: f.dstPort,
              hasPorts: f.hasPorts,
            },
            seed,
          ),
        );
      });
      expect(ours.length).toBeGreaterThan(50);
      // The baseline has a row for each direction, not for each packet.
      expect([...new Set(ours)].sort()).toEqual([...new Set(rows.map((row) => row.communityid))].sort());
    },
  );
});
