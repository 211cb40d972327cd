import { OPT_ENDOFOPT } from './pcapng-reader.ts';

/** Longest value of an option: its length has 16 bits. draft-ietf-opsawg-pcapng §3.5. */
const VALUE_MAX = 65_535;
const OPTION_HEADER_LEN = 4;

/** One option: a string (UTF-8, not ended by NUL), or octets. */
export type PcapngOption = readonly [code: number, value: string | Uint8Array];

/** Options as octets, each padded to 32 bits, with the end mark; nothing at all when there are none. §3.5. Little-endian. */
export function encodeOptions(options: readonly PcapngOption[]): Uint8Array {
  if (options.length === 0) return new Uint8Array(0);
  const parts = options.flatMap(([code, value]) => {
    const octets = typeof value === 'string' ? utf8(value) : value;
    const header = Buffer.alloc(OPTION_HEADER_LEN);
    header.writeUInt16LE(code, 0);
    header.writeUInt16LE(octets.length, 2);
    return [header, octets, new Uint8Array((4 - (octets.length & 3)) & 3)];
  });
  const end = Buffer.alloc(OPTION_HEADER_LEN);
  end.writeUInt16LE(OPT_ENDOFOPT, 0);
  return Buffer.concat([...parts, end]);
}

/** The octets of a text, cut at a whole character when it is too long for an option. */
function utf8(text: string): Uint8Array {
  const octets = Buffer.from(text, 'utf8');
  if (octets.length <= VALUE_MAX) return octets;
  let end = VALUE_MAX;
  while ((octets[end]! & 0xc0) === 0x80) end--;
  return octets.subarray(0, end);
}

/** A 64-bit number as the two little-endian words that counters are kept in. @param value whole, 0 to 2^53 */
export function counter64(value: number): Uint8Array {
  const octets = Buffer.alloc(8);
  octets.writeBigUInt64LE(BigInt(value));
  return octets;
}
