import { readFileSync } from 'node:fs';
import { decodePacket } from '../../decoders/packet.ts';
import { PacketFields } from '../../decoders/packet-fields.ts';
import type { Status } from '../../decoders/status.ts';

/** Octets of hex text; blanks and "#" comments to the end of a line do not count. */
export function hex(text: string): Uint8Array {
  return Uint8Array.from(Buffer.from(text.replace(/#.*$/gm, '').replace(/\s+/g, ''), 'hex'));
}

/** Octets of fixtures/frames/NAME.hex. */
export function frame(name: string): Uint8Array {
  return hex(readFileSync(new URL(`../../fixtures/frames/${name}.hex`, import.meta.url), 'utf8'));
}

/** Octets of guard on either side of a packet in `place`: a read past an end is a RangeError, a wrong one shows 0xee. */
const GUARD = 24;

/** A packet in the middle of a larger view, where a ring would have it. */
export interface Placed {
  view: DataView;
  off: number;
  end: number;
}

/**
 * Puts octets at an odd offset of a view that ends right behind them, so that reading past the captured end throws.
 */
export function place(bytes: Uint8Array): Placed {
  const off = GUARD + 1;
  const all = new Uint8Array(off + bytes.length).fill(0xee);
  all.set(bytes, off);
  return { view: new DataView(all.buffer), off, end: all.length };
}

/** What a source would set before `decodePacket`. */
export interface SourceFields {
  linkType?: number;
  wireLen?: number;
  pktType?: number;
  strippedTci?: number;
  strippedTpid?: number;
}

/** Decodes one packet; `at` turns an offset of the view into one of the frame. */
export function decode(
  bytes: Uint8Array,
  source: SourceFields = {},
): { f: PacketFields; status: Status; at: (off: number) => number } {
  const { view, off, end } = place(bytes);
  const f = new PacketFields();
  Object.assign(f, { linkType: 1, wireLen: bytes.length, pktType: -1, strippedTci: -1 }, source);
  const status = decodePacket(view, off, end, f);
  return { f, status, at: (at) => (at < 0 ? at : at - off) };
}

/** A header decoder. */
export type Decoder = (view: DataView, off: number, end: number, f: PacketFields) => Status;

/** Fields whose value differs from a new PacketFields: what a decoder touched. */
export function touched(f: PacketFields): Partial<Record<keyof PacketFields, unknown>> {
  const fresh = new PacketFields();
  return Object.fromEntries(
    Object.entries(f).filter(([name, value]) => value !== fresh[name as keyof PacketFields]),
  );
}

/** Runs one header decoder on octets of its own; gives its status, and what it touched with offsets from 0. */
export function runDecoder(
  decoder: Decoder,
  bytes: Uint8Array,
  before: Partial<PacketFields> = {},
): { status: Status; f: PacketFields } {
  const f = Object.assign(new PacketFields(), before);
  const status = decoder(new DataView(Uint8Array.from(bytes).buffer), 0, bytes.length, f);
  return { status, f };
}

/** For each shorter prefix: its length, the status, and whether `f` stayed as it was. */
export function everyPrefix(
  decoder: Decoder,
  bytes: Uint8Array,
  before: Partial<PacketFields> = {},
): { length: number; status: Status; untouched: boolean }[] {
  const reference = JSON.stringify(Object.assign(new PacketFields(), before));
  return Array.from({ length: bytes.length }, (_, length) => {
    const { status, f } = runDecoder(decoder, bytes.subarray(0, length), before);
    return { length, status, untouched: JSON.stringify(f) === reference };
  });
}
