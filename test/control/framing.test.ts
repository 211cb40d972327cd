import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FrameReader, frameOf } from '../../daemon/control/framing.ts';

const MAX = 1000;

/** Reads a stream that comes in these pieces, until the end or the first error. */
function read(pieces: readonly Uint8Array[], max = MAX): { frames: Uint8Array[]; error: string | null } {
  const reader = new FrameReader(max);
  const frames: Uint8Array[] = [];
  try {
    for (const piece of pieces) {
      reader.push(piece);
      for (let frame = reader.next(); frame !== null; frame = reader.next()) frames.push(frame);
    }
    return { frames, error: null };
  } catch (error) {
    return { frames, error: (error as { code: string }).code };
  }
}

/** Cuts octets at places that are given as shares of their length. */
function cut(octets: Uint8Array, shares: readonly number[]): Uint8Array[] {
  const places = shares.map((share) => Math.floor(share * octets.length)).sort((a, b) => a - b);
  return [0, ...places].map((from, i) => octets.slice(from, places[i] ?? octets.length));
}

describe('frames', () => {
  it('come out as they were put in, wherever the stream is cut', () => {
    const messages = fc.array(fc.uint8Array({ maxLength: MAX, size: 'max' }), { maxLength: 6, size: 'max' });
    const shares = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 12, size: 'max' });
    let long = 0;
    fc.assert(
      fc.property(messages, shares, (list, at) => {
        const stream = Buffer.concat(list.map((message) => frameOf([message], MAX)));
        if (list.some(({ length }) => length > 127)) long++;
        const { frames, error } = read(cut(stream, at));
        expect(error).toBeNull();
        expect(frames.map((frame) => Buffer.from(frame).toString('hex'))).toEqual(
          list.map((message) => Buffer.from(message).toString('hex')),
        );
      }),
      { numRuns: 500 },
    );
    expect(long).toBeGreaterThan(100);
  });

  it('of random octets are frames within the bound or one error, and never more memory than that', () => {
    const outcomes = { error: 0, frames: 0 };
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 4000, size: 'max' }), (octets) => {
        const { frames, error } = read(cut(octets, [0.3, 0.6]));
        for (const frame of frames) expect(frame.length).toBeLessThanOrEqual(MAX);
        if (error !== null) {
          expect(error).toBe('CONTROL_BAD_FRAME');
          outcomes.error++;
        }
        if (frames.length > 0) outcomes.frames++;
      }),
      { numRuns: 2000 },
    );
    expect(outcomes.error).toBeGreaterThan(100);
    expect(outcomes.frames).toBeGreaterThan(100);
  });

  it.each([
    ['the largest', [0xe8, 0x07], null],
    ['one octet more', [0xe9, 0x07], 'CONTROL_BAD_FRAME'],
    ['the largest that three octets hold', [0xff, 0xff, 0x7f], 'CONTROL_BAD_FRAME'],
    ['a length of four octets', [0x80, 0x80, 0x80], 'CONTROL_BAD_FRAME'],
  ])('take a length of %s as they should', (_name, head, error) => {
    expect(read([Uint8Array.from(head)])).toEqual({ frames: [], error });
  });

  it('say that one has begun, from the first octet of its length to its last', () => {
    const reader = new FrameReader(MAX);
    const seen: boolean[] = [];
    for (const octet of frameOf([new Uint8Array(130)], MAX)) {
      reader.push(Uint8Array.of(octet));
      const frame = reader.next();
      seen.push(reader.isPartial);
      if (frame !== null) expect(frame).toEqual(new Uint8Array(130));
    }
    expect(seen).toEqual([...new Array<boolean>(131).fill(true), false]);
  });

  it('that are too long to be sent are not made', () => {
    expect(() => frameOf([new Uint8Array(600), new Uint8Array(401)], MAX)).toThrow(
      'message of 1001 octets; at most 1000 may be sent',
    );
  });
});
