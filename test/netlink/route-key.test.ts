import { describe, expect, test } from 'vitest';
import { NetlinkFormatError } from '../../daemon/netlink/errors.ts';
import { MessageCursor } from '../../daemon/netlink/message.ts';
import { parseRoute } from '../../daemon/netlink/route.ts';
import { RouteKey } from '../../daemon/netlink/route-key.ts';
import { prefixText } from '../../daemon/routes/words.ts';
import { Random } from '../support/random.ts';
import { attribute, readRecording, u32 } from './recorded.ts';

const RTM_NEWROUTE = 24;
const littleEndian = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;

/** The route messages of the recording, without their headers. */
function recorded(): Uint8Array[] {
  const answers = readRecording(new URL('../../fixtures/netlink/lab.hex', import.meta.url));
  const messages: Uint8Array[] = [];
  for (const datagram of [...answers.values()].flat()) {
    const m = new MessageCursor(datagram, datagram.length);
    while (m.next()) if (m.type === RTM_NEWROUTE) messages.push(datagram.slice(m.off, m.end));
  }
  return messages;
}

/** What a key says, with octets of no meaning around the message; 'format' when it is refused. */
function read(bytes: Uint8Array, around: number): string | null {
  const padded = new Uint8Array(bytes.length + 32).fill(around);
  padded.set(bytes, 16);
  const key = new RouteKey();
  try {
    if (!key.read(new DataView(padded.buffer), 16, 16 + bytes.length)) return null;
  } catch (error) {
    if (error instanceof NetlinkFormatError) return 'format';
    throw error;
  }
  const words = [...key.key.subarray(0, key.keyLen)].join(' ');
  return `${key.family} ${key.table} ${prefixText(key.family, key.prefix, key.prefixLen)} ${key.hash} ${words}`;
}

/** The same of a message that ends with its memory: what lies behind cannot be read at all. */
function readExact(bytes: Uint8Array): void {
  const exact = bytes.slice();
  try {
    new RouteKey().read(new DataView(exact.buffer), 0, exact.length);
  } catch (error) {
    if (!(error instanceof NetlinkFormatError)) throw error;
  }
}

/** The route by parseRoute: everything but the prefix, and the prefix; null and 'format' as `read`. */
function parsed(
  bytes: Uint8Array,
): { rest: string; prefix: string; family: number; table: number } | 'format' | null {
  const exact = bytes.slice();
  try {
    const route = parseRoute(new DataView(exact.buffer), 0, exact.length, (ifIndex) => `if${ifIndex}`);
    if (route === null) return null;
    const { prefix, ...rest } = route;
    return { rest: JSON.stringify(rest), prefix, family: rest.family, table: rest.table };
  } catch (error) {
    if (error instanceof NetlinkFormatError) return 'format';
    throw error;
  }
}

describe.skipIf(!littleEndian)('the key of a route message', () => {
  test('has the family, table and prefix that the parsed route has; equal keys are routes that differ in their prefix alone', () => {
    const messages = recorded();
    expect(messages.length).toBeGreaterThan(20);
    const byKey = new Map<string, string>();
    let shared = 0;
    for (const bytes of messages) {
      const route = parsed(bytes);
      if (route === null || route === 'format') throw new Error('a recorded route');
      const [family, table, prefix, ...key] = read(bytes, 0)!.split(' ');
      expect(`${family} ${table} ${prefix}`).toBe(`${route.family} ${route.table} ${route.prefix}`);
      const text = key.join(' ');
      if (byKey.has(text)) shared++;
      expect(byKey.get(text) ?? route.rest).toBe(route.rest);
      byKey.set(text, route.rest);
    }
    expect(shared).toBeGreaterThan(0);
  });

  test('says the same of damaged messages as the parsed route, and reads nothing behind their end', () => {
    const messages = recorded();
    const numbers = new Random(5);
    const reached = { format: 0, none: 0, same: 0, parserRefuses: 0 };
    const byKey = new Map<string, string>();
    for (let i = 0; i < 30_000; i++) {
      let bytes = numbers.pick(messages).slice();
      for (let n = numbers.below(4); n > 0; n--) {
        const at = numbers.below(bytes.length);
        bytes[at] = numbers.below(3) === 0 ? numbers.below(256) : bytes[at]! ^ (1 << numbers.below(8));
      }
      if (numbers.below(4) === 0) bytes = bytes.subarray(0, numbers.below(bytes.length + 1));
      const text = read(bytes, 0x00);
      expect(read(bytes, 0xff)).toBe(text);
      readExact(bytes);
      const route = parsed(bytes);
      if (text === 'format') reached.format++;
      else if (text === null) {
        expect(route).toBeNull();
        reached.none++;
      } else if (route === 'format') reached.parserRefuses++;
      else {
        const [family, table, prefix, ...key] = text.split(' ');
        expect(`${family} ${table}`).toBe(`${route!.family} ${route!.table}`);
        expect(prefix!.split('/')[1]).toBe(route!.prefix.split('/')[1]);
        expect(byKey.get(key.join(' ')) ?? route!.rest).toBe(route!.rest);
        byKey.set(key.join(' '), route!.rest);
        reached.same++;
      }
    }
    for (const [outcome, times] of Object.entries(reached)) expect(times, outcome).toBeGreaterThan(0);
  });

  const head = (family: number, len: number): number[] => [family, len, 0, 0, 254, 4, 0, 1, 0, 0, 0, 0];

  test.each([
    ['a message that is too short', head(2, 8).slice(0, 11)],
    ['an attribute that is longer than the message', [...head(2, 8), 12, 0, 1, 0, 10, 0, 0, 0]],
    ['an attribute that is shorter than its header', [...head(2, 8), 3, 0, 1, 0]],
    ['a destination that is too short', [...head(10, 64), ...attribute(1, [1, 2, 3, 4])]],
    ['an IPv4 prefix of 33 bits', [...head(2, 33), ...attribute(1, [1, 2, 3, 4])]],
    ['an IPv6 prefix of 129 bits', [...head(10, 129), ...attribute(1, new Uint8Array(16))]],
  ])('%s is refused', (_what, octets) => {
    expect(read(Uint8Array.from(octets), 0)).toBe('format');
  });

  test('does not say how long a route was not used, and says everything else', () => {
    const base = [...head(2, 24), ...attribute(1, [10, 1, 2, 0]), ...attribute(4, u32(3))];
    const key = (...more: number[]): string => read(Uint8Array.from([...base, ...more]), 0)!;
    const cacheInfo = (age: number): number[] =>
      attribute(12, [...u32(age), ...new Array<number>(28).fill(0)]);
    expect(key(...cacheInfo(7))).toBe(key(...cacheInfo(8)));
    expect(key(...attribute(6, u32(7)))).not.toBe(key(...attribute(6, u32(8))));
    expect(key(...attribute(9, [1]))).not.toBe(key(...attribute(9, [2])));
  });
});
