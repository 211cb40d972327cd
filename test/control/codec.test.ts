import { describe, expect, it } from 'vitest';
import {
  decodeRequest,
  decodeResponse,
  encodeBody,
  encodeHead,
  encodeRequest,
} from '../../daemon/control/codec.ts';
import type { RequestBodies, RequestKind, ResponseBody } from '../../daemon/control/messages.ts';

const SELECTION = { netns: 'lab-ü', interface: 'veth*' };

const REQUESTS: { [K in RequestKind]: RequestBodies[K] } = {
  hello: { version: 1, client: 'test' },
  status: {},
  netns: {},
  interfaces: { netns: 'a' },
  routes: { netns: 'a' },
  addCapture: SELECTION,
  removeCapture: SELECTION,
  packets: { ...SELECTION, filter: '{"kind":"ü"}', snapLength: 65_535 },
  flows: { netns: '', interface: '' },
  cancel: { id: 4_294_967_295 },
  reload: {},
  experimentStart: { name: 'mtu 1400', netns: '' },
  experimentStop: { name: '', experimentId: 2 ** 40 },
  checkpoint: {},
  rank: { view: 'flows', filter: '{"kind":"proto"}', sort: 'rate', ascending: true, limit: 50, intervalS: 2 },
};

const RESPONSES: ResponseBody[] = [
  { welcome: { version: 1, nstap: '0.1.0', pid: 1, enginePid: 4_194_304, revision: 1 } },
  { netns: { netns: [{ netns: 'a', netnsId: '4:1', interfaces: 2, captured: 1, reason: '' }] } },
  { routes: { snapshot: '{"routes":[\n' } },
  { capture: { captured: 3 } },
  {
    experiment: {
      experimentId: 7,
      name: 'ü',
      number: 2,
      netns: '',
      startedS: 2 ** 40,
      startedNs: 999_999_999,
      running: false,
      endedS: 2 ** 40 + 1,
      endedNs: 0,
    },
  },
  {
    packets: {
      packets: [
        {
          timeS: 2 ** 40,
          timeNs: 999_999_999,
          netns: 'a',
          interface: 'v0',
          linkType: 1,
          packetType: 4,
          wireLength: 65_550,
          capturedLength: 256,
          octets: Buffer.from(Array.from({ length: 256 }, (_, i) => i)),
          vlanTci: 0x0fff,
          vlanTpid: 0x8100,
          route: '10.0.0.0/8 via 10.9.0.2 dev v0',
          verdict: 'send',
          routeIndex: 1,
        },
      ],
      skippedClient: 7,
      skipped: Number.MAX_SAFE_INTEGER,
      matched: 2 ** 40,
      routes: [
        {
          type: 'unicast',
          verdict: 'send',
          rule: 0,
          table: '1000',
          prefix: '10.0.0.0/8',
          gateway: '10.9.0.2',
          dev: 'v0',
          scope: 'global',
          protocol: 'static',
          metric: 4_294_967_295,
          prefsrc: '10.9.0.1',
          stage: 'output',
          observed: 'agrees',
          confidence: 'assumed',
          reason: 'ü',
          text: '10.0.0.0/8 via 10.9.0.2 dev v0',
        },
      ],
    },
  },
];

describe('a request', () => {
  it.each(Object.keys(REQUESTS) as RequestKind[])('%s is read as it was written', (kind) => {
    const body = REQUESTS[kind];
    expect(decodeRequest(encodeRequest(7, kind, body))).toEqual({ id: 7, kind, body });
  });

  it.each([
    ['no octets', [], 'request without an id'],
    ['no id', [...encodeRequest(0, 'status', {})], 'request without an id'],
    ['an id alone', [0x08, 0x05], 'request 5 asks for nothing that this daemon knows'],
    [
      'a field of a newer version',
      [0x08, 0x05, 0xa2, 0x06, 0],
      'request 5 asks for nothing that this daemon knows',
    ],
    ['a wrong wire type', [0x0f], 'request is no protobuf of nstap.proto'],
    ['a length beyond the end', [0x08, 0x05, 0x12, 0x20, 0], 'request is no protobuf of nstap.proto'],
    [
      'a name that is no UTF-8',
      [0x08, 5, 0x2a, 4, 0x0a, 2, 0xff, 0xfe],
      'request is no protobuf of nstap.proto',
    ],
    ['groups in groups', new Array<number>(65_536).fill(0x0b), 'request is no protobuf of nstap.proto'],
  ])('of %s is refused with a reason', (_name, octets, reason) => {
    expect(() => decodeRequest(Uint8Array.from(octets))).toThrow(
      expect.objectContaining({ code: 'CONTROL_BAD_REQUEST', message: reason }),
    );
  });
});

describe('a response', () => {
  it.each(RESPONSES.map((body) => [Object.keys(body)[0]!, body] as const))(
    'with %s is read as it was written, from head and body apart',
    (kind, body) => {
      const octets = Buffer.concat([encodeHead(9, true), encodeBody(body)]);
      const { body: name, ...response } = decodeResponse(octets) as unknown as Record<string, unknown>;
      expect(name).toBe(kind);
      expect(response).toEqual({ id: 9, end: true, error: null, ...body });
    },
  );

  it('with an error has its code and message', () => {
    const error = { code: 'CONTROL_BUSY', message: 'later' };
    expect(decodeResponse(encodeHead(3, true, error))).toEqual({ id: 3, end: true, error });
  });

  it('that is none is refused', () => {
    expect(() => decodeResponse(Uint8Array.of(0xff))).toThrow(
      expect.objectContaining({ code: 'CONTROL_BAD_FRAME' }),
    );
  });
});
