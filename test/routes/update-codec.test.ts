import { deflateRawSync, inflateRawSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { decodeUpdate, encodeUpdate, RouteUpdateError } from '../../daemon/routes/update-codec.ts';
import { Random } from '../support/random.ts';
import { ModelMirror, modelRoute } from './model-mirror.ts';

function example(): ModelMirror {
  const mirror = new ModelMirror();
  mirror.reload([
    modelRoute('10.1.0.0/16', { via: '10.0.0.2' }),
    modelRoute('10.1.0.0/16', { via: '10.0.0.3', metric: 5 }),
    modelRoute('255.255.255.255/32', { table: 4_294_967_295 }),
    modelRoute('fd00:1::/32', { via: 'fd00::2' }),
    modelRoute('::/0', { from: 'fd20::/16', protocol: 'bögus' }),
  ]);
  return mirror;
}

test('an update comes back as it was, first and later, with and without a context', () => {
  const mirror = example();
  const first = mirror.take(1_700_000_000_000.25)!;
  expect(decodeUpdate(encodeUpdate(first))).toEqual(first);
  mirror.change(modelRoute('10.1.0.0/16', { metric: 5 }), { isReplacement: true });
  const second = mirror.take(1)!;
  expect(second.context).toBeNull();
  expect(decodeUpdate(encodeUpdate(second))).toEqual(second);
  mirror.context = { ...mirror.context, takenAt: 'later' };
  const third = mirror.take(2)!;
  expect(third.ops).toHaveLength(0);
  expect(decodeUpdate(encodeUpdate(third))).toEqual(third);
});

test.each([
  ['nothing', new Uint8Array(0), 'unpacked'],
  ['too little', deflateRawSync(new Uint8Array(7)), '7 octets'],
  [
    'another version',
    deflateRawSync(Uint8Array.from([2, 0, 0, 0, 0, 0, 0, 0])),
    'version 2; this nstap knows 1',
  ],
  [
    'a head that is longer',
    deflateRawSync(Uint8Array.from([1, 0, 0, 0, 9, 0, 0, 0])),
    '8 octets with a head of 17',
  ],
  ['half a word', deflateRawSync(Uint8Array.from([1, 0, 0, 0, 2, 0, 0, 0, 0x7b, 0x7d, 0])), '11 octets'],
  ['no JSON', deflateRawSync(Uint8Array.from([1, 0, 0, 0, 4, 0, 0, 0, 0x7b, 0x7b, 0x20, 0x20])), 'no JSON'],
  [
    'JSON of something else',
    deflateRawSync(Uint8Array.from([1, 0, 0, 0, 4, 0, 0, 0, 0x6e, 0x75, 0x6c, 0x6c])),
    'no head',
  ],
])('%s is refused', (_what, data, message) => {
  expect(() => decodeUpdate(data)).toThrow(RouteUpdateError);
  expect(() => decodeUpdate(data)).toThrow(message);
});

test('damaged octets are refused or make an update whose operations are whole', () => {
  const update = example().take()!;
  const packed = encodeUpdate(update);
  const plain = new Uint8Array(inflateRawSync(packed));
  const numbers = new Random(3);
  const reached = { unpacked: 0, refused: 0, taken: 0 };
  for (let i = 0; i < 4000; i++) {
    const inside = numbers.below(2) === 0;
    let bytes = (inside ? plain : packed).slice();
    for (let n = numbers.below(3); n >= 0; n--) bytes[numbers.below(bytes.length)] = numbers.below(256);
    if (numbers.below(4) === 0) bytes = bytes.subarray(0, numbers.below(bytes.length));
    try {
      const { ops, isFull, context, shapes } = decodeUpdate(inside ? deflateRawSync(bytes) : bytes);
      new ModelMirror().tables.startOver().apply(ops, 0, ops.length);
      expect(isFull && context === null).toBe(false);
      expect(Array.isArray(shapes)).toBe(true);
      reached.taken++;
    } catch (error) {
      if (!(error instanceof RouteUpdateError)) throw error;
      reached[error.message.includes('unpacked') ? 'unpacked' : 'refused']++;
    }
  }
  for (const [outcome, times] of Object.entries(reached)) expect(times, outcome).toBeGreaterThan(0);
});
