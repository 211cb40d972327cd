import { deflateRawSync, inflateRawSync } from 'node:zlib';
import { areOps } from './route-tables.ts';
import type { RouteUpdate } from './update.ts';

/** Octets of the header: version u32 0, octets of the JSON that follows u32 4, both little-endian. Behind it the operations. */
const HEADER_LEN = 8;
const VERSION = 1;
const decoder = new TextDecoder();
const encoder = new TextEncoder();

/** An update that was stored and is none, or one of a newer program. */
export class RouteUpdateError extends Error {
  readonly code = 'ROUTE_UPDATE';

  constructor(reason: string, options?: ErrorOptions) {
    super(`stored route update: ${reason}`, options);
    this.name = 'RouteUpdateError';
  }
}

/** An update as octets, for a file or a database: some 7 a route in a large table. */
export function encodeUpdate(update: RouteUpdate): Uint8Array {
  const { ops, ...rest } = update;
  const json = encoder.encode(JSON.stringify(rest));
  // Operations start at a word.
  const jsonLen = (json.length + 3) & ~3;
  const bytes = new Uint8Array(HEADER_LEN + jsonLen + ops.byteLength).fill(
    0x20,
    HEADER_LEN,
    HEADER_LEN + jsonLen,
  );
  const view = new DataView(bytes.buffer);
  view.setUint32(0, VERSION, true);
  view.setUint32(4, jsonLen, true);
  bytes.set(json, HEADER_LEN);
  for (let i = 0; i < ops.length; i++) view.setInt32(HEADER_LEN + jsonLen + i * 4, ops[i]!, true);
  return deflateRawSync(bytes, { level: 1 });
}

/** Reads what `encodeUpdate` made. @throws RouteUpdateError */
export function decodeUpdate(data: Uint8Array): RouteUpdate {
  let bytes: Buffer;
  try {
    bytes = inflateRawSync(data);
  } catch (error) {
    throw new RouteUpdateError(`cannot be unpacked: ${(error as Error).message}`, { cause: error });
  }
  if (bytes.length < HEADER_LEN) throw new RouteUpdateError(`${bytes.length} octets`);
  const version = bytes.readUInt32LE(0);
  if (version !== VERSION) throw new RouteUpdateError(`version ${version}; this nstap knows ${VERSION}`);
  const start = HEADER_LEN + bytes.readUInt32LE(4);
  if (start > bytes.length || (bytes.length - start) % 4 !== 0)
    throw new RouteUpdateError(`${bytes.length} octets with a head of ${start}`);
  const ops = new Int32Array((bytes.length - start) / 4);
  for (let i = 0; i < ops.length; i++) ops[i] = bytes.readInt32LE(start + i * 4);
  if (!areOps(ops)) throw new RouteUpdateError('operations that are none');
  let rest: unknown;
  try {
    rest = JSON.parse(decoder.decode(bytes.subarray(HEADER_LEN, start)));
  } catch (error) {
    throw new RouteUpdateError(`no JSON: ${(error as Error).message}`, { cause: error });
  }
  if (!isHead(rest)) throw new RouteUpdateError('no head of an update');
  return { ...rest, ops };
}

function isHead(value: unknown): value is Omit<RouteUpdate, 'ops'> {
  if (typeof value !== 'object' || value === null) return false;
  const { isFull, atMs, context, shapes } = value as Partial<Record<keyof RouteUpdate, unknown>>;
  if (typeof isFull !== 'boolean' || typeof atMs !== 'number' || typeof context !== 'object') return false;
  return Array.isArray(shapes) && !(isFull && context === null);
}
