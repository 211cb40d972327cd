import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PcapngClock, TSRESOL_DEFAULT } from '../../decoders/pcapng-time.ts';

/** The same by BigInt alone. */
function exact(tsResol: number, offsetSec: number, high: number, low: number): [number, number] {
  const units = (tsResol & 0x80 ? 2n : 10n) ** BigInt(tsResol & 0x7f);
  const value = (BigInt(high) << 32n) + BigInt(low);
  return [Number(value / units) + offsetSec, Number(((value % units) * 1_000_000_000n) / units)];
}

/** Reads a timestamp of these words, in both byte orders in turn. */
function set(clock: PcapngClock, high: number, low: number): void {
  const view = new DataView(new ArrayBuffer(11));
  const little = (low & 1) === 1;
  view.setUint32(3, high, little);
  view.setUint32(7, low, little);
  clock.read(view, 3, little);
}

describe('PcapngClock', () => {
  it.each([
    ['microseconds', TSRESOL_DEFAULT, 0x0005d3c8, 0x7e5f2b01],
    ['nanoseconds', 9, 0x17a1b2c3, 0xffffffff],
    ['nanoseconds, at the top', 9, 0xffffffff, 0xffffffff],
    ['seconds', 0, 0, 1_700_000_000],
    ['milliseconds', 3, 0x18b, 0xcfe56800],
    ['picoseconds', 12, 0x5c7a1234, 0x9abcdef0],
    ['1/1024 s', 0x80 | 10, 0x195, 0x12345678],
    ['2^-32 s, as NTP', 0x80 | 32, 1_700_000_000, 0xffffffff],
    ['10^-127 s', 127, 0xffffffff, 0xffffffff],
  ])('is exact in %s', (_name, tsResol, high, low) => {
    const clock = new PcapngClock(tsResol, 0);
    set(clock, high, low);
    expect([clock.sec, clock.nsec]).toEqual(exact(tsResol, 0, high, low));
  });

  it('agrees with BigInt for every resolution, also when the high word stays or goes back', () => {
    let isCached = 0;
    fc.assert(
      fc.property(
        fc.constantFrom(0, 1, 3, 6, 7, 8, 9, 10, 12, 0x80 | 10, 0x80 | 20, 0x80 | 32),
        fc.integer({ min: -100_000, max: 100_000 }),
        fc.array(fc.tuple(fc.constantFrom(0, 1, 0x5d3c8, 0x7fffffff), fc.nat(0xffffffff)), {
          minLength: 2,
          maxLength: 6,
          size: 'max',
        }),
        (tsResol, offsetSec, stamps) => {
          const clock = new PcapngClock(tsResol, offsetSec);
          let last = -1;
          for (const [high, low] of stamps) {
            set(clock, high, low);
            const [sec, nsec] = exact(tsResol, offsetSec, high, low);
            expect(clock.nsec).toBe(nsec);
            // Seconds behind 2^53 (year 285 million) are a double's neighbour.
            if (Number.isSafeInteger(sec)) expect(clock.sec).toBe(sec);
            if (high === last) isCached++;
            last = high;
          }
        },
      ),
      { numRuns: 3000, seed: 3 },
    );
    expect(isCached).toBeGreaterThan(500);
  });
});
