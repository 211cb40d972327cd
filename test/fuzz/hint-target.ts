import { Hint, HINT_TEXT_MAX, HintKind, type HintText } from '../../decoders/hints/hint.ts';
import { readHint } from '../../decoders/hints/read-hint.ts';
import { PacketFields } from '../../decoders/packet-fields.ts';
import { clientHello, dnsMessage } from '../support/payloads.ts';
import { Broken, fold, type Target } from './target.ts';

const AROUND = 64;
const ROOM = 8192;
const ascii = (text: string): number[] => [...text].map((letter) => letter.charCodeAt(0));

/** Hints of payloads: printable, bounded, and the same whatever lies around. Octet 0: UDP, TCP, or either on port 53. */
export function hintTarget(): Target {
  const worlds = [0x00, 0xff].map((octet) => {
    const bytes = new Uint8Array(ROOM).fill(octet);
    return { bytes, octet, view: new DataView(bytes.buffer) };
  });
  const f = new PacketFields();
  const hint = new Hint();
  const shown = ({ octets, length }: HintText): string => {
    if (length > HINT_TEXT_MAX) throw new Broken(`a text of ${length} octets`);
    return String.fromCharCode(...octets.subarray(0, length));
  };
  return {
    name: 'hints',
    seeds: () =>
      [
        [0, ...dnsMessage('www.example.org', 28)],
        [0, ...dnsMessage('x.example.org', 1, { flags: 0x8183 })],
        [1, 0, 33, ...dnsMessage('www.example.org', 1)],
        [2, ...clientHello({ sni: 'www.example.org', alpn: ['h2', 'http/1.1'], padding: 20 })],
        [2, ...ascii('GET /x HTTP/1.1\r\nAccept: a\r\nHost: example.org\r\n\r\n')],
        [2, ...ascii('HTTP/1.1 404 Not Found\r\n\r\n')],
        [2, ...ascii('SSH-2.0-OpenSSH_9.2\r\n')],
      ].map((octets) => Uint8Array.from(octets)),
    run(input) {
      const payload = input.subarray(1, 1 + ROOM - 2 * AROUND);
      f.ipProto = ((input[0] ?? 0) & 3) === 0 ? 17 : 6;
      f.srcPort = 40_000;
      f.dstPort = ((input[0] ?? 0) & 3) < 2 ? 53 : 443;
      const results = worlds.map(({ bytes, view, octet }) => {
        bytes.set(payload, AROUND);
        hint.clear();
        const found = readHint(view, AROUND, AROUND + payload.length, f, hint);
        bytes.fill(octet, AROUND, AROUND + payload.length);
        return [
          found,
          hint.kind,
          shown(hint.name),
          shown(hint.detail),
          hint.code,
          hint.rcode,
          hint.isPartial,
        ].join('|');
      });
      if (results[0] !== results[1]) throw new Broken(`by the octets around: ${results.join(' or ')}`);
      if (!/^[\x20-\x7e]*$/.test(results[0]!))
        throw new Broken(`not printable: ${JSON.stringify(results[0])}`);
      if (results[0]!.startsWith('true') !== (hint.kind !== HintKind.none))
        throw new Broken(`kind ${hint.kind}: ${results[0]}`);
      return fold(
        fold(fold(hint.kind, hint.name.length), hint.detail.length),
        fold(hint.code, hint.isPartial ? 1 : 0),
      );
    },
  };
}
