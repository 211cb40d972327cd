import { decodeRequest, encodeRequest } from '../../daemon/control/codec.ts';
import { ControlError } from '../../daemon/control/errors.ts';
import { FrameReader, frameOf } from '../../daemon/control/framing.ts';
import type { RequestBodies, RequestKind } from '../../daemon/control/messages.ts';
import { wantedPackets } from '../../daemon/control/packets-wanted.ts';
import { checkSelection } from '../../daemon/control/selectors.ts';
import { matcher } from '../../storage/filter-match.ts';
import { Broken, fold, type Target } from './target.ts';

/** Small, so that mutated lengths are on both sides of it. */
const MAX = 300;

const KINDS = ['hello', 'status', 'interfaces', 'addCapture', 'packets', 'cancel'] as const;

const BODIES: { [K in (typeof KINDS)[number]]: RequestBodies[K] } = {
  hello: { version: 1, client: 'fuzz' },
  status: {},
  interfaces: { netns: 'lab' },
  addCapture: { netns: 'lab-*', interface: 'veth[0-9]' },
  packets: { netns: '', interface: '', filter: '{"kind":"ipVersion","version":4}', snapLength: 96 },
  cancel: { id: 3 },
};

/**
 * What comes over the control socket: a stream cut into requests, each decoded and its selection checked. Whatever it is, it
 * ends in requests or in a ControlError, the memory is bounded, and it makes no difference how the stream was cut.
 */
export function controlTarget(): Target {
  return {
    name: 'control',
    seeds: () => {
      const frames = KINDS.map((kind, i) => frameOf([encodeRequest(i + 1, kind, BODIES[kind])], MAX));
      const large = frameOf([encodeRequest(9, 'hello', { version: 1, client: 'x'.repeat(200) })], MAX);
      return [...frames, large, Buffer.concat(frames)];
    },
    run(input) {
      const whole = requests([input]);
      const middle = input.length >> 1;
      const cut = requests([input.slice(0, middle), input.slice(middle)]);
      if (cut.text !== whole.text) throw new Broken(`cut in two: ${cut.text}; whole: ${whole.text}`);
      return whole.way;
    },
  };
}

function requests(pieces: readonly Uint8Array[]): { text: string; way: number } {
  const reader = new FrameReader(MAX);
  const seen: string[] = [];
  try {
    for (const piece of pieces) {
      reader.push(piece);
      for (let frame = reader.next(); frame !== null; frame = reader.next()) {
        if (frame.length > MAX) throw new Broken(`frame of ${frame.length} octets`);
        seen.push(request(frame));
      }
    }
    if (reader.isPartial) seen.push('half');
  } catch (error) {
    if (!(error instanceof ControlError)) throw error;
    if (error.code !== 'CONTROL_BAD_FRAME') throw new Broken(`the stream ended with ${error.code}`);
    seen.push(error.message);
  }
  // By kinds, not by how many of them, nor by the names and numbers in them.
  const kinds = new Set(seen.map((each) => each.slice(0, 8)));
  const way = [...kinds].sort().reduce((sum, kind) => fold(sum, kind.charCodeAt(0) * kind.length), 1);
  return { text: seen.join('; '), way };
}

function request(frame: Uint8Array): string {
  try {
    const { id, kind, body } = decodeRequest(frame);
    if (!Number.isInteger(id) || id < 1 || id > 0xffff_ffff) throw new Broken(`id ${id}`);
    if (kind === 'addCapture' || kind === 'removeCapture') {
      checkSelection(body);
      if (/[/\s]/.test(body.netns + body.interface)) throw new Broken(`taken: ${JSON.stringify(body)}`);
    }
    if (kind === 'packets') {
      const { filter, snapLen } = wantedPackets(body);
      if (snapLen < 1 || snapLen > 65_535) throw new Broken(`snap length ${snapLen}`);
      if (filter !== null) matcher(filter);
    }
    return `${kind satisfies RequestKind}${Object.keys(body).length}`;
  } catch (error) {
    if (!(error instanceof ControlError)) throw error;
    if (error.code !== 'CONTROL_BAD_REQUEST') throw new Broken(`a request ended with ${error.code}`);
    return error.message;
  }
}
