/** Builds payloads of applications for tests. */

function u16(n: number): number[] {
  return [n >>> 8, n & 0xff];
}

function ascii(text: string): number[] {
  return [...text].map((letter) => letter.charCodeAt(0));
}

/** A DNS message with one question of class IN. */
export function dnsMessage(
  name: string,
  type: number,
  { id = 0x1234, flags = 0x0100, questions = 1 } = {},
): Uint8Array {
  const labels = name === '' ? [] : name.split('.').flatMap((label) => [label.length, ...ascii(label)]);
  return Uint8Array.from([
    ...u16(id),
    ...u16(flags),
    ...u16(questions),
    0,
    0,
    0,
    0,
    0,
    0,
    ...labels,
    0,
    ...u16(type),
    0,
    1,
  ]);
}

/** A TLS record with a ClientHello. @param hello `padding`: octets of an extension between name and protocols; `isLate`: the name comes last */
export function clientHello(hello: {
  sni?: string;
  alpn?: string[];
  padding?: number;
  isLate?: boolean;
}): Uint8Array {
  const block = (bytes: number[]): number[] => [...u16(bytes.length), ...bytes];
  const extensions: number[] = [];
  const name = hello.sni === undefined ? [] : [...u16(0), ...block(block([0, ...block(ascii(hello.sni))]))];
  if (!hello.isLate) extensions.push(...name);
  if (hello.padding !== undefined) extensions.push(...u16(21), ...block(new Array(hello.padding).fill(0)));
  if (hello.alpn !== undefined)
    extensions.push(...u16(16), ...block(block(hello.alpn.flatMap((name) => [name.length, ...ascii(name)]))));
  if (hello.isLate) extensions.push(...name);
  const body = [
    3,
    3,
    ...new Array(32).fill(7),
    2,
    8,
    9,
    ...block([0x13, 1, 0x13, 2]),
    1,
    0,
    ...block(extensions),
  ];
  const handshake = [1, 0, ...u16(body.length), ...body];
  return Uint8Array.from([22, 3, 1, ...u16(handshake.length), ...handshake]);
}
