import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pc from 'picocolors';
import { afterAll, describe, expect, it } from 'vitest';
import { ShownPacket } from '../../../cli/tail/shown-packet.ts';
import { TailLines } from '../../../cli/tail/tail-lines.ts';
import { hexStyle, type LineStyle } from '../../../cli/tail/tail-options.ts';
import type { LivePacket } from '../../../daemon/control/messages.ts';
import { PcapWriter } from '../../../decoders/pcap-writer.ts';
import type { RouteDecision } from '../../../storage/route-decision.ts';
import { frame } from '../../support/frames.ts';
import { hasProgram } from '../../support/processes.ts';
import { decision, livePacket } from './packets.ts';

const PLAIN: LineStyle = {
  timeStyle: 0,
  zone: 'UTC',
  isNano: false,
  hasLink: false,
  isQuiet: false,
  isVerbose: false,
  hasRoute: true,
  hex: null,
};

function text(
  packets: readonly LivePacket[],
  style: Partial<LineStyle> = {},
  routes: RouteDecision[] = [],
): string {
  const lines = new TailLines({ ...PLAIN, ...style }, pc.createColors(false));
  const shown = new ShownPacket();
  return packets.map((each) => lines.format(shown.read(each, routes))).join('');
}

const udp = frame({ proto: 'udp', src: '10.1.0.2', dst: '10.2.0.2', sport: 4000, dport: 53, payload: 10 });

describe('a line', () => {
  it('has time, place, direction, the packet as tcpdump prints it, and the route', () => {
    const packets = [
      livePacket(udp, { routeIndex: 1 }),
      livePacket(udp, { routeIndex: 2, netns: '', interface: 'v0', packetType: 4 }),
      livePacket(udp, { packetType: 2 }),
    ];
    expect(text(packets, {}, [decision(), decision({ type: 'local', verdict: 'deliver' })])).toBe(
      [
        '22:13:20.123456 red/eth0 In  IP 10.1.0.2.4000 > 10.2.0.2.53: UDP, length 10, -> main 10.2.0.0/16 via 10.0.0.1 dev eth0',
        '22:13:20.123456 v0       Out IP 10.1.0.2.4000 > 10.2.0.2.53: UDP, length 10, local',
        '22:13:20.123456 red/eth0 M   IP 10.1.0.2.4000 > 10.2.0.2.53: UDP, length 10',
        '',
      ].join('\n'),
    );
    expect(text([packets[0]!], { hasRoute: false, timeStyle: 1 }, [decision()])).toBe(
      'red/eth0 In  IP 10.1.0.2.4000 > 10.2.0.2.53: UDP, length 10\n',
    );
  });

  it('tells with -v all of the decision', () => {
    const drop = decision({
      type: 'blackhole',
      verdict: 'drop',
      stage: 'input',
      observed: 'n/a',
      reason: 'so it is',
    });
    expect(text([livePacket(udp, { routeIndex: 1 })], { isVerbose: true, timeStyle: 1 }, [drop])).toBe(
      'red/eth0 In  IP 10.1.0.2.4000 > 10.2.0.2.53: UDP, length 10, blackhole 10.2.0.0/16 (drop) [verdict drop, stage input, rule 32766, table main, proto static, exact; so it is]\n',
    );
  });

  it('is red when the packet is dropped, and its route is dim when it is not', () => {
    const lines = new TailLines({ ...PLAIN, timeStyle: 1 }, pc.createColors(true));
    const shown = new ShownPacket();
    const line = (verdict: 'drop' | 'forward'): string =>
      lines
        .format(shown.read(livePacket(udp, { routeIndex: 1 }), [decision({ verdict })]))
        .replaceAll('\x1b', '^');
    expect(line('drop')).toMatch(/^\^\[31mred\/eth0 .*\(drop\)\^\[39m\n$/);
    expect(line('forward')).toMatch(/^red\/eth0 .*, \^\[2m-> main .*\^\[22m\n$/);
  });

  it('lets no control character of a name or a route through', () => {
    const evil = '\x1b[2J\n';
    const line = text([livePacket(udp, { netns: evil, routeIndex: 1 })], {}, [decision({ dev: evil })]);
    expect(line).toContain('\\x1b[2J\\x0a/eth0');
    expect(line.match(/\p{Cc}/gu)).toEqual(['\n']);
  });

  it('has relative sequence numbers of the connection as it is seen at each place', () => {
    const of = (netns: string, flags: string, seq: number): LivePacket =>
      livePacket(frame({ flags, seq, payload: flags === 'S' ? 0 : 5 }), { netns });
    const seqs = (...packets: LivePacket[]): string[] | null => text(packets).match(/seq [\d:]+/g);
    const alone = seqs(of('a', 'PA', 1000), of('a', 'PA', 1005))!;
    expect(alone).toEqual(['seq 1000:1005', expect.stringMatching(/^seq \d:\d+$/)]);
    expect(seqs(of('a', 'PA', 1000), of('b', 'PA', 1000), of('a', 'PA', 1005), of('b', 'PA', 1005))).toEqual([
      alone[0],
      alone[0],
      alone[1],
      alone[1],
    ]);
  });
});

describe.skipIf(!hasProgram('tcpdump'))('the options of tcpdump (needs tcpdump)', () => {
  const dir = mkdtempSync(join(tmpdir(), 'nstap-tail-'));
  afterAll(() => rmSync(dir, { recursive: true }));

  const frames = [
    frame({ flags: 'S', payload: 0, options: [2, 4, 5, 180] }),
    frame({ flags: 'PA', seq: 2, payload: 33 }),
    frame({ proto: 'udp', dport: 5000, payload: 7 }),
    frame({ proto: 'udp', src: 'fe80::1', dst: 'ff02::1', dport: 5000, payload: 1 }),
    frame({ proto: 'icmp', sport: 8, dport: 0, payload: 56 }),
    frame({ proto: 'udp', dport: 5000, vlan: [100], payload: 7 }),
    frame({ vlan: [0x6064, 7], payload: 3 }),
    Uint8Array.from([...new Array(12).fill(1), 0x88, 0xcc, ...new Array(40).fill(0x41)]),
  ];
  const packets = frames.map((octets, i) =>
    // Once behind the one before: a packet of another ring.
    livePacket(octets, { timeS: 1_700_000_000 + i * 3700, timeNs: i === 4 ? 999_999_999 : i * 1_000_111 }),
  );

  /** tcpdump's own lines of the same packets. */
  function theirs(...options: string[]): string {
    const file = join(dir, 'x.pcap');
    const writer = new PcapWriter(file, { linkType: 1 });
    for (const { octets, timeS, timeNs } of packets) {
      const fields = {
        tsSec: timeS,
        tsNsec: timeNs,
        wireLen: octets.length,
        pktType: 0,
        strippedTci: -1,
        strippedTpid: 0,
      };
      writer.packet(new DataView(octets.buffer), 0, octets.length, fields);
    }
    writer.close();
    const { stdout } = spawnSync('tcpdump', ['-nn', '-r', file, ...options], {
      encoding: 'utf8',
      env: { ...process.env, TZ: 'UTC' },
    });
    return stdout;
  }

  /** Our lines without place and direction. */
  function ours(style: Partial<LineStyle>): string {
    return text(packets, style).replace(/^(.*?)red\/eth0 In {2}/gm, '$1');
  }

  it.each([
    ['', 0],
    ['-t', 1],
    ['-tt', 2],
    ['-ttt', 3],
    ['-tttt', 4],
    ['-ttttt', 5],
  ])('time %s', (option, timeStyle) => {
    const times = (lines: string): string[] =>
      lines
        .trimEnd()
        .split('\n')
        .map((line) => line.replace(/(?:IP|IP6|ARP|LLDP|ethertype)\b.*/, ''));
    expect(times(ours({ timeStyle }))).toEqual(times(theirs(...(option === '' ? [] : [option]))));
  });

  it('nanoseconds', () => {
    expect(ours({ isNano: true }).slice(0, 18)).toBe(theirs('--nano').slice(0, 18));
  });

  it.each([
    ['-x', { x: 1, X: 0 }],
    ['-xx', { x: 2, X: 0 }],
    ['-X', { x: 0, X: 1 }],
    ['-XX', { x: 0, X: 2 }],
  ])('octets %s', (option, given) => {
    const octets = (lines: string): string[] => lines.split('\n').filter((line) => line.startsWith('\t0x'));
    expect(octets(ours({ hex: hexStyle(given) }))).toEqual(octets(theirs(option)));
  });

  it('the link header, -e', () => {
    const lines = (all: string): string[] =>
      all
        .trimEnd()
        .replaceAll(/: HTTP$/gm, '')
        .split('\n')
        // LLDP is taken apart there.
        .slice(0, -1);
    expect(lines(ours({ hasLink: true, timeStyle: 1 }))).toEqual(lines(theirs('-e', '-t')));
  });

  it('less, -q', () => {
    const lines = (all: string): string[] => all.trimEnd().split('\n').slice(0, 5);
    expect(lines(ours({ isQuiet: true, timeStyle: 1 }))).toEqual(lines(theirs('-q', '-t')));
  });

  it('a VLAN tag that the kernel took out is told as if it were there', () => {
    const tagged = packets[5]!;
    const { octets } = tagged;
    const without = Uint8Array.from([...octets.subarray(0, 12), ...octets.subarray(16)]);
    const stripped = { ...tagged, octets: without, vlanTci: 100, vlanTpid: 0x8100 };
    const style = { hasLink: true, timeStyle: 1 };
    expect(text([stripped], style)).toBe(text([tagged], style));
  });
});
