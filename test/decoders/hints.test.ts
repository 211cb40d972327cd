import { describe, expect, test } from 'vitest';
import { Hint, type HintText } from '../../decoders/hints/hint.ts';
import { readDns } from '../../decoders/hints/dns.ts';
import { readHttpRequest, readHttpResponse } from '../../decoders/hints/http.ts';
import { readSsh } from '../../decoders/hints/ssh.ts';
import { readTls } from '../../decoders/hints/tls.ts';
import { clientHello, dnsMessage } from '../support/payloads.ts';

type Reader = (view: DataView, off: number, end: number, hint: Hint) => boolean;

const text = ({ octets, length }: HintText): string => String.fromCharCode(...octets.subarray(0, length));

/** What a reader says of octets that lie within others. */
function read(reader: Reader, bytes: Uint8Array | string): Record<string, unknown> | null {
  const octets = typeof bytes === 'string' ? Uint8Array.from(bytes, (c) => c.charCodeAt(0)) : bytes;
  const around = new Uint8Array(octets.length + 64).fill(0x41);
  around.set(octets, 32);
  const hint = new Hint();
  if (!reader(new DataView(around.buffer), 32, 32 + octets.length, hint)) {
    expect([hint.kind, hint.name.length]).toEqual([0, 0]);
    return null;
  }
  return {
    name: text(hint.name),
    detail: text(hint.detail),
    code: hint.code,
    rcode: hint.rcode,
    partial: hint.isPartial,
  };
}

describe('DNS', () => {
  test('a question has a name and a type, an answer its RCODE as well', () => {
    expect(read(readDns, dnsMessage('www.Example.org', 28))).toMatchObject({
      name: 'www.Example.org',
      code: 28,
      rcode: -1,
    });
    expect(read(readDns, dnsMessage('www.example.org', 1, { flags: 0x8183 }))).toMatchObject({
      code: 1,
      rcode: 3,
    });
    expect(read(readDns, dnsMessage('', 2))).toMatchObject({ name: '.', code: 2 });
  });

  test('what is not printable, and a dot within a label, is escaped', () => {
    const message = dnsMessage('abcdef.org', 1);
    message.set([0x2e, 0x5c, 0x00, 0x20, 0xff], 13);
    expect(read(readDns, message)?.name).toBe('\\.\\\\\\000\\032\\255f.org');
  });

  test('a name that is longer with its escapes than there is room is cut', () => {
    const message = dnsMessage(`${'a'.repeat(63)}.${'b'.repeat(63)}`, 1);
    message.fill(1, 13, 13 + 63);
    expect(read(readDns, message)?.name).toHaveLength(255);
  });

  test('a pointer is followed backwards, and never round', () => {
    // Questions: the name of the second part points into the first.
    const pointing = Uint8Array.from([0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1, 0x61, 0xc0, 12, 0, 1, 0, 1]);
    expect(read(readDns, pointing)).toBeNull(); // to itself, over and over
    const forward = Uint8Array.from([0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0xc0, 16, 0, 1, 0, 1]);
    expect(read(readDns, forward)).toBeNull();
    const header = Uint8Array.from([0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0xc0, 4, 0, 1, 0, 1]);
    expect(read(readDns, header)).toBeNull();
  });

  test.each([
    ['no question', { questions: 0 }],
    ['an opcode that nobody uses', { flags: 0x7800 }],
  ])('%s is nothing', (_, options) => {
    expect(read(readDns, dnsMessage('a.org', 1, options))).toBeNull();
  });

  test('every shorter prefix is nothing', () => {
    const message = dnsMessage('www.example.org', 1);
    for (let end = 0; end < message.length; end++) expect(read(readDns, message.subarray(0, end))).toBeNull();
  });

  test('labels over 63 and names over 255 octets are refused', () => {
    const long = dnsMessage(Array.from({ length: 5 }, () => 'x'.repeat(60)).join('.'), 1);
    expect(read(readDns, long)).toBeNull();
    const label = dnsMessage('a', 1);
    label[12] = 64;
    expect(read(readDns, label)).toBeNull();
  });
});

describe('TLS', () => {
  test('a ClientHello has a server name and the protocols it offers', () => {
    expect(read(readTls, clientHello({ sni: 'www.example.org', alpn: ['h2', 'http/1.1'] }))).toMatchObject({
      name: 'www.example.org',
      detail: 'h2,http/1.1',
      partial: false,
    });
    expect(read(readTls, clientHello({}))).toMatchObject({ name: '', detail: '', partial: false });
  });

  test('what is not printable becomes a question mark', () => {
    expect(read(readTls, clientHello({ sni: 'a\u0000b\u00ff', alpn: ['x,y'] }))).toMatchObject({
      name: 'a?b?',
      detail: 'x?y',
    });
  });

  test('one that is cut says so, with what is there', () => {
    const hello = clientHello({ sni: 'first.example', padding: 1500, alpn: ['h2'] });
    expect(read(readTls, hello.subarray(0, 200))).toMatchObject({
      name: 'first.example',
      detail: '',
      partial: true,
    });
    for (let end = 11; end < hello.length; end++)
      expect(read(readTls, hello.subarray(0, end))).toMatchObject({ partial: true });
    for (let end = 0; end < 11; end++) expect(read(readTls, hello.subarray(0, end))).toBeNull();
  });

  test.each([
    [0, 23, 'application data'],
    [1, 2, 'SSL 2'],
    [5, 2, 'a ServerHello'],
    [9, 9, 'a version that is none'],
  ])('octet %i as %i is %s: nothing', (at, value) => {
    const hello = clientHello({ sni: 'a.org' });
    hello[at] = value;
    expect(read(readTls, hello)).toBeNull();
  });

  test('lengths that point beyond the hello are not followed', () => {
    const hello = clientHello({ sni: 'a.org' });
    for (let at = 43; at < hello.length; at++) {
      for (const value of [0, 0xff]) {
        const changed = hello.slice();
        changed[at] = value;
        const found = read(readTls, changed);
        if (found !== null) expect(String(found.name).length).toBeLessThanOrEqual(255);
      }
    }
  });
});

describe('HTTP', () => {
  test.each([
    ['GET / HTTP/1.1\r\nHost: example.org\r\n\r\n', 'GET', 'example.org'],
    ['POST /x?y HTTP/1.0\r\nA: b\r\nhOsT:example.org:8080 \r\n\r\nHost: body', 'POST', 'example.org:8080'],
    ['GET / HTTP/1.1\nHost: [fd00::1]\n\n', 'GET', '[fd00::1]'],
    ['OPTIONS * HTTP/1.1\r\n\r\nHost: body\r\n', 'OPTIONS', ''],
    ['M-SEARCH * HTTP/1.1\r\nHost: \r\n', 'M-SEARCH', ''],
    ['GET / HTTP/1.1\r\nHost: cut', 'GET', ''],
  ])('a request has method and host: %j', (request, method, host) => {
    expect(read(readHttpRequest, request)).toMatchObject({ detail: method, name: host, code: -1 });
  });

  test.each([
    'GET /',
    'GET / HTTP/2.0\r\n',
    'get / HTTP/1.1\r\n',
    'GO / HTTP/1.1\r\n',
    'HELLO there\r\n',
    'GET HTTP/1.1\r\n',
    '',
  ])('no request: %j', (request) => {
    expect(read(readHttpRequest, request)).toBeNull();
  });

  test.each([
    ['HTTP/1.1 200 OK\r\n', 200],
    ['HTTP/1.0 404', 404],
    ['HTTP/1.1 101 Switching', 101],
  ])('a response has a status: %j', (response, status) => {
    expect(read(readHttpResponse, response)).toMatchObject({ code: status, name: '' });
  });

  test.each([
    'HTTP/1.1 100 Continue\r\n',
    'HTTP/1.1 2x0',
    'HTTP/1.1',
    'HTTP/2 200',
    'HTTP/1.1_200',
    'HTTP/1.1 20',
  ])('no final response: %j', (response) => {
    expect(read(readHttpResponse, response)).toBeNull();
  });

  test.each([
    ['GET / HTTP/1.1\r\nHost: a\r\n', false],
    ['GET / HTTP/1.1\r\n\r\n', false],
    ['GET / HTTP/1.1\r\nA: b\r\n', true],
    ['GET / HTTP/1.1\r\nHost: cut', true],
  ])('a head without its end may still have a host: %j %j', (request, isPartial) => {
    expect(read(readHttpRequest, request)?.partial).toBe(isPartial);
  });

  test('a host that has no end is cut, and a head is searched so far only', () => {
    expect(read(readHttpRequest, `GET / HTTP/1.1\r\nHost: ${'a'.repeat(300)}\r\n`)?.name).toHaveLength(255);
    expect(read(readHttpRequest, `GET / HTTP/1.1\r\n${'A: b\r\n'.repeat(2000)}Host: late\r\n`)?.name).toBe(
      '',
    );
  });
});

describe('SSH', () => {
  test.each([
    ['SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n\u0000\u0001', 'SSH-2.0-OpenSSH_9.2p1 Debian-2'],
    ['SSH-1.99-x\n', 'SSH-1.99-x'],
    ['SSH-2.0-cut', 'SSH-2.0-cut'],
    ['SSH-2.0-a\u0007b\r\n', 'SSH-2.0-a?b'],
  ])('an identification is its line: %j', (line, banner) => {
    expect(read(readSsh, line)?.name).toBe(banner);
  });

  test.each(['SSH-', 'SSH-3.0-x\r\n', 'SSX-2.0-x\r\n', 'ssh-2.0-x\r\n'])('no identification: %j', (line) => {
    expect(read(readSsh, line)).toBeNull();
  });
});
