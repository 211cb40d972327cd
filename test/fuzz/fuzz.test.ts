import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { decodePacket } from '../../decoders/packet.ts';
import { Status } from '../../decoders/status.ts';
import { decodeTarget } from './decode-target.ts';
import { attempt, fuzz } from './fuzzer.ts';
import { mutate } from './mutate.ts';
import { Random } from '../support/random.ts';
import { TARGETS } from './targets.ts';

const FOUND = fileURLToPath(new URL('../../fixtures/fuzz/', import.meta.url));

describe('fuzzing', () => {
  it.each(TARGETS.map(({ make }) => [make().name, make] as const))(
    '%s holds its invariants',
    (_name, make) => {
      const result = fuzz(make(), 7, 20_000);
      expect(result.find?.reason).toBeUndefined();
      expect(result.executions).toBe(20_000);
      expect(result.ways).toBeGreaterThan(20);
    },
  );

  it('is the same for the same seed, and another for another', () => {
    const inputs = (seed: number): string => {
      const random = new Random(seed);
      const from = Uint8Array.from({ length: 60 }, (_, i) => i);
      return Array.from({ length: 50 }, () => Buffer.from(mutate(random, from, from)).toString('hex')).join();
    };
    expect(inputs(1)).toBe(inputs(1));
    expect(inputs(1)).not.toBe(inputs(2));
    const result = (seed: number) => fuzz(decodeTarget(), seed, 5000);
    expect(result(3)).toEqual(result(3));
  });

  it.each<[string, typeof decodePacket, RegExp]>([
    [
      'throws',
      (view, off, end, f) => {
        if (end - off > 20 && view.getUint8(off + 14) === 0x4f) throw new TypeError('planted');
        return decodePacket(view, off, end, f);
      },
      /planted/,
    ],
    [
      'reads one octet too far',
      (view, off, end, f) => {
        const status = decodePacket(view, off, end, f);
        if (f.isArp) f.ttl = view.getUint8(end);
        return status;
      },
      /ttl is .* by the octets around the packet/,
    ],
    [
      'points behind the packet',
      (view, off, end, f) => {
        const status = decodePacket(view, off, end, f);
        if (f.vlanCount === 3) f.payloadOff = end + 1;
        return status;
      },
      /payloadOff/,
    ],
    [
      'returns what it did not set',
      (view, off, end, f) => (decodePacket(view, off, end, f) === Status.Malformed ? Status.Ok : f.status),
      /returned 0, but set status 2/,
    ],
  ])('finds a planted decoder that %s, and makes the input small', (_name, planted, reason) => {
    const { find } = fuzz(decodeTarget(planted), 1, 200_000);
    expect(find?.reason).toMatch(reason);
    expect(attempt(decodeTarget(planted), find!.input)).toMatch(reason);
    expect(find!.input.length).toBeLessThan(80);
  });

  it('what was found once stays right', () => {
    const files = existsSync(FOUND) ? readdirSync(FOUND) : [];
    for (const file of files) {
      const target = TARGETS.map(({ make }) => make()).find(({ name }) => file.startsWith(`${name}-`));
      expect(target, `${file} names its target`).toBeDefined();
      expect([file, attempt(target!, readFileSync(`${FOUND}${file}`))]).toEqual([file, null]);
    }
  });
});
