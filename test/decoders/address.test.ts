import { isIPv4, isIPv6 } from 'node:net';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatAddress, formatMac, maskAddress, parseAddress, parsePrefix } from '../../decoders/address.ts';

const canonical = (text: string) => {
  const parsed = parseAddress(text);
  return parsed === null ? null : formatAddress(parsed.bytes, 0, parsed.version);
};

describe('formatAddress', () => {
  it.each([
    ['0.0.0.0', '0.0.0.0'],
    ['255.255.255.255', '255.255.255.255'],
    ['::', '::'],
    ['::1', '::1'],
    ['1::', '1::'],
    // RFC 5952 §4.1, §4.2.1, §4.2.2, §4.2.3, §4.3, §5
    ['2001:0db8::0001', '2001:db8::1'],
    ['2001:db8:0:0:0:0:2:1', '2001:db8::2:1'],
    ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
    ['2001:0:0:1:0:0:0:1', '2001:0:0:1::1'],
    ['2001:db8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
    ['2001:DB8::ABCD', '2001:db8::abcd'],
    ['::ffff:192.0.2.1', '::ffff:192.0.2.1'],
    ['::ffff:c000:201', '::ffff:192.0.2.1'],
    ['64:ff9b::192.0.2.33', '64:ff9b::c000:221'],
    ['0:0:1:2:3:4:5:6', '::1:2:3:4:5:6'],
    ['1:2:3:4:5:6:0:0', '1:2:3:4:5:6::'],
  ])('%s is %s', (text, want) => {
    expect(canonical(text)).toBe(want);
  });

  it('reads from an offset', () => {
    const bytes = Uint8Array.from({ length: 24 }, (_, i) => i);
    expect(formatAddress(bytes, 3, 4)).toBe('3.4.5.6');
    expect(formatAddress(bytes, 2, 6)).toBe('203:405:607:809:a0b:c0d:e0f:1011');
    expect(formatMac(bytes, 10)).toBe('0a:0b:0c:0d:0e:0f');
  });
});

describe('parseAddress', () => {
  it.each([
    ...[
      '',
      '1.2.3',
      '1.2.3.4.5',
      '1.2.3.256',
      '01.2.3.4',
      '1.2.3.4 ',
      ' 1.2.3.4',
      '1.2.3.',
      '0x1.2.3.4',
      '+1.2.3.4',
    ],
    ...[
      ':',
      ':::',
      '1:2:3:4:5:6:7',
      '1:2:3:4:5:6:7:8:9',
      '1::2::3',
      '1:2:3:4:5:6:7::8',
      '12345::',
      'g::',
      '1:',
    ],
    ...[
      ':1',
      '::1.2.3',
      '::1.2.3.4:5',
      '1.2.3.4::',
      '1:2:3:4:5:6:7:1.2.3.4',
      'fe80::1%eth0',
      '::1/64',
      '1:2:3:4:5:6:7:',
    ],
  ])('refuses "%s"', (text) => {
    expect(parseAddress(text)).toBeNull();
  });

  it('agrees with Node about what an address is', () => {
    const seen = { v4: 0, v6: 0, none: 0 };
    const part = fc.constantFrom('', '0', '1', 'ffff', '00ab', '255', '256', '1.2.3.4', ':', '12345', 'g');
    const text = fc.oneof(
      fc.ipV4(),
      fc.ipV6(),
      fc.array(part, { maxLength: 9, size: 'max' }).map((parts) => parts.join(':')),
      fc.array(part, { maxLength: 5, size: 'max' }).map((parts) => parts.join('.')),
    );
    fc.assert(
      fc.property(text, (candidate) => {
        const parsed = parseAddress(candidate);
        const want = isIPv4(candidate) ? 4 : isIPv6(candidate) ? 6 : null;
        expect(parsed?.version ?? null).toBe(want);
        if (parsed === null) seen.none++;
        else {
          seen[parsed.version === 4 ? 'v4' : 'v6']++;
          const again = parseAddress(formatAddress(parsed.bytes, 0, parsed.version));
          expect(again).toEqual(parsed);
          if (parsed.version === 6 && !candidate.includes('.'))
            expect(new URL(`http://[${candidate}]/`).hostname.replaceAll('.', '')).toBeTruthy();
        }
      }),
      { numRuns: 20_000, seed: 5 },
    );
    for (const count of Object.values(seen)) expect(count).toBeGreaterThan(1000);
  });

  it('writes IPv6 as the URL standard does, but for IPv4-mapped addresses', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 16, maxLength: 16 }), fc.nat(0xffff), (bytes, zeros) => {
        const masked = bytes.map((octet, i) => ((zeros >> (i & ~1)) & 1 ? 0 : octet));
        masked[0] = 0x20;
        const text = formatAddress(masked, 0, 6);
        expect(new URL(`http://[${text}]/`).hostname).toBe(`[${text}]`);
      }),
      { numRuns: 5000, seed: 6 },
    );
  });
});

describe('parsePrefix', () => {
  it('keeps host bits and takes an address for its whole length', () => {
    expect(parsePrefix('10.1.2.3/8')).toEqual({
      version: 4,
      bytes: Uint8Array.of(10, 1, 2, 3),
      prefixLen: 8,
    });
    expect(parsePrefix('10.1.2.3')?.prefixLen).toBe(32);
    expect(parsePrefix('2001:db8::/32')?.prefixLen).toBe(32);
    expect(parsePrefix('::')?.prefixLen).toBe(128);
    expect(parsePrefix('0.0.0.0/0')?.prefixLen).toBe(0);
  });
  it.each([
    '10.0.0.0/33',
    '::/129',
    '10.0.0.0/',
    '10.0.0.0/-1',
    '10.0.0.0/8/8',
    '10/8',
    '/8',
    '10.0.0.0/ 8',
    '10.0.0.0/0x8',
  ])('refuses "%s"', (text) => {
    expect(parsePrefix(text)).toBeNull();
  });
  it('masks at every length', () => {
    const ones = new Uint8Array(4).fill(255);
    for (let prefixLen = 0; prefixLen <= 32; prefixLen++) {
      const [a, b, c, d] = maskAddress(ones, prefixLen);
      const value = (((a! << 24) | (b! << 16) | (c! << 8) | d!) >>> 0).toString(2).padStart(32, '0');
      expect(value).toBe('1'.repeat(prefixLen) + '0'.repeat(32 - prefixLen));
    }
    expect(formatAddress(maskAddress(parseAddress('10.20.30.40')!.bytes, 12), 0, 4)).toBe('10.16.0.0');
  });
});
