import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { BpfFilter } from '../../daemon/capture/bpf.ts';
import { FileSource } from '../../daemon/capture/file-source.ts';
import { compileFilter } from '../../daemon/kernel/libpcap.ts';
import { corpus } from '../support/truth.ts';
import { CountingSink } from './counting-sink.ts';

/** Octets of struct sock_filter each. */
function program(...instructions: [code: number, jt: number, jf: number, k: number][]): Uint8Array {
  const bytes = Buffer.alloc(instructions.length * 8);
  for (const [i, [code, jt, jf, k]] of instructions.entries()) {
    bytes.writeUInt16LE(code, i * 8);
    bytes.writeUInt8(jt, i * 8 + 2);
    bytes.writeUInt8(jf, i * 8 + 3);
    bytes.writeUInt32LE(k >>> 0, i * 8 + 4);
  }
  return bytes;
}

/** Runs instructions that leave a value in A, and says whether it is `expected`. */
function gives(expected: number, ...instructions: [number, number, number, number][]): boolean {
  const filter = new BpfFilter(
    program(...instructions, [0x15, 0, 1, expected], [0x06, 0, 0, 1], [0x06, 0, 0, 0]),
  );
  const packet = Uint8Array.from([0x45, 0x80, 0xff, 0x01, 0x02, 0x03, 0x04, 0xf0]);
  return filter.matches(new DataView(packet.buffer), 0, packet.length, 1000);
}

const LDA = 0x00;
const LDX = 0x01;

describe('BPF instructions', () => {
  test.each<[string, number, [number, number, number, number][]]>([
    ['ld [0], word', 0x4580ff01, [[0x20, 0, 0, 0]]],
    ['ldh [1]', 0x80ff, [[0x28, 0, 0, 1]]],
    ['ldb [7]', 0xf0, [[0x30, 0, 0, 7]]],
    ['ld len', 1000, [[0x80, 0, 0, 0]]],
    [
      'ldb [x + 2]',
      0x02,
      [
        [LDX, 0, 0, 2],
        [0x50, 0, 0, 2],
      ],
    ],
    [
      'ldxb 4*([0]&0xf)',
      20,
      [
        [0xb1, 0, 0, 0],
        [0x87, 0, 0, 0],
      ],
    ],
    [
      'st, ld M[]',
      77,
      [
        [LDA, 0, 0, 77],
        [0x02, 0, 0, 3],
        [LDA, 0, 0, 0],
        [0x60, 0, 0, 3],
      ],
    ],
    [
      'stx, ldx M[]',
      78,
      [
        [LDX, 0, 0, 78],
        [0x03, 0, 0, 15],
        [LDX, 0, 0, 0],
        [0x61, 0, 0, 15],
        [0x87, 0, 0, 0],
      ],
    ],
    [
      'add wraps',
      1,
      [
        [LDA, 0, 0, 0xffffffff],
        [0x04, 0, 0, 2],
      ],
    ],
    [
      'sub wraps',
      0xffffffff,
      [
        [LDA, 0, 0, 1],
        [0x14, 0, 0, 2],
      ],
    ],
    [
      'mul wraps',
      0xfffffffe,
      [
        [LDA, 0, 0, 0xffffffff],
        [0x24, 0, 0, 2],
      ],
    ],
    [
      'div is unsigned',
      0x7fffffff,
      [
        [LDA, 0, 0, 0xffffffff],
        [0x34, 0, 0, 2],
      ],
    ],
    [
      'mod is unsigned',
      5,
      [
        [LDA, 0, 0, 0xffffffff],
        [0x94, 0, 0, 10],
      ],
    ],
    [
      'or, and, xor',
      0x0f,
      [
        [LDA, 0, 0, 0xf0],
        [0x44, 0, 0, 0x0f],
        [0x54, 0, 0, 0xff],
        [0xa4, 0, 0, 0xf0],
      ],
    ],
    [
      'lsh by 31',
      0x80000000,
      [
        [LDA, 0, 0, 1],
        [0x64, 0, 0, 31],
      ],
    ],
    [
      'lsh by x = 32 is 0',
      0,
      [
        [LDA, 0, 0, 1],
        [LDX, 0, 0, 32],
        [0x6c, 0, 0, 0],
      ],
    ],
    [
      'rsh is unsigned',
      1,
      [
        [LDA, 0, 0, 0x80000000],
        [0x74, 0, 0, 31],
      ],
    ],
    [
      'rsh by x = 2^31 is 0',
      0,
      [
        [LDA, 0, 0, 1],
        [LDX, 0, 0, 0x80000000],
        [0x7c, 0, 0, 0],
      ],
    ],
    [
      'neg',
      0xfffffffb,
      [
        [LDA, 0, 0, 5],
        [0x84, 0, 0, 0],
      ],
    ],
    [
      'tax, txa',
      9,
      [
        [LDA, 0, 0, 9],
        [0x07, 0, 0, 0],
        [LDA, 0, 0, 0],
        [0x87, 0, 0, 0],
      ],
    ],
    [
      'ja',
      3,
      [
        [LDA, 0, 0, 3],
        [0x05, 0, 0, 1],
        [LDA, 0, 0, 4],
        [0x04, 0, 0, 0],
      ],
    ],
  ])('%s', (_, expected, instructions) => {
    expect(gives(expected, ...instructions)).toBe(true);
    expect(gives(expected ^ 1, ...instructions)).toBe(false);
  });

  test('comparisons are unsigned', () => {
    const jump = (code: number, a: number, k: number): boolean =>
      new BpfFilter(program([LDA, 0, 0, a], [code, 0, 1, k], [0x06, 0, 0, 1], [0x06, 0, 0, 0])).matches(
        new DataView(new ArrayBuffer(1)),
        0,
        1,
        1,
      );
    expect([jump(0x25, 0x80000000, 1), jump(0x25, 1, 0x80000000), jump(0x25, 1, 1)]).toEqual([
      true,
      false,
      false,
    ]);
    expect([jump(0x35, 1, 1), jump(0x35, 0, 0xffffffff)]).toEqual([true, false]);
    expect([jump(0x45, 0x80000001, 0x80000000), jump(0x45, 1, 2)]).toEqual([true, false]);
  });

  test.each<[string, [number, number, number, number][]]>([
    ['a load past the end', [[0x20, 0, 0, 5]]],
    [
      'an indexed load past the end',
      [
        [LDX, 0, 0, 4],
        [0x50, 0, 0, 4],
      ],
    ],
    [
      'a negative index, even if index and offset make a valid place',
      [
        [LDX, 0, 0, -2],
        [0x50, 0, 0, 4],
      ],
    ],
    [
      'a division by x = 0',
      [
        [LDX, 0, 0, 0],
        [LDA, 0, 0, 4],
        [0x3c, 0, 0, 0],
      ],
    ],
    [
      'a remainder by x = 0',
      [
        [LDX, 0, 0, 0],
        [LDA, 0, 0, 4],
        [0x9c, 0, 0, 0],
      ],
    ],
    ['4*([k]&0xf) past the end', [[0xb1, 0, 0, 8]]],
  ])('%s rejects the packet', (_, instructions) => {
    const filter = new BpfFilter(program(...instructions, [0x06, 0, 0, 1]));
    expect(filter.matches(new DataView(new ArrayBuffer(8)), 0, 8, 8)).toBe(false);
  });
});

const FILES = [
  'PcapPlusPlus/example2.pcap',
  'PcapPlusPlus/ip6_fragments.pcap',
  'PcapPlusPlus/VlanPackets.pcap',
  'PcapPlusPlus/MplsPackets.pcap',
  'PcapPlusPlus/PPPoESession.pcap',
  'PcapPlusPlus/sll.pcap',
  'PcapPlusPlus/raw_ip.pcap',
  'PcapPlusPlus/QinQ_802.1_AD.pcapng',
  'nDPI/1kxun.pcap',
  'nDPI/fuzz-2006-06-26-2594.pcap',
  'nDPI/ip_fragmented_garbage.pcap',
  'tcpdump/bigtcp-ipv6-hbh.pcap',
];

const EXPRESSIONS = [
  '',
  'ip',
  'ip6',
  'arp or rarp',
  'tcp',
  'udp',
  'icmp or icmp6',
  'not ip and not ip6',
  'tcp port 80',
  'udp port 53 or tcp port 53',
  'port not 443',
  'portrange 1-1023',
  'src portrange 1024-65535 and tcp',
  'host 192.168.1.1',
  'src net 10.0.0.0/8',
  'dst net 192.168.0.0/16',
  'net 172.16.0.0/12 or net 224.0.0.0/4',
  'ip6 host fe80::1 or ip6 net ff00::/8',
  'multicast',
  'broadcast',
  'vlan',
  'vlan and ip',
  'vlan 100 or vlan 200',
  'mpls',
  'pppoes and ip',
  'ip proto 2',
  'ip6 proto 58',
  'ip protochain 6',
  'ip6 protochain 17',
  'ip[ip[9] - 300] = 69',
  'ether[ether[12:2] - 2060] = 0',
  'greater 500',
  'less 100',
  'len > 60 and len < 1000',
  'ip[0] & 0xf > 5',
  'ip[6:2] & 0x3fff != 0',
  'ip[6:2] & 0x1fff = 0',
  'ip[8] < 64',
  'ip[2:2] - ((ip[0] & 0xf) << 2) > 1000',
  'tcp[tcpflags] & (tcp-syn|tcp-fin) != 0',
  'tcp[tcpflags] = tcp-syn|tcp-ack',
  'tcp[13] & 2 != 0 and tcp[14:2] > 8192',
  '(ip[2:2] - ((ip[0] & 0xf) << 2) - ((tcp[12] & 0xf0) >> 2)) != 0',
  'tcp[((tcp[12] & 0xf0) >> 2):4] = 0x47455420',
  'udp[4:2] > 100 and udp[8] & 0x80 != 0',
  'icmp[icmptype] = icmp-echo or icmp[icmptype] = icmp-echoreply',
  'ip[ip[9]] = 0',
  'ip[ip[9] - 16] < 255',
  'len / 3 * 3 = len',
  'len % 7 = 3',
  '1 << (len & 31) > 0x10000',
  'ip[12:4] ^ ip[16:4] & 0xff = 0',
  '(ip[4:2] * 65537) > 0x80000000',
  'len / (ip[9] - 6) > 0',
  'ip[4:4] / 17 > 1000 or ip[4:4] % 5 = 0',
  'ether[0] & 1 = 0 and ip[16] >= 224',
  'not (tcp or udp) and ip',
  'ip and not tcp port 80 and (udp or src net 192.168.0.0/16)',
];

interface Counts {
  packets: number;
  bytes: number;
}

const scratch = mkdtempSync(join(tmpdir(), 'nstap-bpf-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

const files = corpus().filter(({ name }) => FILES.includes(name));
const hasTcpdump = spawnSync('tcpdump', ['--version']).error === undefined;
const missing = files.length === 0 ? 'no shared captures' : hasTcpdump ? null : 'no tcpdump';

describe.skipIf(missing !== null)(
  `filters on files as libpcap${missing === null ? '' : ` (skipped: ${missing})`}`,
  () => {
    test('all files are there', () => {
      expect(files.map(({ name }) => name).sort()).toEqual([...FILES].sort());
    });

    test.each(files)('$name', async ({ path }) => {
      let compared = 0;
      const differences: string[] = [];
      for (const expression of EXPRESSIONS) {
        const theirs = tcpdump(path, expression);
        const ours = await matching(path, expression);
        if (theirs !== null) compared++;
        if (JSON.stringify(ours) !== JSON.stringify(theirs))
          differences.push(`${expression}: ${JSON.stringify(ours)}, tcpdump ${JSON.stringify(theirs)}`);
      }
      expect(differences).toEqual([]);
      expect(compared).toBeGreaterThan(20);
    });
  },
);

/** Packets and captured octets that tcpdump lets through; null when it refuses the expression for this file. */
function tcpdump(path: string, expression: string): Counts | null {
  const out = join(scratch, 'out.pcap');
  rmSync(out, { force: true });
  spawnSync('tcpdump', ['-r', path, '-w', out, expression]);
  return existsSync(out) ? count(out) : null; // opened once the expression is compiled; the status tells of damage, too
}

/** The records of a little-endian pcap file. */
function count(path: string): Counts {
  const bytes = readFileSync(path);
  let packets = 0;
  let octets = 0;
  for (let at = 24; at + 16 <= bytes.length; packets++) {
    const length = bytes.readUInt32LE(at + 8);
    octets += length;
    at += 16 + length;
  }
  return { packets, bytes: octets };
}

/** The same through our source; null when libpcap's compiler refuses the expression. */
async function matching(path: string, expression: string): Promise<Counts | null> {
  const sink = new CountingSink(Number.POSITIVE_INFINITY);
  const source = new FileSource(
    path,
    expression === '' ? null : (...of) => compileFilter(expression, ...of),
    sink,
    () => 0,
  );
  const error = await source
    .read(() => {})
    .then(
      () => null,
      (cause: Error) => cause.name,
    );
  if (error === 'PcapError') return null;
  expect([null, 'SavefileError']).toContain(error); // a damaged file: what came before it counts
  return { packets: sink.packets, bytes: sink.seen.reduce((sum, { bytes }) => sum + bytes.length, 0) };
}
