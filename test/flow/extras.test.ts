import { describe, expect, test } from 'vitest';
import { hintsJson } from '../../storage/flow-extras.ts';
import type { FrameSpec } from '../support/frames.ts';
import { TestMeter } from '../support/meter.ts';
import { clientHello, dnsMessage } from '../support/payloads.ts';

const ascii = (text: string): Uint8Array => Uint8Array.from(text, (letter) => letter.charCodeAt(0));
const CLIENT: FrameSpec = { src: '10.0.0.9', sport: 5000, dst: '10.0.0.1', dport: 443, flags: 'PA' };
const SERVER: FrameSpec = { src: '10.0.0.1', sport: 443, dst: '10.0.0.9', dport: 5000, flags: 'PA' };
const RESOLVER: FrameSpec = { proto: 'udp', src: '10.0.0.1', sport: 53, dst: '10.0.0.9', dport: 5000 };
const ASKING: FrameSpec = { proto: 'udp', src: '10.0.0.9', sport: 5000, dst: '10.0.0.1', dport: 53 };

/** Hints of the flows, as the last record of each left them. */
function hints(m: TestMeter): unknown[] {
  m.finish();
  const last = new Map(
    m.extras().flatMap(({ seq, kind, octets }) => (kind === 0 ? [[seq, octets] as const] : [])),
  );
  return [...last].sort((a, b) => a[0] - b[0]).map(([, octets]) => JSON.parse(hintsJson(octets)));
}

/** Payload of the flows, as text: [flow, direction, octets]. */
function payloads(m: TestMeter): [number, string, string][] {
  m.finish();
  return m
    .extras()
    .sort((a, b) => a.seq - b.seq || a.kind - b.kind)
    .flatMap(({ seq, kind, octets }) =>
      kind === 0 ? [] : [[seq, kind === 1 ? 'fwd' : 'rev', octets.toString('latin1')]],
    );
}

describe('hints of a flow', () => {
  test('DNS: the first question, and the RCODE of the answer to it', () => {
    const m = new TestMeter({ hints: true });
    m.feed({ ...ASKING, payload: dnsMessage('a.example', 1, { id: 1 }) }, 1);
    m.feed({ ...ASKING, payload: dnsMessage('a.example', 28, { id: 2 }) }, 1);
    m.feed({ ...RESOLVER, payload: dnsMessage('a.example', 28, { id: 2, flags: 0x8180 }) }, 1);
    m.feed({ ...RESOLVER, payload: dnsMessage('a.example', 1, { id: 1, flags: 0x8183 }) }, 1);
    expect(hints(m)).toEqual([{ dns: { query: 'a.example', type: 'A', rcode: 'NXDOMAIN' } }]);
  });

  test('DNS: an answer whose question was not seen, and types without a name', () => {
    const m = new TestMeter({ hints: true });
    m.feed({ ...RESOLVER, payload: dnsMessage('b.example', 65_000, { flags: 0x818f }) }, 1);
    m.feed({ ...ASKING, sport: 6, payload: dnsMessage('c.example', 65) }, 1);
    expect(hints(m)).toEqual([
      { dns: { query: 'b.example', type: 'TYPE65000', rcode: 'RCODE15' } },
      { dns: { query: 'c.example', type: 'HTTPS', rcode: null } },
    ]);
  });

  test('TLS: a ClientHello over several segments is put together', () => {
    const m = new TestMeter({ hints: true });
    const hello = clientHello({ padding: 1700, sni: 'late.example', alpn: ['h2'], isLate: true });
    const nameless = clientHello({ padding: 1400, alpn: ['h2', 'http/1.1'] });
    for (const [sport, bytes] of [
      [1, hello],
      [2, nameless],
    ] as const)
      for (let at = 0; at < bytes.length; at += 700)
        m.feed({ ...CLIENT, sport, seq: 1000 + at, payload: bytes.subarray(at, at + 700) }, 1);
    expect(hints(m)).toEqual([
      { tls: { sni: 'late.example', alpn: ['h2'] } },
      { tls: { sni: null, alpn: ['h2', 'http/1.1'] } },
    ]);
  });

  test('TLS: a segment that is missing leaves what was there', () => {
    const m = new TestMeter({ hints: true });
    const hello = clientHello({ sni: 'first.example', padding: 1700, alpn: ['h2'] });
    m.feed({ ...CLIENT, seq: 1000, payload: hello.subarray(0, 700) }, 1);
    m.feed({ ...CLIENT, seq: 2400, payload: hello.subarray(1400) }, 1);
    expect(hints(m)).toEqual([{ tls: { sni: 'first.example', alpn: null } }]);
  });

  test('HTTP: a request whose line or head is longer than a segment is put together', () => {
    const m = new TestMeter({ hints: true });
    for (const [sport, request] of [
      [1, `GET /${'x'.repeat(1500)} HTTP/1.1\r\nHost: a.example\r\n\r\n`],
      [2, `GET / HTTP/1.1\r\nCookie: ${'x'.repeat(1500)}\r\nHost: b.example\r\n\r\n`],
      [3, `NOT A REQUEST${' AT ALL'.repeat(200)}\r\n`],
    ] as const)
      for (let at = 0; at < request.length; at += 1000)
        m.feed({ ...CLIENT, sport, seq: 1 + at, payload: ascii(request.slice(at, at + 1000)) }, 1);
    m.feed(
      {
        proto: 'udp',
        dport: 1900,
        payload: ascii('M-SEARCH * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\n\r\n'),
      },
      1,
    );
    expect(hints(m)).toEqual([
      { http: { method: 'GET', host: 'a.example', status: null } },
      { http: { method: 'GET', host: 'b.example', status: null } },
      { http: { method: 'M-SEARCH', host: '239.255.255.250:1900', status: null } },
    ]);
  });

  test('HTTP: an answer counts also while the request goes on, or when its rest is never seen', () => {
    const m = new TestMeter({ hints: true });
    m.feed({ ...CLIENT, seq: 1, payload: ascii('POST / HTTP/1.1\r\nA: b\r\n') }, 1);
    m.feed({ ...SERVER, payload: ascii('HTTP/1.1 400 Bad Request\r\n\r\n') }, 1);
    m.feed({ ...CLIENT, seq: 1, payload: ascii('POST / HTTP/1.1\r\nA: b\r\n') }, 1);
    m.feed({ ...CLIENT, seq: 24, payload: ascii('Host: a.example\r\n') }, 1);
    m.feed({ ...CLIENT, sport: 7, seq: 1, payload: ascii('GET / HTTP/1.1\r\n') }, 1);
    for (let i = 0; i < 10; i++) m.feed({ ...CLIENT, sport: 7, seq: 100 + i, payload: 5 }, 1);
    m.feed({ ...SERVER, dport: 7, payload: ascii('HTTP/1.1 200 OK\r\n\r\n') }, 1);
    expect(hints(m)).toEqual([
      { http: { method: 'POST', host: 'a.example', status: 400 } },
      { http: { method: 'GET', host: null, status: 200 } },
    ]);
  });

  test('HTTP: method, host and status, of the first request and the first final response', () => {
    const m = new TestMeter({ hints: true });
    m.feed(
      {
        ...CLIENT,
        payload: ascii('POST /secret HTTP/1.1\r\nHost: a.example\r\nExpect: 100-continue\r\n\r\n'),
      },
      1,
    );
    m.feed({ ...SERVER, payload: ascii('HTTP/1.1 100 Continue\r\n\r\n') }, 1);
    m.feed({ ...SERVER, payload: ascii('HTTP/1.1 201 Created\r\n\r\n') }, 1);
    m.feed({ ...CLIENT, payload: ascii('GET / HTTP/1.1\r\nHost: b.example\r\n\r\n') }, 1);
    m.feed({ ...SERVER, payload: ascii('HTTP/1.1 404 Not Found\r\n\r\n') }, 1);
    expect(hints(m)).toEqual([{ http: { method: 'POST', host: 'a.example', status: 201 } }]);
  });

  test('SSH: the banner of each side, also when the originator is corrected after a record was written', () => {
    const m = new TestMeter({ hints: true, checkpointSec: 5 });
    // Ports that tell nothing: who speaks first is taken for the originator, until a SYN says otherwise.
    const client = { ...CLIENT, sport: 50_001, dport: 50_002 };
    const server = { ...SERVER, sport: 50_002, dport: 50_001 };
    m.feed({ ...server, payload: ascii('SSH-2.0-server\r\n') }, 1);
    m.feed({ ...client, payload: ascii('SSH-2.0-client\r\n') }, 1);
    m.table.tick(7);
    m.feed({ ...client, flags: 'S' }, 8);
    expect(m.extras().map(({ octets }) => JSON.parse(hintsJson(octets)))).toEqual([
      { ssh: { client: 'SSH-2.0-server', server: 'SSH-2.0-client' } },
    ]);
    expect(hints(m)).toEqual([{ ssh: { client: 'SSH-2.0-client', server: 'SSH-2.0-server' } }]);
  });

  test('only the first payload packets of a direction are read', () => {
    const m = new TestMeter({ hints: true });
    for (let i = 0; i < 4; i++) m.feed({ ...CLIENT, payload: 10 }, 1);
    m.feed({ ...CLIENT, payload: ascii('GET / HTTP/1.1\r\nHost: late\r\n\r\n') }, 1);
    m.feed({ ...SERVER, payload: ascii('HTTP/1.1 200 OK\r\n\r\n') }, 1);
    expect(hints(m)).toEqual([{ http: { method: null, host: null, status: 200 } }]);
  });

  test('a checkpoint writes them once, and again only when there is more', () => {
    const m = new TestMeter({ hints: true, checkpointSec: 5 });
    m.feed({ ...ASKING, payload: dnsMessage('a.example', 1) }, 1);
    for (let sec = 1; sec < 20; sec++) m.feed({ ...ASKING, payload: 0 }, sec);
    expect(m.extras()).toHaveLength(1);
    m.feed({ ...RESOLVER, payload: dnsMessage('a.example', 1, { flags: 0x8180 }) }, 20);
    for (let sec = 20; sec < 40; sec++) m.feed({ ...ASKING, payload: 0 }, sec);
    m.finish();
    expect(m.extras()).toHaveLength(2);
  });

  test('a slot that is used again begins without those of the flow before', () => {
    const m = new TestMeter({ hints: true, maxFlows: 1 });
    m.feed({ ...ASKING, payload: dnsMessage('a.example', 1) }, 1);
    m.feed({ ...CLIENT, flags: 'S' }, 1);
    m.feed({ ...CLIENT, payload: ascii('SSH-2.0-x\r\n') }, 1);
    expect(hints(m)).toEqual([
      { dns: { query: 'a.example', type: 'A', rcode: null } },
      { ssh: { client: 'SSH-2.0-x', server: null } },
    ]);
  });

  test('without --hints there are none, and nothing is set aside', () => {
    const m = new TestMeter();
    m.feed({ ...ASKING, payload: dnsMessage('a.example', 1) }, 1);
    expect(m.table.extras).toBeNull();
    expect(hints(m)).toEqual([]);
  });
});

describe('payload of a flow', () => {
  test('is the first octets of each direction, over packets', () => {
    const m = new TestMeter({ payloadOctets: 10 });
    m.feed({ ...ASKING, payload: ascii('abcdef') }, 1);
    m.feed({ ...RESOLVER, payload: ascii('ABC') }, 1);
    m.feed({ ...ASKING, payload: ascii('ghijkl') }, 1);
    m.feed({ ...ASKING, payload: ascii('mno') }, 1);
    expect(payloads(m)).toEqual([
      [0, 'fwd', 'abcdefghij'],
      [0, 'rev', 'ABC'],
    ]);
  });

  test('of TCP has nothing twice and no gap', () => {
    const m = new TestMeter({ payloadOctets: 100 });
    m.feed({ ...CLIENT, flags: 'S', seq: 9 }, 1);
    m.feed({ ...CLIENT, seq: 10, payload: ascii('abc') }, 1);
    m.feed({ ...CLIENT, seq: 10, payload: ascii('abc') }, 1);
    m.feed({ ...CLIENT, seq: 16, payload: ascii('ghi') }, 1);
    m.feed({ ...CLIENT, seq: 11, payload: ascii('bcdef') }, 1);
    m.feed({ ...CLIENT, seq: 16, payload: ascii('ghi') }, 1);
    expect(payloads(m)).toEqual([[0, 'fwd', 'abcdefghi']]);
  });

  test('is that of the packet, not of its padding or of what the snaplen cut', () => {
    const m = new TestMeter({ payloadOctets: 1024 });
    m.feed({ ...ASKING, payload: 1400 }, 1);
    m.feed({ proto: 'icmp', sport: 8, dport: 0, payload: ascii('ping') }, 1);
    expect(payloads(m).map(([seq, side, octets]) => [seq, side, octets.length])).toEqual([
      [0, 'fwd', 1024],
      [1, 'fwd', 4],
    ]);
  });

  test('with hints, both are kept; more than a batch holds goes into the next', () => {
    const m = new TestMeter({ payloadOctets: 1024, hints: true, maxFlows: 4096 });
    for (let i = 0; i < 1000; i++)
      m.feed(
        {
          ...ASKING,
          sport: 1024 + i,
          payload: Uint8Array.from([...dnsMessage(`n${i}.example`, 1), ...new Uint8Array(1000)]),
        },
        1,
      );
    expect(hints(m)).toEqual(
      Array.from({ length: 1000 }, (_, i) => ({ dns: { query: `n${i}.example`, type: 'A', rcode: null } })),
    );
    expect(payloads(m).filter(([, , octets]) => octets.length === 1024)).toHaveLength(1000);
  });

  test('flows for which none is left go without and are counted', () => {
    const m = new TestMeter({ payloadOctets: 1024, maxFlows: 200_000 });
    for (let i = 0; i < 150_000; i++)
      m.feed({ ...ASKING, src: `10.${i >> 16}.${(i >> 8) & 255}.${i & 255}`, payload: 3 }, 1);
    m.feed({ ...ASKING, src: '10.2.73.239', payload: 3 }, 1); // the last again: counted once
    const shed = m.table.extras!.shed[0]!;
    expect(shed).toBeGreaterThan(10_000);
    m.table.endAll('eof');
    expect(m.extras()).toHaveLength(150_000 - shed);
  });
});
