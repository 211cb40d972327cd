import { describe, expect, it } from 'vitest';
import { HOLD_MS, PacketOrder, type WaitingPacket } from '../../../cli/tail/packet-order.ts';
import { packetPrinter } from '../../../cli/tail/packet-printer.ts';
import { routeTag } from '../../../cli/tail/route-tag.ts';
import { ShownPacket } from '../../../cli/tail/shown-packet.ts';
import { TailCounts } from '../../../cli/tail/tail-counts.ts';
import { TimeStamps } from '../../../cli/tail/time-stamps.ts';
import pc from 'picocolors';
import { frame } from '../../support/frames.ts';
import { decision, livePacket } from './packets.ts';

describe('a route tag', () => {
  it.each([
    [{}, '-> main 10.2.0.0/16 via 10.0.0.1 dev eth0'],
    [{ prefix: '0.0.0.0/0', table: '100', gateway: null }, '-> 100 default dev eth0'],
    [{ prefix: '::/0', gateway: 'fe80::1' }, '-> main default via fe80::1 dev eth0'],
    [{ type: 'local', verdict: 'deliver' }, 'local'],
    [{ type: 'broadcast', verdict: 'deliver', confidence: 'assumed' }, 'broadcast (assumed)'],
    [{ type: 'blackhole', verdict: 'drop', prefix: '10.9.0.0/16' }, 'blackhole 10.9.0.0/16 (drop)'],
    [{ type: 'unreachable', verdict: 'drop', prefix: '0.0.0.0/0' }, 'unreachable default (drop)'],
    [{ type: 'prohibit', verdict: 'drop', prefix: null }, 'prohibit (drop)'],
    [{ type: 'no_route', verdict: 'drop', reason: 'no rule led to a route' }, 'no route (drop)'],
    [
      { type: 'martian', verdict: 'drop', reason: 'the way back leads elsewhere; and more' },
      'martian (drop): the way back leads elsewhere',
    ],
    [
      { verdict: 'drop', stage: 'input', reason: 'forwarding is off; and more' },
      'unicast (drop): forwarding is off',
    ],
    [{ type: 'not_routed', verdict: null }, 'not routed'],
    [{ type: 'unknown', verdict: null, reason: 'no routing data: …' }, ''],
    [{ observed: 'differs' }, '-> main 10.2.0.0/16 via 10.0.0.1 dev eth0 (seen elsewhere)'],
  ] as const)('%j is "%s"', (given, expected) => {
    expect(routeTag(decision(given))).toBe(expected);
  });
});

describe('the order of packets', () => {
  const NOW = 1_700_000_000_000;
  const at = (ms: number) =>
    livePacket(new Uint8Array(60), {
      timeS: Math.floor((NOW + ms) / 1000),
      timeNs: ((NOW + ms) % 1000) * 1e6,
    });
  const ms = (list: readonly WaitingPacket[]): number[] =>
    list.map(({ packet }) => packet.timeS * 1000 + packet.timeNs / 1e6 - NOW);

  it('is that of their times, after a moment in which later messages may bring earlier ones', () => {
    const order = new PacketOrder();
    order.push([at(-10), at(-4)], [], NOW);
    expect(order.take(NOW)).toEqual([]);
    expect(order.dueMs).toBe(NOW - 10 + HOLD_MS);
    order.push([at(-12), at(-2)], [], NOW + 5);
    expect(ms(order.take(NOW - 9 + HOLD_MS))).toEqual([-12, -10]);
    expect(ms(order.take(NOW + HOLD_MS))).toEqual([-4, -2]);
    expect([order.size, order.dueMs]).toEqual([0, Infinity]);
  });

  it('shows at once what comes late, and does not wait for a clock that was set back', () => {
    const order = new PacketOrder();
    order.push([at(-500)], [], NOW);
    expect(ms(order.take(NOW))).toEqual([-500]);
    order.push([at(3_600_000)], [], NOW);
    expect(order.take(NOW)).toEqual([]);
    expect(ms(order.take(NOW + HOLD_MS))).toEqual([3_600_000]);
  });

  it('holds nothing when they come fast', () => {
    const order = new PacketOrder();
    order.push(
      Array.from({ length: 5000 }, (_, i) => at(-(i % 7))),
      [],
      NOW,
    );
    expect(order.isFull).toBe(true);
    const shown = ms(order.take(NOW));
    expect(shown).toEqual(shown.toSorted((a, b) => a - b));
    expect([shown.length, order.size]).toEqual([5000, 0]);
  });
});

describe('what is missing', () => {
  it('is told once a second, with its reasons, and at the end', () => {
    const lines: string[] = [];
    const counts = new TailCounts((line) => lines.push(line), 0);
    for (let i = 0; i < 10; i++) counts.show();
    counts.skip(1990, 'daemon');
    counts.notice(false, 0);
    counts.show();
    counts.skip(5, 'client');
    counts.skip(2, 'daemon');
    counts.notice(false, 999);
    counts.notice(false, 1000);
    counts.notice(false, 5000);
    counts.show();
    counts.skip(1, 'interrupted');
    counts.notice(true, 5001);
    counts.notice(true, 5002);
    expect(lines).toEqual([
      '-- 1,990 of 2,000 packets not shown (more than the daemon gives; a filter makes them fewer)',
      '-- 7 of 8 packets not shown (more than the daemon gives; a filter makes them fewer; this output takes no more)',
      '-- 1 of 2 packets not shown (after the interruption)',
    ]);
    expect([counts.shown, counts.skipped]).toEqual([12, 1998]);
  });

  it('is summed up as tcpdump does', () => {
    const counts = new TailCounts(() => {});
    counts.show();
    counts.skip(1234, 'daemon');
    counts.matched = 1235;
    counts.kernelDrops = 7;
    expect(counts.summary('written')).toBe(
      '1 packet written\n1,235 packets matched\n1,234 packets skipped\n7 packets dropped by kernel\n',
    );
  });
});

describe('time zones', () => {
  it('are those of the name, with summer time', () => {
    const times = new TimeStamps(4, 'Europe/Berlin', false);
    expect(times.format(1_700_000_000, 5000)).toBe('2023-11-14 23:13:20.000005 ');
    expect(times.format(1_690_000_000, 0)).toBe('2023-07-22 06:26:40.000000 ');
    expect(new TimeStamps(0, 'America/St_Johns', true).format(1_700_000_000, 1)).toBe('18:43:20.000000001 ');
    expect(new TimeStamps(0, '+05:30', false).format(1_700_000_000, 0)).toBe('03:43:20.000000 ');
  });
});

describe('JSON', () => {
  const shown = new ShownPacket();
  const printed = (octets: Uint8Array, flags: { json?: boolean; x?: number } = {}): string => {
    const printer = packetPrinter(
      { route: true, t: 0, X: 0, x: flags.x ?? 0, ...(flags.json ? { json: true } : { format: 'ndjson' }) },
      pc.createColors(false),
    );
    return printer.packet(shown.read(livePacket(octets, { routeIndex: 1 }), [decision()])) + printer.end();
  };

  it('has every key, also of what is no IP', () => {
    const tcp = JSON.parse(printed(frame({ flags: 'SE', vlan: [7], payload: 3 })));
    expect(tcp).toEqual({
      time: '2023-11-14T22:13:20.123456789Z',
      netns: 'red',
      interface: 'eth0',
      direction: 'in',
      link_type: 1,
      length: 61,
      captured_length: 61,
      vlan: [7],
      src_mac: expect.stringMatching(/^(..:){5}..$/),
      dst_mac: expect.stringMatching(/^(..:){5}..$/),
      ip_version: 4,
      protocol: 'tcp',
      proto_number: 6,
      src: '10.0.0.1',
      src_port: 1000,
      dst: '10.0.0.2',
      dst_port: 80,
      ttl: 64,
      tcp_flags: 'ES',
      payload_bytes: 3,
      route: decision(),
      line: expect.stringMatching(/^IP 10\.0\.0\.1\.1000 > 10\.0\.0\.2\.80: Flags \[SE\], /),
    });
    const lldp = JSON.parse(printed(Uint8Array.from([...new Array(12).fill(1), 0x88, 0xcc, 1, 2])));
    expect(Object.keys(lldp)).toEqual(Object.keys(tcp));
    expect(lldp).toMatchObject({ ip_version: null, src: null, src_port: null, tcp_flags: null });
    expect(JSON.parse(printed(Uint8Array.of(1, 2, 3), { x: 1 }))).toMatchObject({
      hex: '010203',
      src_mac: null,
    });
  });

  it('is one array with --json, also of nothing', () => {
    const printer = packetPrinter({ route: true, t: 0, x: 0, X: 0, json: true }, pc.createColors(false));
    expect(printer.end()).toBe('[]\n');
    expect(JSON.parse(printed(frame({}), { json: true }))).toHaveLength(1);
  });
});
