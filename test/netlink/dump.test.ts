import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { NetlinkClient, type NetlinkRequest } from '../../daemon/netlink/dump.ts';
import { NetlinkError, NetlinkFormatError } from '../../daemon/netlink/errors.ts';
import { parseLink } from '../../daemon/netlink/link.ts';
import { parseRoute } from '../../daemon/netlink/route.ts';
import { dumpRouting } from '../../daemon/netlink/rtnetlink.ts';
import { parseRule } from '../../daemon/netlink/rule.ts';
import { assembleSnapshot } from '../../daemon/routes/assemble.ts';
import {
  attribute,
  type Datagram,
  datagram,
  message,
  RecordedTransport,
  readRecording,
  u32,
} from './recorded.ts';

const NLMSG_ERROR = 2;
const NLMSG_DONE = 3;
const NLM_F_MULTI = 2;
const NLM_F_DUMP_INTR = 0x10;
const NLM_F_ACK_TLVS = 0x200;
const RTM_NEWROUTE = 24;

const recording = new URL('../../fixtures/netlink/lab.hex', import.meta.url);
const littleEndian = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;
const REQUEST: NetlinkRequest = { type: 26, name: 'RTM_GETROUTE', object: 'lab', body: new Uint8Array(12) };

const item = (value: number, flags = NLM_F_MULTI): Uint8Array => message(RTM_NEWROUTE, flags, u32(value));
const done = (errno = 0, flags = NLM_F_MULTI): Uint8Array => message(NLMSG_DONE, flags, u32(-errno >>> 0));
const value = (view: DataView, off: number): number => view.getUint32(off, true);

function client(answer: (times: number) => Datagram[]): {
  client: NetlinkClient;
  transport: RecordedTransport;
} {
  const transport = new RecordedTransport((_type, _family, times) => answer(times));
  return { client: new NetlinkClient(transport), transport };
}

describe.skipIf(!littleEndian)('netlink', () => {
  test('a question whose answer found no room behind notifications is put again, and not for ever', () => {
    const acknowledged = message(NLMSG_ERROR, 0, u32(0));
    const asked = client((times) => (times === 1 ? ['lost'] : [datagram(item(7, 0), acknowledged)]));
    expect(asked.client.get(REQUEST, value)).toBe(7);
    expect(asked.transport.sent).toHaveLength(2);
    expect(asked.client.lost).toBe(1);
    const never = client(() => ['lost']);
    expect(() => never.client.get(REQUEST, value)).toThrow('RTM_GETROUTE lab: ENOBUFS');
    expect(never.transport.sent.length).toBeLessThan(10);
  });

  test('notifications that are there are taken in before a question is put', () => {
    const asked = client(() => [datagram(item(7, 0), message(NLMSG_ERROR, 0, u32(0)))]);
    asked.transport.push(message(RTM_NEWROUTE, 0, u32(1), 0), 'lost', message(RTM_NEWROUTE, 0, u32(2), 0));
    const told: number[] = [];
    asked.client.onNotification = (_type, view, off) => {
      expect(asked.transport.sent).toHaveLength(0);
      told.push(value(view, off));
    };
    expect(asked.client.get(REQUEST, value)).toBe(7);
    expect(told).toEqual([1, 2]);
  });

  describe('a recorded namespace', () => {
    const answers = readRecording(recording);
    const replay = (): NetlinkClient =>
      new NetlinkClient(
        new RecordedTransport((type, family) => answers.get(`${type} ${family}`) ?? [done()]),
      );

    test('is decoded as the reviewed snapshot says', () => {
      const dump = dumpRouting(replay(), 'lab');
      expect(dump.consistent).toBe(true);
      const expected = readFileSync(
        new URL('../../fixtures/netlink/lab.snapshot.json', import.meta.url),
        'utf8',
      );
      expect(assembleSnapshot(dump, 'lab', '2026-11-23T00:00:00.000000000Z')).toEqual(JSON.parse(expected));
    });

    test('has one nexthop object of each kind', () => {
      const { nexthops } = dumpRouting(replay(), 'lab');
      expect(
        nexthops.map(({ id, blackhole, hop, group }) => [id, blackhole, hop?.gateway ?? null, group]),
      ).toEqual([
        [7, false, '10.9.0.9', []],
        [8, false, '10.9.0.8', []],
        [
          9,
          false,
          null,
          [
            { id: 7, weight: 2 },
            { id: 8, weight: 1 },
          ],
        ],
        [10, true, null, []],
      ]);
    });

    test('cut or damaged anywhere, gives a format error or an answer, and nothing else', () => {
      const messages = [...answers.values()].flat();
      let refused = 0;
      let taken = 0;
      fc.assert(
        fc.property(
          fc.nat(messages.length - 1),
          fc.nat(4000),
          fc.nat(4000),
          fc.nat(255),
          (which, cut, at, octet) => {
            const bytes = messages[which]!.slice();
            bytes[16 + (at % (bytes.length - 16))] = octet;
            const end = 16 + (cut % (bytes.length - 15));
            const view = new DataView(bytes.buffer, 0, end);
            for (const parse of [
              () => parseRoute(view, 16, end, () => null),
              () => parseRule(view, 16, end),
              () => parseLink(view, 16, end),
            ]) {
              try {
                parse();
                taken++;
              } catch (error) {
                expect(error).toBeInstanceOf(NetlinkFormatError);
                refused++;
              }
            }
          },
        ),
        { numRuns: 2000 },
      );
      expect(taken).toBeGreaterThan(100);
      expect(refused).toBeGreaterThan(100);
    });
  });

  test('a dump over several datagrams ends with NLMSG_DONE', () => {
    const { client: c } = client(() => [datagram(item(1), item(2)), item(3), done()]);
    expect(c.dump(REQUEST, value)).toEqual({ items: [1, 2, 3], consistent: true });
  });

  test('a dump that the kernel calls inconsistent is asked again, and counted', () => {
    const { client: c } = client((times) =>
      times < 3 ? [item(times), done(0, NLM_F_MULTI | NLM_F_DUMP_INTR)] : [item(9), done()],
    );
    expect(c.dump(REQUEST, value)).toEqual({ items: [9], consistent: true });
    expect(c.interrupted).toBe(2);
  });

  test('a table that never rests is given as it is, and said to be inconsistent', () => {
    const { client: c, transport } = client(() => [item(1, NLM_F_MULTI | NLM_F_DUMP_INTR), done()]);
    expect(c.dump(REQUEST, value)).toEqual({ items: [1], consistent: false });
    expect(transport.sent.length).toBe(8);
  });

  test('notifications within a dump are no part of it, also with our number', () => {
    const seen: number[] = [];
    const foreign = message(RTM_NEWROUTE, 0, u32(77), 0);
    const sameNumber = message(RTM_NEWROUTE, 0, u32(78), 0);
    new DataView(sameNumber.buffer).setUint32(12, 999, true);
    const { client: c } = client(() => [item(1), datagram(foreign, sameNumber), item(2), done()]);
    c.onNotification = (_type, view, off) => seen.push(view.getUint32(off, true));
    expect(c.dump(REQUEST, value).items).toEqual([1, 2]);
    expect(seen).toEqual([77, 78]);
  });

  test('ENOBUFS within a dump does not end it, and is counted', () => {
    const { client: c } = client(() => [item(1), 'lost', item(2), done()]);
    expect(c.dump(REQUEST, value).items).toEqual([1, 2]);
    expect(c.lost).toBe(1);
  });

  test('drain gives what is there and tells a loss', () => {
    const { client: c, transport } = client(() => []);
    const seen: number[] = [];
    c.onNotification = (_type, view, off) => seen.push(view.getUint32(off, true));
    transport.push(item(1), 'lost', item(2));
    expect(c.drain()).toBe(false);
    expect(seen).toEqual([1, 2]);
    expect(c.drain()).toBe(true);
  });

  test('a refusal carries errno, operation, object, sequence and the kernel’s own sentence', () => {
    const sentence = [...new TextEncoder().encode('Invalid table\0')];
    const nlmsgerr = [...u32(-22 >>> 0), ...message(26, 5, new Uint8Array(12)), ...attribute(1, sentence)];
    const { client: c } = client(() => [message(NLMSG_ERROR, NLM_F_ACK_TLVS, nlmsgerr)]);
    let caught: unknown = null;
    try {
      c.dump(REQUEST, value);
    } catch (error) {
      caught = error;
    }
    expect(caught).toBeInstanceOf(NetlinkError);
    expect(caught).toMatchObject({
      code: 'EINVAL',
      errno: 22,
      operation: 'RTM_GETROUTE',
      object: 'lab',
      sequence: 1,
      extAck: 'Invalid table',
      message: 'RTM_GETROUTE lab: EINVAL, Invalid table',
    });
  });

  test('a dump that fails at its end is an error too', () => {
    const { client: c } = client(() => [item(1), done(12)]);
    expect(() => c.dump(REQUEST, value)).toThrow('RTM_GETROUTE lab: ENOMEM');
  });

  test('silence is an error, not an endless wait', () => {
    const { client: c } = client(() => [item(1)]);
    expect(() => c.dump(REQUEST, value)).toThrow('ETIMEDOUT');
  });

  test('a message longer than its datagram is a format error that names the octet', () => {
    const bytes = item(1);
    new DataView(bytes.buffer).setUint32(0, 400, true);
    const { client: c } = client(() => [bytes]);
    expect(() => c.dump(REQUEST, value)).toThrow('message of 400 octets where 20 are left at octet 0');
  });
});

describe('netlink messages', () => {
  const rtmsg = (family: number, dstLen = 0, flags = 0): number[] => [
    family,
    dstLen,
    0,
    0,
    254,
    2,
    0,
    1,
    ...u32(flags),
  ];
  const parse = (bytes: number[]): ReturnType<typeof parseRoute> =>
    parseRoute(new DataView(Uint8Array.from(bytes).buffer), 0, bytes.length, (ifIndex) => `dev${ifIndex}`);

  test('a cached route is no part of a table', () => {
    expect(parse(rtmsg(2))).toMatchObject({ prefix: '0.0.0.0/0', protocol: 'kernel' });
    expect(parse(rtmsg(2, 0, 0x200))).toBeNull();
  });

  test('a route of another family is left out', () => {
    expect(parse(rtmsg(28))).toBeNull();
  });

  test('a table past 255 comes from its attribute, and metric 0 is null for IPv4 alone', () => {
    expect(parse([...rtmsg(2), ...attribute(15, u32(4242)), ...attribute(6, u32(0))])).toMatchObject({
      table: 4242,
      metric: null,
    });
    expect(parse([...rtmsg(10), ...attribute(6, u32(0))])).toMatchObject({ metric: 0 });
  });

  test('an attribute that is too short for its value is refused', () => {
    expect(() => parse([...rtmsg(2), ...attribute(15, [1, 2])])).toThrow(NetlinkFormatError);
    expect(() => parse([...rtmsg(2, 24), ...attribute(1, [10, 0])])).toThrow('address of 2 octets, not 4');
  });

  test('a rule with a selector that nstap does not know says so', () => {
    const header = [2, 0, 0, 0, 254, 0, 0, 1, ...u32(0)];
    const rule = (more: number[]): ReturnType<typeof parseRule> => {
      const bytes = [...header, ...more];
      return parseRule(new DataView(Uint8Array.from(bytes).buffer), 0, bytes.length);
    };
    expect(rule([])?.unsupported).toBeUndefined();
    expect(rule(attribute(12, [...u32(0), ...u32(5)]))?.unsupported).toEqual(['tun_id']);
    expect(rule(attribute(99, u32(1)))?.unsupported).toEqual(['attribute 99']);
    // The kernel sends a port's mask with every single port.
    expect(rule(attribute(28, [0xff, 0xff]))?.sportMask).toBeUndefined();
    expect(rule(attribute(28, [0xff, 0x00]))).toMatchObject({ sportMask: 0xff });
    expect(rule(attribute(29, [0x00, 0xf0]))).toMatchObject({ dportMask: 0xf000 });
    expect(rule(attribute(30, [0x38]))).toMatchObject({ dscpMask: 0x38 });
  });
});
