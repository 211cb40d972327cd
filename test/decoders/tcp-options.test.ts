import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeTcpOptions, TcpOptions } from '../../decoders/tcp-options.ts';
import { hex } from './bytes.ts';

/** Decodes options that fill their header; the view ends where the captured octets do, so reading on throws. */
function options(text: string | Uint8Array, captured = Number.POSITIVE_INFINITY): TcpOptions {
  const bytes = typeof text === 'string' ? hex(text) : text;
  const cut = Uint8Array.from(bytes.subarray(0, captured));
  const out = Object.assign(new TcpOptions(), { mss: 1, windowScale: 1, tsVal: 1, isMalformed: true });
  decodeTcpOptions(new DataView(cut.buffer), 0, bytes.length, cut.length, out);
  return out;
}

const NOTHING = { mss: -1, windowScale: -1, sackPermitted: false, sackBlocks: 0, hasTimestamps: false };

describe('TCP options', () => {
  it('of a SYN: MSS, SACK permitted, timestamps, window scale', () => {
    const syn = '02 04 05 b4  04 02  08 0a 80 00 00 01 00 00 00 00  01  03 03 07';
    expect(options(syn)).toMatchObject({
      mss: 1460,
      windowScale: 7,
      sackPermitted: true,
      hasTimestamps: true,
      tsVal: -0x7fffffff,
      tsEcr: 0,
      isMalformed: false,
      isTruncated: false,
    });
  });
  it('SACK blocks with edges over 2^31 as int32', () => {
    const out = options('01 01 05 12  00000001 00000002  fffffffe ffffffff');
    expect([out.sackBlocks, ...out.sackEdges.subarray(0, 4)]).toEqual([2, 1, 2, -2, -1]);
  });
  it('takes a shift over 14 for 14', () => {
    expect(options('03 03 0f').windowScale).toBe(14);
  });
  it('passes over unknown kinds and stops at the end of the list', () => {
    expect(options('fd 04 f9 89  02 04 02 18  00  03 03 07')).toMatchObject({ mss: 536, windowScale: -1 });
  });
  it.each([
    ['a length of 0', '04 00'],
    ['a length of 1', 'fd 01'],
    ['a length past the header', 'fd 05 00 00'],
    ['a kind alone at the end', '01 02'],
    ['an MSS of 3 octets', '02 03 05'],
    ['a window scale of 4', '03 04 00 00'],
    ['SACK permitted of 3', '04 03 00'],
    ['timestamps of 9', '08 09 00 00 00 00 00 00 00'],
    ['SACK without a block', '05 02'],
    ['half a SACK block', '05 06 00 00 00 01'],
  ])('%s is malformed', (_name, text) => {
    expect(options(text)).toMatchObject({ ...NOTHING, isMalformed: true, isTruncated: false });
  });
  it('keeps what came before damage', () => {
    expect(options('02 04 05 b4 fd 00')).toMatchObject({ mss: 1460, isMalformed: true });
  });
  it('tells a cut at every octet, and keeps what came before', () => {
    const syn = hex('02 04 05 b4 04 02 03 03 07');
    for (let captured = 0; captured < syn.length; captured++) {
      const out = options(syn, captured);
      expect([captured, out.isTruncated, out.isMalformed]).toEqual([captured, true, false]);
      expect([captured, out.mss, out.sackPermitted]).toEqual([
        captured,
        captured < 4 ? -1 : 1460,
        captured >= 6,
      ]);
    }
    expect(options(syn).isTruncated).toBe(false);
  });
  it('never throws and never reads past the captured octets', () => {
    const seen = { isMalformed: 0, isTruncated: 0, fine: 0 };
    const octet = fc.oneof(fc.constantFrom(0, 1, 2, 3, 4, 5, 8, 10, 18), fc.nat(255));
    const bytes = fc.uint8Array({ maxLength: 40, size: 'max' });
    fc.assert(
      fc.property(bytes, fc.array(octet, { maxLength: 40, size: 'max' }), fc.nat(40), (a, b, captured) => {
        for (const list of [a, Uint8Array.from(b)]) {
          const out = options(list, captured);
          if (out.isMalformed) seen.isMalformed++;
          else if (out.isTruncated) seen.isTruncated++;
          else seen.fine++;
          expect(out.isMalformed && out.isTruncated).toBe(false);
          expect(out.sackBlocks).toBeLessThanOrEqual(4);
        }
      }),
      { numRuns: 3000 },
    );
    for (const [outcome, count] of Object.entries(seen))
      expect([outcome, count > 50]).toEqual([outcome, true]);
  });
});
