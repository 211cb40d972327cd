import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  ChecksumResult,
  checkIPv4Header,
  checksum,
  checkTransport,
  foldChecksum,
  sumWords,
} from '../../decoders/checksum.ts';
import { decode, frame, hex, place } from './bytes.ts';

const viewOf = (bytes: Uint8Array) => new DataView(Uint8Array.from(bytes).buffer);

describe('checksum', () => {
  it('is that of RFC 1071 §3', () => {
    const view = viewOf(hex('0001 f203 f4f5 f6f7'));
    expect(sumWords(view, 0, 8)).toBe(0x2ddf0);
    expect(foldChecksum(0x2ddf0)).toBe(~0xddf2 & 0xffff);
    expect(checksum(view, 0, 8)).toBe(0x220d);
  });
  it('pads an odd octet with zero, and goes on from a sum', () => {
    expect(checksum(viewOf(hex('ab')), 0, 1)).toBe(checksum(viewOf(hex('ab00')), 0, 2));
    const view = viewOf(hex('0001 f203 f4f5 f6f7'));
    expect(sumWords(view, 4, 8, sumWords(view, 0, 4))).toBe(0x2ddf0);
    expect(checksum(view, 3, 3)).toBe(0xffff);
  });
  it('is 0 over octets that hold it, wherever', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 2, maxLength: 3000, size: 'max' }), (bytes) => {
        const copy = Uint8Array.from(bytes);
        copy.fill(0, 0, 2);
        const value = checksum(viewOf(copy), 0, copy.length);
        copy.set([value >>> 8, value & 0xff]);
        expect(checksum(viewOf(copy), 0, copy.length)).toBe(0);
      }),
      { numRuns: 500, seed: 7 },
    );
  });
});

describe('checksums of packets', () => {
  /** Results of both tests on a frame, changed at an octet, or cut. */
  function results(
    name: string,
    change?: { at: number; cut?: number },
    linkType = 1,
  ): [ChecksumResult, ChecksumResult] {
    const bytes = frame(name);
    const wireLen = bytes.length;
    if (change !== undefined) bytes[change.at]! ^= 1;
    const kept = bytes.subarray(0, wireLen - (change?.cut ?? 0));
    const { f } = decode(kept, { linkType, wireLen });
    const { view } = place(kept);
    return [checkIPv4Header(view, f), checkTransport(view, f)];
  }

  it.each([
    ['eth-ipv4-tcp-syn', 1, ChecksumResult.Good],
    ['eth-snap-ipv4-icmp', 1, ChecksumResult.Good],
    ['sll2-ipv4-tcp-rst', 276, ChecksumResult.Good],
    ['eth-qinq-ipv6-udp', 1, ChecksumResult.Unknown],
  ])('%s is good', (name, linkType, header) => {
    expect(results(name, undefined, linkType)).toEqual([header, ChecksumResult.Good]);
  });
  it('a changed octet is bad where it is', () => {
    expect(results('eth-ipv4-tcp-syn', { at: 18 })).toEqual([ChecksumResult.Bad, ChecksumResult.Good]);
    expect(results('eth-ipv4-tcp-syn', { at: 73 })).toEqual([ChecksumResult.Good, ChecksumResult.Bad]);
    expect(results('eth-ipv4-tcp-syn', { at: 33 })).toEqual([ChecksumResult.Bad, ChecksumResult.Bad]);
    expect(results('eth-qinq-ipv6-udp', { at: 45 })[1]).toBe(ChecksumResult.Bad);
    expect(results('eth-snap-ipv4-icmp', { at: 51 })[1]).toBe(ChecksumResult.Bad);
  });
  it('cannot be told for cut packets, fragments, UDP without one, and other protocols', () => {
    expect(results('eth-ipv4-tcp-syn', { at: 0, cut: 1 })[1]).toBe(ChecksumResult.Unknown);
    expect(results('eth-ipv4-fragment-2')[1]).toBe(ChecksumResult.Unknown);
    expect(results('eth-ipv6-ext-fragment')[1]).toBe(ChecksumResult.Unknown);
    expect(results('eth-pppoe-ipv4-udp')).toEqual([ChecksumResult.Good, ChecksumResult.Unknown]);
    expect(results('eth-mpls-pw-arp')).toEqual([ChecksumResult.Unknown, ChecksumResult.Unknown]);
  });
});
