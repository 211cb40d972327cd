import type { Random } from '../support/random.ts';

/** Octets that mean something somewhere: EtherTypes, protocols, versions, lengths at their limits, block types, magics. */
const DICTIONARY: readonly Uint8Array[] = [
  ...[
    '0800',
    '86dd',
    '0806',
    '8100',
    '88a8',
    '8847',
    '8864',
    '88e7',
    '8926',
    '892f',
    '0004',
    'aaaa03',
    '0021',
  ],
  ...[
    '45',
    '46',
    '4f',
    '60',
    '06',
    '11',
    '01',
    '3a',
    '84',
    '2c',
    '00',
    '2b',
    '3c',
    '88',
    '21',
    '29',
    '04',
    '2f',
  ],
  ...[
    'ffff',
    '0000',
    '0001',
    '7fff',
    '8000',
    'ffffffff',
    '7fffffff',
    '80000000',
    '00000000',
    '0000000c',
    '0a0d0d0a',
  ],
  ...[
    '1a2b3c4d',
    '4d3c2b1a',
    'a1b2c3d4',
    'd4c3b2a1',
    'a1b23c4d',
    '06000000',
    '03000000',
    '01000000',
    '00000006',
  ],
].map((text) => Uint8Array.from(Buffer.from(text, 'hex')));

/** Most octets that a mutated input may have. */
const INPUT_MAX = 4096;

/** A few changes of `from`: bits, octets, words of the dictionary, pieces cut out, doubled or taken from `other`. */
export function mutate(random: Random, from: Uint8Array, other: Uint8Array): Uint8Array {
  let bytes = Uint8Array.from(from.subarray(0, INPUT_MAX));
  for (let edits = 1 + random.below(4); edits > 0; edits--) {
    const at = random.below(bytes.length + 1);
    switch (random.below(8)) {
      case 0:
        if (at < bytes.length) bytes[at]! ^= 1 << random.below(8);
        break;
      case 1:
        if (at < bytes.length) bytes[at] = random.below(256);
        break;
      case 2:
      case 3: {
        const word = random.pick(DICTIONARY);
        bytes.set(word.subarray(0, Math.max(0, bytes.length - at)), Math.min(at, bytes.length));
        break;
      }
      case 4:
        bytes = bytes.slice(0, at);
        break;
      case 5:
        bytes = joined(
          bytes.subarray(0, at),
          bytes.subarray(Math.min(bytes.length, at + 1 + random.below(16))),
        );
        break;
      case 6:
        bytes = joined(bytes.subarray(0, at), bytes.subarray(random.below(at + 1)));
        break;
      default:
        bytes = joined(bytes.subarray(0, at), other.subarray(random.below(other.length + 1)));
    }
  }
  return bytes;
}

function joined(a: Uint8Array, b: Uint8Array): Uint8Array<ArrayBuffer> {
  const all = new Uint8Array(Math.min(INPUT_MAX, a.length + b.length));
  all.set(a.subarray(0, all.length));
  all.set(b.subarray(0, all.length - Math.min(a.length, all.length)), Math.min(a.length, all.length));
  return all;
}
