import { copyFileSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { SavefileReader } from '../../decoders/savefile.ts';
import { carveEach, tsharkPackets } from '../support/carve-oracle.ts';
import { nstap } from '../support/nstap.ts';
import { hasProgram } from '../support/processes.ts';
import { corpus } from '../support/truth.ts';
import { tempFolder } from '../storage/temp-db.ts';

const SCENES = fileURLToPath(new URL('../../fixtures/pcap/scenes/', import.meta.url));
const scene = (name: string): string => join(SCENES, `${name}.pcap`);

/** Packets of a capture as a reader of savefiles sees them: time, octets, interface. */
async function packetsOf(file: string): Promise<string[]> {
  const packets: string[] = [];
  const reader = new SavefileReader(file, {
    onInterface: () => undefined,
    onPacket: (index, view, off, capLen, wireLen, sec, nsec) => {
      const octets = Buffer.from(view.buffer as ArrayBuffer, view.byteOffset + off, capLen).toString('hex');
      packets.push(`${index} ${sec}.${String(nsec).padStart(9, '0')} ${wireLen} ${octets}`);
    },
  });
  while (await reader.next());
  return packets;
}

describe('export --carve', () => {
  test('a capture that is read is not written over', () => {
    const folder = tempFolder();
    const capture = join(folder, 'a.pcap');
    copyFileSync(scene('SF'), capture);
    const run = nstap(['export', '--carve', 'state S0', '-w', capture, scene('S0'), capture]);
    expect(run).toMatchObject({
      status: 2,
      stdout: '',
      stderr: `nstap: write ${capture}: it is read; name another file\n`,
    });
    expect(readFileSync(capture)).toEqual(readFileSync(scene('SF')));
  });

  test('what is known at the end of a flow decides on its first packet; every packet is accounted for', async () => {
    const folder = tempFolder();
    const output = join(folder, 'out.pcapng');
    const files = ['SF', 'S0', 'REJ', 'udp-SF'].map(scene);
    const run = nstap(['export', '--carve', 'state SF', '-w', output, '--json', ...files]);
    expect(run).toMatchObject({ status: 0, stderr: '' });
    const [sf, s0, rej, udp] = await Promise.all(files.map(packetsOf));
    const want = [...sf!, ...udp!.map((packet) => packet.replace(/^0/, '3'))];
    expect(await packetsOf(output)).toEqual(want);
    expect(JSON.parse(run.stdout)).toMatchObject({
      packets: sf!.length + s0!.length + rej!.length + udp!.length,
      carved: want.length,
      others: s0!.length + rej!.length,
      flowless: 0,
      undecoded: 0,
      flows: 4,
      flows_carved: 2,
      errors: [],
    });
    expect(readdirSync(folder)).toEqual(['out.pcapng']);
  });

  test('the summary says where the others went, and a route decision stands in the comment of each packet', () => {
    const folder = tempFolder();
    const routes = join(folder, 'routes.txt');
    writeFileSync(routes, 'blackhole 10.0.0.0/8\ndefault via 192.168.0.1 dev eth0\n');
    const output = join(folder, 'out.pcapng');
    const run = nstap([
      'export',
      '--carve',
      'tcp',
      '--routes',
      routes,
      '-w',
      output,
      scene('S0'),
      scene('udp-S0'),
    ]);
    expect(run).toMatchObject({ status: 0, stdout: '' });
    expect(run.stderr).toMatch(
      /^nstap: \d+ packets? of 1 flow in .*\nnstap: read \d+ packets = \d+ carved \+ \d+ of other flows \+ 0 of no flow \(ARP and the like\) \+ 0 undecodable\n$/,
    );
    expect(readFileSync(output, 'latin1')).toMatch(/route (drop|not decided|send|forward|deliver): /);
  });

  test('a pipe takes the packets, and what cannot be is told', async () => {
    const folder = tempFolder();
    const run = nstap(['export', '--carve', 'ip', '-w', '-', scene('S0')]);
    expect(run.status).toBe(0);
    expect(run.stdout.slice(0, 4)).toBe('\n\r\r\n');
    for (const [words, message] of [
      [['--carve', 'tcp', scene('S0')], /--carve needs -w FILE/],
      [['--carve', 'tcp', '-w', join(folder, 'x')], /--carve needs the capture files/],
      [
        ['--carve', 'tcp', '-w', join(folder, 'x'), '-'],
        /--carve reads the packets twice, and stdin can be read once/,
      ],
      [['--carve', 'experiment a', '-w', join(folder, 'x'), scene('S0')], /no experiments/],
      [
        ['--carve', 'tcp', '-w', join(folder, 'x'), '--since', '1h', scene('S0')],
        /--since is for flows of a database/,
      ],
    ] as const) {
      const mistake = nstap(['export', ...words]);
      expect(mistake.status).toBe(2);
      expect(mistake.stderr).toMatch(message);
    }
    expect(readdirSync(folder)).toEqual([]);
  });

  test('a damaged file gives what came before the damage, status 1; no file nothing', () => {
    const folder = tempFolder();
    const output = join(folder, 'out.pcapng');
    const cut = join(folder, 'cut.pcap');
    const octets = readFileSync(scene('SF'));
    writeFileSync(cut, octets.subarray(0, octets.length - 3));
    const run = nstap(['export', '--carve', 'tcp', '-w', output, cut]);
    expect(run.status).toBe(1);
    expect(run.stderr).toMatch(/the file ends inside/);
    expect(readdirSync(folder).sort()).toEqual(['cut.pcap', 'out.pcapng']);
  });

  test('a full disk is told', () => {
    const run = nstap(['export', '--carve', 'tcp', '-w', '/dev/full', scene('SF')]);
    expect(run).toMatchObject({
      status: 1,
      stderr: 'nstap: carve to /dev/full: ENOSPC: no space left on device; nothing is kept of it\n',
    });
  });
});

/** Filters that mean the same to tshark as to nstap, as long as packets carry no packets and no pieces of packets. */
const SAME: Readonly<Record<string, string>> = {
  tcp: 'tcp',
  'udp or ip6': 'udp or ipv6',
  'port 53 or port > 1023 and not tcp': 'tcp.port == 53 or udp.port == 53 or (udp.port > 1023 and not tcp)',
};

/**
 * Captures without tunnels, ICMP errors and fragments: in those tshark's filters look at every packet within a frame, and find
 * fragments put together. Of Ethernet with and without VLAN, cooked, raw and loopback; pcap and pcapng; TCP and UDP over both.
 */
const PLAIN = [
  'PcapPlusPlus/VlanPackets.pcap',
  'PcapPlusPlus/four_ipv6_http_streams.pcap',
  'PcapPlusPlus/many_interfaces-1.pcapng',
  'PcapPlusPlus/raw_ip.pcap',
  'PcapPlusPlus/sll.pcap',
  'gopacket/test_loopback.pcap',
  'nDPI/ftp.pcap',
  'nDPI/openwire.pcapng',
];
const captures = corpus().filter(({ name }) => PLAIN.includes(name));

describe.skipIf(captures.length === 0 || !hasProgram('tshark'))(
  'carved packets, against tshark (needs tshark and the shared captures)',
  () => {
    test('of files that cannot be read makes none, and leaves the one that was there', () => {
      const out = join(tempFolder(), 'out.pcapng');
      writeFileSync(out, 'mine');
      const run = nstap(['export', '--carve', 'tcp', '-w', out, '/no/such.pcap']);
      expect(run).toMatchObject({ status: 1, stdout: '' });
      expect(run.stderr).toBe('nstap: /no/such.pcap: cannot be read: there is no such file\n');
      expect(readFileSync(out, 'utf8')).toBe('mine');
    });

    test('the captures are there', () => expect(captures.map(({ name }) => name)).toEqual(PLAIN));

    test.each(captures.map(({ name, path }) => [name, path] as const))(
      '%s',
      async (_, path) => {
        for await (const { filter, carved, totals } of carveEach(path, Object.keys(SAME))) {
          const { carved: got, others, flowless, undecoded, refused } = totals.carved!;
          expect(got + others + flowless + undecoded + refused).toBe(totals.counters.packets);
          expect(undecoded).toBe(totals.counters.undecoded);
          expect(tsharkPackets(carved, null), filter).toEqual(tsharkPackets(path, SAME[filter]!));
        }
      },
      120_000,
    );
  },
);
