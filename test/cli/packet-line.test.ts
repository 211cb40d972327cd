import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PacketLines } from '../../cli/packet-line/packet-lines.ts';
import { decodePacket } from '../../decoders/packet.ts';
import { PacketFields } from '../../decoders/packet-fields.ts';
import { CORPUS, corpusFiles, corpusMissing, tally } from '../decoders/corpus.ts';
import { type FrameSpec, frame } from '../support/frames.ts';
import { tunnelFrames } from '../support/tunnel-frames.ts';

/** Packets of a file that are compared. */
const PACKETS_MAX = 2000;
/** Protocols whose lines are to be the same. */
const PROTOCOLS = [1, 6, 17, 58];
const TIME = /^(-?\d+\.\d{6}|\[Error converting time\]) /;

/** A line where we differ from tcpdump on purpose. Both without the time; each rule must be met. */
const DIFFERENCES: readonly { reason: string; holds(ours: string, theirs: string, file: string): boolean }[] =
  [
    {
      reason: 'tcpdump takes protocols above UDP apart by port',
      holds(ours, theirs) {
        const head = /^(.*:) UDP, (bad )?length [\d >]+$/.exec(ours)?.[1];
        return head !== undefined && theirs.startsWith(head);
      },
    },
    { reason: 'tcpdump goes on into protocols above TCP', holds: (ours, theirs) => theirs.startsWith(ours) },
    {
      reason: 'MPLS labels, PPPoE sessions and the interface of SLL2 are no part of our line',
      holds(ours, theirs) {
        const rest = /^(?:MPLS .*?|PPPoE .*?|\? +(?:In|Out) +)(?=IP6? )(.*)$/.exec(theirs)?.[1];
        return (
          rest !== undefined &&
          (rest === ours || DIFFERENCES[0]!.holds(ours, rest, '') || rest.startsWith(ours))
        );
      },
    },
    {
      reason: 'a pseudowire behind MPLS labels: we go on into it',
      holds: (_, theirs) => /^MPLS (\(label [^)]*\) ?)+$/.test(theirs),
    },
    {
      reason: 'a total length of 0 is segmentation offload for us',
      holds: (_, theirs) => /^(MPLS .* )?IP bad-len 0/.test(theirs),
    },
    {
      reason: 'MPTCP options are shown in hex',
      holds: (ours, theirs) =>
        /mptcp 0x/.test(ours) &&
        ours.replace(/mptcp 0x[0-9a-f]+/g, '').length > 40 &&
        theirs.includes('mptcp'),
    },
    {
      reason: 'Cisco HDLC in a file of link type PPP: we read its header',
      holds: (_, theirs) => theirs.startsWith('unknown PPP protocol (0x000f)'),
    },
    {
      reason: 'the address family of LINKTYPE_NULL in the other byte order',
      holds: (_, theirs) => theirs.startsWith('AF Unknown'),
    },
    {
      reason: 'hop-by-hop options are not taken apart',
      holds: (ours, theirs) => ours.includes('HBH ') && /HBH \(/.test(theirs),
    },
  ];

function toolMissing(): string | null {
  if (corpusMissing !== null) return corpusMissing;
  return spawnSync('tcpdump', ['--version']).status === 0 ? null : 'needs tcpdump';
}

const missing = toolMissing();

describe.skipIf(missing !== null)(
  `lines of the shared captures${missing === null ? '' : ` (${missing})`}`,
  () => {
    it("are tcpdump's, or differ for a reason that is listed", { timeout: 120_000 }, async () => {
      const met = new Map<string, number>();
      let equal = 0;
      let times = 0;
      for (const name of corpusFiles()) {
        const path = join(CORPUS, name);
        const run = spawnSync('tcpdump', ['-nn', '-tt', '-r', path, '-c', String(PACKETS_MAX)], {
          encoding: 'latin1',
          maxBuffer: 1 << 28,
        });
        const theirs = run.stdout.split('\n').filter((line) => TIME.test(line));
        const lines = new PacketLines();
        let i = 0;
        await tally(path, (f, view) => {
          const line = theirs[i++];
          if (line === undefined || i > PACKETS_MAX) return;
          const ours = lines.format(view, f);
          if (!f.isArp && (f.ipVersion === 0 || !PROTOCOLS.includes(f.ipProto))) return;
          const [a, b] = [ours, line].map((text) => text.replace(TIME, '').trimEnd()) as [string, string];
          if (a === b) equal++;
          else {
            const rule = DIFFERENCES.find(({ holds }) => holds(a, b, name));
            expect(rule?.reason, `${name} packet ${i}\nours   ${ours}\ntheirs ${line}`).toBeDefined();
            met.set(rule!.reason, (met.get(rule!.reason) ?? 0) + 1);
          }
          // tcpdump has 32 bits for the seconds, and no time for packets that have none.
          if (ours.split(' ')[0] !== line.split(' ')[0]) {
            const isBeyond = f.tsSec < 0 || f.tsSec > 0x7fff_ffff;
            expect([name, i, isBeyond || line.startsWith('0.000000 ')]).toEqual([name, i, true]);
            times++;
          }
        });
      }
      for (const { reason } of DIFFERENCES) expect([...met.keys()]).toContain(reason);
      const differ = [...met.values()].reduce((sum, n) => sum + n, 0);
      const dissected = DIFFERENCES.slice(0, 2).reduce((sum, { reason }) => sum + met.get(reason)!, 0);
      expect(equal).toBeGreaterThan(15_000);
      expect((equal + dissected) / (equal + differ)).toBeGreaterThan(0.99);
      expect(times).toBeLessThan(20);
    });
  },
);

/** The line of one packet, without its time. */
function line(bytes: Uint8Array, capLen = bytes.length, lines = new PacketLines()): string {
  const f = Object.assign(new PacketFields(), { linkType: 1, wireLen: bytes.length });
  const view = new DataView(bytes.buffer, bytes.byteOffset, capLen);
  decodePacket(view, 0, capLen, f);
  const text = lines.format(view, f);
  expect(text).toMatch(/^0\.000000 /);
  return text.slice(9);
}

describe('a line', () => {
  it.each<[string, FrameSpec]>([
    ['IP 10.0.0.1.1000 > 10.0.0.2.80: Flags [S], seq 5, win 1000, length 0', { flags: 'S', seq: 5 }],
    [
      'IP 10.0.0.1.1000 > 10.0.0.2.80: Flags [P.], seq 5:9, ack 1, win 1000, length 4',
      { flags: 'PA', seq: 5, payload: 4 },
    ],
    ['IP 10.0.0.1.1000 > 10.0.0.2.80: UDP, length 4', { proto: 'udp', payload: 4, vlan: [5] }],
    [
      'IP 10.0.0.1 > 10.0.0.2: ICMP echo request, id 0, seq 0, length 8',
      { proto: 'icmp', sport: 8, dport: 0 },
    ],
    ['IP 10.0.0.1 > 10.0.0.2: ip-proto-17', { proto: 'udp', fragOff: 8, payload: 8 }],
    ['IP6 fd00::1.1000 > fd00::2.80: UDP, length 0', { proto: 'udp', src: 'fd00::1', dst: 'fd00::2' }],
    ['IP 10.0.0.1 > 10.0.0.2: ip-proto-89 4', { proto: 89, payload: 4 }],
  ])('%s', (expected, spec) => {
    expect(line(frame(spec))).toBe(expected);
  });

  it('shows sequence numbers relative to the first segment with ACK, for both ends, and anew from a SYN on', () => {
    const lines = new PacketLines();
    const back = { src: '10.0.0.2', dst: '10.0.0.1', sport: 80, dport: 1000 };
    const feed = (spec: FrameSpec): string =>
      line(frame(spec), frame(spec).length, lines).replace(/.*?: /, '');
    expect(feed({ ...back, flags: 'SA', seq: 0xffff_fffe, ack: 101 })).toBe(
      'Flags [S.], seq 4294967294, ack 101, win 1000, length 0',
    );
    expect(feed({ flags: 'A', seq: 101, ack: 0xffff_ffff })).toBe('Flags [.], ack 1, win 1000, length 0');
    expect(feed({ flags: 'PA', seq: 101, ack: 0xffff_ffff, payload: 5 })).toBe(
      'Flags [P.], seq 1:6, ack 1, win 1000, length 5',
    );
    expect(feed({ ...back, flags: 'PA', seq: 0xffff_ffff, ack: 106, payload: 2 })).toBe(
      'Flags [P.], seq 1:3, ack 6, win 1000, length 2',
    );
    expect(feed({ ...back, flags: 'SA', seq: 7, ack: 5 })).toBe(
      'Flags [S.], seq 7, ack 5, win 1000, length 0',
    );
    expect(feed({ flags: 'A', seq: 5, ack: 8 })).toBe('Flags [.], ack 1, win 1000, length 0');
  });

  it('says where the capture was cut', () => {
    const tcp = frame({ flags: 'PA', payload: 40 });
    expect(line(tcp, 14 + 20 + 10)).toBe('IP 10.0.0.1.1000 > 10.0.0.2.80:  [|tcp]');
    expect(line(tcp, 14 + 20 + 2)).toBe('IP 10.0.0.1 > 10.0.0.2: [|tcp]');
    expect(line(frame({ proto: 'udp', payload: 40 }), 14 + 20 + 6)).toBe(
      'IP 10.0.0.1.1000 > 10.0.0.2.80:  [|udp]',
    );
    expect(line(tcp, 14 + 10)).toBe('IP  [|ip]');
  });

  it('never throws and never looks outside of the packet', () => {
    const seeds = [
      ...tunnelFrames(),
      frame({ proto: 'icmp', sport: 3, dport: 3, payload: 40 }),
      frame({ proto: 58, src: 'fd00::1', dst: 'fd00::2', sport: 1, dport: 4, payload: 60 }),
      frame({
        proto: 44,
        src: 'fd00::1',
        dst: 'fd00::2',
        payload: Uint8Array.from([6, 0, 0, 1, 0, 0, 0, 1, ...new Array(30).fill(0x50)]),
      }),
      frame({ flags: 'S', payload: 20 }),
    ];
    const edit = fc.tuple(fc.nat(), fc.nat(255));
    fc.assert(
      fc.property(
        fc.constantFrom(...seeds),
        fc.array(edit, { maxLength: 8 }),
        fc.nat(),
        (seed, edits, cut) => {
          const bytes = Uint8Array.from(seed);
          for (const [at, octet] of edits) bytes[at % bytes.length] = octet;
          const capLen = cut % (bytes.length + 1);
          const texts = [0x00, 0xff].map((around) => {
            const world = new Uint8Array(bytes.length + 200).fill(around);
            world.set(bytes.subarray(0, capLen), 100);
            const f = Object.assign(new PacketFields(), { linkType: 1, wireLen: bytes.length });
            const view = new DataView(world.buffer);
            decodePacket(view, 100, 100 + capLen, f);
            return new PacketLines().format(view, f);
          });
          expect(texts[0]).toBe(texts[1]);
          expect(texts[0]).toMatch(/^0\.000000 [\x20-\x7e]*$/);
        },
      ),
      { numRuns: 5000 },
    );
  });
});
