import { describe, expect, test } from 'vitest';
import { parseFilter } from '../../cli/filter/parse.ts';
import { packetTest } from '../../daemon/capture/packet-subject.ts';
import { decodePacket } from '../../decoders/packet.ts';
import { PacketFields } from '../../decoders/packet-fields.ts';
import type { RouteDecision } from '../../storage/route-decision.ts';
import { type FrameSpec, frame } from '../support/frames.ts';
import { gre, ipOf, overUdp, vxlan } from '../support/tunnel-frames.ts';
import { decision } from '../storage/records.ts';

const PLACES = [
  { netns: 'blue', interface: 'veth0' },
  { netns: null, interface: 'eth0' },
];

/** How often a test asked for the route, and what it was told. */
interface Route {
  asked: number;
  decision: RouteDecision;
}

function isWanted(expression: string, bytes: Uint8Array, capture = 0, route?: Route): boolean {
  // Not at the beginning of what holds it, as in a ring.
  const whole = new Uint8Array(bytes.length + 64).fill(0xee);
  whole.set(bytes, 32);
  const view = new DataView(whole.buffer);
  const fields = new PacketFields();
  fields.captureIndex = capture;
  fields.wireLen = bytes.length;
  decodePacket(view, 32, 32 + bytes.length, fields);
  const told = route ?? { asked: 0, decision: decision() };
  const wanted = packetTest(
    parseFilter(expression)!,
    (index) => PLACES[index],
    () => {
      told.asked++;
      return told.decision;
    },
  );
  return wanted(view, fields);
}

const TCP: FrameSpec = {
  src: '10.0.0.1',
  dst: '10.0.1.2',
  sport: 40_000,
  dport: 443,
  flags: 'SA',
  vlan: [5, 6],
};
const ARP = Uint8Array.from([
  ...[255, 255, 255, 255, 255, 255, 2, 0, 0, 0, 0, 1, 0x08, 0x06],
  ...[0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 0, 0, 1, 10, 0, 0, 1, 0, 0, 0, 0, 0, 0, 10, 0, 0, 9],
]);
const LATER = frame({ proto: 'udp', fragOff: 8, payload: 32 });
const INNER = frame({ src: '192.168.0.1', dst: '192.168.0.2', dport: 22 });
const VXLAN = overUdp(4789, vxlan(42, INNER));

describe('a filter of packets', () => {
  test.each<[string, string, FrameSpec | Uint8Array, boolean]>([
    ['host', 'host 10.0.1.2', TCP, true],
    ['the sender is the source', 'src host 10.0.0.1 and dst host 10.0.1.2', TCP, true],
    ['the other way round', 'dst host 10.0.0.1 or src host 10.0.1.2', TCP, false],
    ['net', 'src net 10.0.0.0/24', TCP, true],
    ['another net', 'dst net 10.0.0.0/24', TCP, false],
    ['IPv6', 'ip6 and src host fd00::1 and net fd00::/16', { src: 'fd00::1', dst: 'fe80::2' }, true],
    [
      'an IPv6 address that begins like an IPv4 one',
      'host 10.0.0.1',
      { src: 'a00:1::', dst: 'fe80::2' },
      false,
    ],
    ['port', 'tcp port 443', TCP, true],
    ['source port', 'src port 443', TCP, false],
    ['another port', 'port != 443', TCP, false],
    ['ICMP has no port', 'port 8', { proto: 'icmp', sport: 8, dport: 0 }, false],
    ['not even another one', 'port != 80', { proto: 'icmp', sport: 8, dport: 0 }, false],
    ['a later fragment has none', 'port > 0 or port 0 or port != 9', LATER, false],
    ['and not the port', 'udp and not port 80', LATER, true],
    ['flags', 'flags SA and not flags R', TCP, true],
    ['flags of UDP', 'flags S', { proto: 'udp' }, false],
    ['VLAN', 'vlan 6', TCP, true],
    ['another VLAN', 'vlan 7', TCP, false],
    ['octets of the frame', 'bytes = 62', TCP, true],
    ['namespace and interface', 'netns blue if veth0', TCP, true],
    ['ARP has addresses', 'host 10.0.0.1 and dst host 10.0.0.9', ARP, true],
    ['but is not IP', 'ip or ip6 or tcp', ARP, false],
    ['nor has a port or a route', 'not tcp and not port 80 and not route type unicast', ARP, true],
    ['ARP that is cut', 'host 10.0.0.1', ARP.subarray(0, 40), false],
    ['a frame that cannot be decoded', 'host 10.0.0.1 or ip', frame(TCP).subarray(0, 30), false],
    ['what is in no tunnel', 'tunnel', TCP, false],
    ['a tunnel', 'tunnel vxlan and tunnel id 42', VXLAN, true],
    ['what is in it', 'tunnel vxlan and host 192.168.0.2 and port 22', VXLAN, true],
    ['without a word of tunnels, the outside', 'host 192.168.0.2', VXLAN, false],
    ['not in a tunnel', 'not tunnel', VXLAN, false],
    [
      'the innermost one',
      'tunnel gre',
      overUdp(4789, vxlan(1, frame({ proto: 47, payload: gre(0x0800, ipOf(INNER)) }))),
      true,
    ],
    ['a tunnel with ARP in it', 'tunnel vxlan and not ip', overUdp(4789, vxlan(42, ARP)), true],
    ['a tunnel that is cut', 'tunnel vxlan', VXLAN.subarray(0, 60), true],
    ['the frame of a tunnelled packet', `tunnel and bytes = ${VXLAN.length}`, VXLAN, true],
  ])('%s: %s', (_, expression, packet, expected) => {
    const bytes = packet instanceof Uint8Array ? packet : frame(packet);
    expect(isWanted(expression, bytes)).toBe(expected);
    expect(isWanted(`not (${expression})`, bytes)).toBe(!expected);
  });

  test('a packet of another place', () => {
    expect(isWanted('if eth0 and not netns blue', frame(TCP), 1)).toBe(true);
    expect(isWanted('netns blue or if eth0', frame(TCP), 2)).toBe(false);
  });

  test('the route is asked for once, of IP, and only where the rest leaves it open', () => {
    const route = { asked: 0, decision: decision({ verdict: 'drop', rule: 100 }) };
    expect(isWanted('route verdict drop and route rule 100', frame(TCP), 0, route)).toBe(true);
    expect(route.asked).toBe(1);
    expect(isWanted('port 80 and route verdict drop', frame(TCP), 0, route)).toBe(false);
    expect(isWanted('route verdict drop', ARP, 0, route)).toBe(false);
    expect(isWanted('port 443', frame(TCP), 0, route)).toBe(true);
    expect(route.asked).toBe(1);
    expect(isWanted('tunnel vxlan and route verdict drop', VXLAN, 0, route)).toBe(true);
  });

  test('of many packets each is asked for itself', () => {
    const views = [
      VXLAN,
      frame(TCP),
      LATER,
      ARP,
      VXLAN.subarray(0, 60),
      frame({ src: 'fd00::1', dst: 'fd00::2' }),
    ].map((bytes) => new DataView(Uint8Array.from(bytes).buffer));
    for (const expression of [
      'tunnel vxlan and host 192.168.0.2',
      'not tunnel',
      'host 10.0.0.1',
      'ip6',
      'flags A',
    ]) {
      const wanted = packetTest(
        parseFilter(expression)!,
        () => undefined,
        () => decision(),
      );
      const fields = new PacketFields();
      const once = views.map((view) => isWanted(expression, new Uint8Array(view.buffer)));
      for (let turn = 0; turn < 2; turn++)
        expect(
          views.map((view) => {
            fields.wireLen = view.byteLength;
            decodePacket(view, 0, view.byteLength, fields);
            return wanted(view, fields);
          }),
          expression,
        ).toEqual(once);
    }
  });

  test('experiments are not known of packets', () => {
    expect(() =>
      packetTest(
        { kind: 'experiment', names: ['web'] },
        () => undefined,
        () => decision(),
      ),
    ).toThrow(RangeError);
  });
});
