import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { PacketFields, PacketType } from '../../decoders/packet-fields.ts';
import { PcapWriter } from '../../decoders/pcap-writer.ts';
import { PcapngWriter } from '../../decoders/pcapng-writer.ts';
import { SavefileError } from '../../decoders/savefile-error.ts';
import type { SavefileInterface } from '../../decoders/savefile-sink.ts';
import { frame } from '../support/frames.ts';
import { corpus } from '../support/truth.ts';
import { readSavefile, TempDir } from './savefile-build.ts';

const dir = new TempDir();
afterAll(() => dir.remove());

interface Read {
  interfaces: SavefileInterface[];
  /** [interface, octets as hex, wireLen, sec, nsec, pktType] */
  packets: [number, string, number, number, number, number][];
}

async function readAll(path: string, limit = Number.POSITIVE_INFINITY): Promise<Read> {
  const { interfaces, packets } = await readSavefile(path);
  return {
    interfaces,
    packets: packets
      .slice(0, limit)
      .map((p) => [p.interfaceIndex, p.data, p.wireLen, p.tsSec, p.tsNsec, p.pktType]),
  };
}

/** Octets at an odd offset of a larger buffer, as in a ring. */
function placed(hex: string): { view: DataView; off: number; length: number } {
  const octets = Buffer.from(hex, 'hex');
  const all = new Uint8Array(octets.length + 9);
  all.set(octets, 5);
  return { view: new DataView(all.buffer, 2), off: 3, length: octets.length };
}

function source(wireLen: number, sec: number, nsec: number, more: Partial<PacketFields> = {}): PacketFields {
  return Object.assign(new PacketFields(), { wireLen, tsSec: sec, tsNsec: nsec, ...more });
}

function writePcapng(path: string, { interfaces, packets }: Read, section = {}): PcapngWriter {
  using writer = new PcapngWriter(path, section);
  for (const { linkType, snapLen, name, description } of interfaces)
    writer.addInterface({
      linkType,
      snapLen,
      ...(name !== null && { name }),
      ...(description !== null && { description }),
    });
  for (const [index, hex, wireLen, sec, nsec, pktType] of packets) {
    const { view, off, length } = placed(hex);
    writer.packet(index, view, off, length, source(wireLen, sec, nsec, { pktType: pktType as PacketType }));
  }
  return writer;
}

const files = corpus();
const noCorpus = files.length === 0 ? ' (skipped: no shared captures)' : '';

describe.skipIf(files.length === 0)(`every shared capture${noCorpus}`, () => {
  it('comes back from pcapng and from pcap as it went in', async () => {
    const path = join(dir.path, 'copy.pcapng');
    const classic = join(dir.path, 'copy.pcap');
    let packets = 0;
    for (const { name, path: original } of files) {
      const before = await readAll(original, 2000);
      const isWritable = before.packets.filter(([, , , sec]) => sec >= 0 && sec <= 0xffff_ffff);
      writePcapng(path, { ...before, packets: isWritable });
      const after = await readAll(path);
      expect(after.packets, name).toEqual(isWritable);
      expect(after.interfaces, name).toEqual(before.interfaces);
      const [first] = before.interfaces;
      if (first === undefined) continue;
      {
        using writer = new PcapWriter(classic, { linkType: first.linkType, snapLen: first.snapLen });
        for (const [, hex, wireLen, sec, nsec] of isWritable) {
          const { view, off, length } = placed(hex);
          expect(writer.packet(view, off, length, source(wireLen, sec, nsec))).toBe(true);
        }
        expect([writer.packets, writer.refused]).toEqual([isWritable.length, 0]);
      }
      const back = await readAll(classic);
      expect(
        back.interfaces.map((info) => info.linkType),
        name,
      ).toEqual([first.linkType]);
      expect(back.packets, name).toEqual(
        isWritable.map(([, hex, wireLen, sec, nsec]) => [0, hex, wireLen, sec, nsec, PacketType.Unknown]),
      );
      packets += isWritable.length;
    }
    expect(packets).toBeGreaterThan(10_000);
  }, 60_000);
});

function tool(name: string, ...words: string[]): { status: number | null; stdout: string; stderr: string } {
  return spawnSync(name, words, { encoding: 'utf8', maxBuffer: 1 << 28 });
}

const noTshark = tool('tshark', '--version').status !== 0;

describe.skipIf(noTshark)(`tshark and capinfos${noTshark ? ' (skipped: needs tshark)' : ''}`, () => {
  const packet = placed(Buffer.from(frame({ payload: 10 })).toString('hex'));
  const wireLen = packet.length + 100;

  it('show what was written to pcapng, without a word on standard error', () => {
    const path = join(dir.path, 'tools.pcapng');
    {
      using writer = new PcapngWriter(path, {
        hardware: 'x86',
        os: 'Linux',
        application: 'nstap 1',
        comment: 'ein Wörtchen',
      });
      const index = writer.addInterface({
        linkType: 1,
        name: 'ns1/veth0',
        description: 'towards the router',
        filter: 'tcp port 80',
        os: 'Linux 6',
        snapLen: 96,
      });
      const other = writer.addInterface({ linkType: 101, name: 'ns2/tun0' });
      const at = [1_790_000_000, 123_456_789] as const;
      writer.packet(
        index,
        packet.view,
        packet.off,
        packet.length,
        source(wireLen, ...at, { pktType: PacketType.Host }),
      );
      const outgoing = source(wireLen, ...at, { pktType: PacketType.Outgoing });
      writer.packet(index, packet.view, packet.off, packet.length, outgoing, {
        comment: 'route: 10.2.0.0/16 ✓',
        dropCount: 3,
      });
      writer.packet(
        other,
        packet.view,
        packet.off + 14,
        packet.length - 14,
        source(packet.length - 14, ...at),
      );
      writer.statistics(index, [1_790_000_001, 1], {
        start: at,
        end: [1_790_000_001, 0],
        received: 2 ** 40,
        droppedByKernel: 3,
        delivered: 2,
      });
      writer.statistics(other, [1_790_000_001, 1], {
        received: 1,
        droppedByInterface: 0,
        acceptedByFilter: 1,
      });
    }
    const fields = [
      'frame.interface_name',
      'frame.interface_description',
      'frame.packet_flags_direction',
      'frame.comment',
      'frame.time_epoch',
      'frame.len',
      'frame.cap_len',
      'frame.drop_count',
      'ip.src',
    ];
    const read = tool(
      'tshark',
      '-n',
      '-r',
      path,
      '-T',
      'fields',
      ...fields.flatMap((field) => ['-e', field]),
    );
    expect([read.status, withoutRoot(read.stderr)]).toEqual([0, '']);
    const time = '1790000000.123456789';
    const long = String(wireLen);
    const lengths = [long, String(packet.length)];
    expect(
      read.stdout
        .trimEnd()
        .split('\n')
        .map((line) => line.split('\t')),
    ).toEqual([
      [
        'ns1/veth0',
        'towards the router',
        expect.stringMatching(/^(1|0x0*1|Inbound)$/),
        '',
        time,
        ...lengths,
        '',
        '10.0.0.1',
      ],
      [
        'ns1/veth0',
        'towards the router',
        expect.stringMatching(/^(2|0x0*2|Outbound)$/),
        'route: 10.2.0.0/16 ✓',
        time,
        ...lengths,
        '3',
        '10.0.0.1',
      ],
      ['ns2/tun0', '', '', '', time, String(packet.length - 14), String(packet.length - 14), '', '10.0.0.1'],
    ]);
    const info = tool('capinfos', path);
    expect([info.status, withoutRoot(info.stderr)]).toEqual([0, '']);
    for (const line of [
      /File type: +Wireshark.*pcapng/,
      /File timestamp precision: +nanoseconds/,
      /Capture hardware: +x86/,
      /Capture oper-sys: +Linux/,
      /Capture application: +nstap 1/,
      /Capture comment: +ein Wörtchen/,
      /Name = ns1\/veth0/,
      /Description = towards the router/,
      /Filter string = tcp port 80/,
      /Time precision = nanoseconds \(9\)/,
      /Number of packets: +3/,
      /Number of stat entries = 1/,
    ])
      expect(info.stdout).toMatch(line);
  });

  it('open pcap in nanoseconds', () => {
    const path = join(dir.path, 'tools.pcap');
    {
      using writer = new PcapWriter(path, { linkType: 1 });
      writer.packet(packet.view, packet.off, packet.length, source(wireLen, 0xffff_ffff, 999_999_999));
    }
    const info = tool('capinfos', '-t', '-E', '-c', path);
    expect([info.status, withoutRoot(info.stderr)]).toEqual([0, '']);
    expect(info.stdout).toMatch(/nanosecond (lib)?pcap/);
    const read = tool('tshark', '-n', '-r', path, '-T', 'fields', '-e', 'frame.time_epoch');
    expect([read.status, withoutRoot(read.stderr), read.stdout]).toEqual([0, '', '4294967295.999999999\n']);
  });

  it.skipIf(files.length === 0)(
    'open all shared captures in one pcapng, each with an interface of its own',
    async () => {
      const path = join(dir.path, 'all.pcapng');
      let packets = 0;
      {
        using writer = new PcapngWriter(path);
        for (const { name, path: original, truth } of files) {
          if (truth.tshark_error || truth.read_error) continue;
          const { interfaces, packets: some } = await readAll(original, 50);
          const numbers = interfaces.map(({ linkType }) => writer.addInterface({ linkType, name }));
          for (const [index, hex, wireLength, sec, nsec] of some) {
            const { view, off, length } = placed(hex);
            if (writer.packet(numbers[index]!, view, off, length, source(wireLength, sec, nsec))) packets++;
          }
        }
      }
      const read = tool('tshark', '-n', '-r', path, '-T', 'fields', '-e', 'frame.number');
      expect([read.status, withoutRoot(read.stderr)]).toEqual([0, '']);
      expect(read.stdout.trimEnd().split('\n')).toHaveLength(packets);
      const info = tool('capinfos', '-c', path);
      expect([info.status, withoutRoot(info.stderr)]).toEqual([0, '']);
      expect(packets).toBeGreaterThan(2000);
    },
    60_000,
  );
});

/** tshark says on every run that root should not run it. */
function withoutRoot(text: string): string {
  return text.replace(/^Running as user "root".*\n/m, '');
}

describe('times', () => {
  const times = fc.tuple(
    fc.integer({ min: 0, max: 18_446_744_072 }),
    fc.integer({ min: 0, max: 999_999_999 }),
  );

  it('of pcapng are exact over all of their 64 bits', async () => {
    const octets = '00'.repeat(4);
    const sampled = [
      ...fc.sample(times, { numRuns: 2000, seed: 5 }),
      [0, 0] as [number, number],
      [18_446_744_072, 999_999_999] as [number, number],
    ];
    const path = join(dir.path, 'times.pcapng');
    writePcapng(path, {
      interfaces: [{ index: 0, linkType: 1, snapLen: 0, name: null, description: null }],
      packets: sampled.map(([sec, nsec]) => [0, octets, 4, sec, nsec, PacketType.Unknown]),
    });
    const raw = readFileSync(path);
    let off = raw.readUInt32LE(4);
    off += raw.readUInt32LE(off + 4);
    for (const [sec, nsec] of sampled) {
      const ns = (BigInt(raw.readUInt32LE(off + 12)) << 32n) | BigInt(raw.readUInt32LE(off + 16));
      expect(ns).toBe(BigInt(sec) * 1_000_000_000n + BigInt(nsec));
      off += raw.readUInt32LE(off + 4);
    }
    expect(off).toBe(raw.length);
    expect((await readAll(path)).packets.map(([, , , sec, nsec]) => [sec, nsec])).toEqual(sampled);
  });

  it.each([-1, 18_446_744_073])('that pcapng has no number for are left out and counted: %i', async (sec) => {
    const path = join(dir.path, 'out.pcapng');
    const writer = writePcapng(path, {
      interfaces: [{ index: 0, linkType: 1, snapLen: 0, name: null, description: null }],
      packets: [
        [0, '0011', 2, sec, 0, PacketType.Unknown],
        [0, '2233', 2, 1, 0, PacketType.Unknown],
      ],
    });
    expect([writer.packets, writer.refused]).toEqual([1, 1]);
    expect((await readAll(path)).packets.map(([, hex]) => hex)).toEqual(['2233']);
  });

  it.each([-1, 2 ** 32])('that pcap has no number for are left out and counted: %i', async (sec) => {
    const path = join(dir.path, 'out.pcap');
    using writer = new PcapWriter(path, { linkType: 1 });
    const { view, off, length } = placed('0011');
    expect(writer.packet(view, off, length, source(2, sec, 0))).toBe(false);
    expect(writer.packet(view, off, length, source(2, 5, 0))).toBe(true);
    writer.close();
    expect([writer.packets, writer.refused]).toEqual([1, 1]);
    expect((await readAll(path)).packets).toHaveLength(1);
  });
});

describe('a frame', () => {
  it.each([12, 60, 300, 70_000])(
    'of %i octets gets the tag back that the kernel took out of it',
    async (length) => {
      const octets = Uint8Array.from({ length }, (_, i) => i);
      const view = new DataView(octets.buffer);
      const f = source(length + 4, 1, 2, { strippedTci: 0xf005, strippedTpid: 0x88a8 });
      const expected = Buffer.concat([
        octets.subarray(0, 12),
        Buffer.from('88a8f005', 'hex'),
        octets.subarray(12),
      ]);
      const [classic, ng] = [join(dir.path, 'tag.pcap'), join(dir.path, 'tag.pcapng')];
      {
        using pcap = new PcapWriter(classic, { linkType: 1 });
        using pcapng = new PcapngWriter(ng);
        pcap.packet(view, 0, length, f);
        pcapng.packet(pcapng.addInterface({ linkType: 1 }), view, 0, length, f);
      }
      for (const path of [classic, ng])
        expect((await readAll(path)).packets.map(([, hex, wireLen]) => [hex, wireLen])).toEqual([
          [expected.toString('hex'), length + 4],
        ]);
    },
  );

  it('is copied whole, whatever its length and alignment', async () => {
    const path = join(dir.path, 'lengths.pcap');
    const memory = Uint8Array.from({ length: 2000 }, (_, i) => (i * 7) & 0xff);
    const view = new DataView(memory.buffer, 3);
    const wanted: string[] = [];
    {
      using writer = new PcapWriter(path, { linkType: 1 });
      for (let length = 0; length < 600; length++) {
        const off = length % 5;
        writer.packet(view, off, length, source(length, 1, 0));
        wanted.push(Buffer.from(memory.subarray(3 + off, 3 + off + length)).toString('hex'));
      }
    }
    expect((await readAll(path)).packets.map(([, hex]) => hex)).toEqual(wanted);
  });
});

describe('options', () => {
  it.each([65_535, 65_536, 70_000])(
    'of %i octets are cut to what an option can hold, at a whole character',
    (length) => {
      const path = join(dir.path, 'long.pcapng');
      const comment = `${'x'.repeat(length - 3)}€`;
      {
        using writer = new PcapngWriter(path);
        const index = writer.addInterface({ linkType: 1 });
        writer.packet(index, new DataView(new ArrayBuffer(4)), 0, 4, source(4, 1, 0), { comment });
      }
      const text = readFileSync(path).toString('utf8');
      expect(text.includes('x€')).toBe(length === 65_535);
      expect(text).not.toContain('\ufffd\ufffd€');
      expect(/x{60000}/.test(text)).toBe(true);
    },
  );
});

it('a packet of an interface that was not described is an error of the caller', () => {
  using writer = new PcapngWriter(join(dir.path, 'none.pcapng'));
  expect(() => writer.packet(0, new DataView(new ArrayBuffer(4)), 0, 4, source(4, 1, 0))).toThrow(RangeError);
});

describe('a disk that takes no more', () => {
  const missing = process.getuid?.() === 0 ? null : 'needs root';
  const mount = join(dir.path, 'tiny');

  it.skipIf(missing !== null)(
    `leaves whole records, and says where the file ends${missing === null ? '' : ` (${missing})`}`,
    async () => {
      mkdirSync(mount);
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'nstap-test', mount]);
      try {
        for (const kind of ['pcap', 'pcapng'] as const) {
          const path = join(mount, `full.${kind}`);
          const writer = kind === 'pcap' ? new PcapWriter(path, { linkType: 1 }) : new PcapngWriter(path);
          if (writer instanceof PcapngWriter) writer.addInterface({ linkType: 1 });
          const octets = new DataView(new ArrayBuffer(1499));
          const write = (i: number): unknown => {
            octets.setUint32(0, i);
            const f = source(1499, 1 + i, 7);
            return writer instanceof PcapWriter
              ? writer.packet(octets, 0, 1499, f)
              : writer.packet(0, octets, 0, 1499, f);
          };
          let failure: unknown;
          for (let i = 0; failure === undefined; i++) {
            try {
              write(i);
            } catch (error) {
              failure = error;
            }
          }
          expect(failure).toBeInstanceOf(SavefileError);
          const { code, offset, message } = failure as SavefileError;
          expect([code, offset]).toEqual(['SAVEFILE_WRITE', statSync(path).size]);
          expect(message).toMatch(
            /full\.pcap(ng)?: cannot be written further: ENOSPC: no space left on device; what is before is whole/,
          );
          expect(() => write(0)).toThrow(SavefileError);
          writer.close();
          const { packets } = await readAll(path);
          expect(packets.length).toBeGreaterThan(600);
          expect(packets.map(([, hex]) => Number.parseInt(hex.slice(0, 8), 16))).toEqual(
            packets.map((_, i) => i),
          );
          execFileSync('rm', [path]);
        }
      } finally {
        execFileSync('umount', [mount]);
      }
    },
  );

  it('is told by close as well, and a path that cannot be made at once', () => {
    const writer = new PcapWriter('/dev/full', { linkType: 1 });
    expect(() => writer.close()).toThrow(/\/dev\/full: cannot be written further: ENOSPC/);
    writer.close();
    expect(() => new PcapWriter(join(dir.path, 'no', 'x.pcap'), { linkType: 1 })).toThrow(
      /cannot be created: ENOENT/,
    );
  });
});
