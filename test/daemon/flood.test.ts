import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import { labMissing, until } from '../kernel/lab.ts';
import { UdpSocket } from '../kernel/traffic.ts';
import { readFlows, withDb } from '../storage/temp-db.ts';
import { childrenOf, residentKib } from '../support/processes.ts';
import { Talkers } from './talkers.ts';
import { DaemonLab } from './daemon-lab.ts';

const missing = labMissing('trafgen');
const MAX_FLOWS = 4096;
const PACKETS = 600_000;
const CONVERSATIONS = 50;
/** SYNs of both at once, a ring that holds all of them, and where TCP conversations go. */
const BOTH = { flood: 200_000, scan: 100_000 };
const RING_MIB = 96;
const TCP_PORT = 8080;

/** SYNs from random sources to one port: a flood. SYNs from one source to every port: a scan. To a port of another host's MAC. */
function trafgenConfig(kind: 'flood' | 'scan', mac: string): string {
  const octets = mac
    .split(':')
    .map((octet) => `0x${octet}`)
    .join(', ');
  const source = kind === 'flood' ? '11, drnd(3)' : '10, 9, 0, 77';
  const ports = kind === 'flood' ? 'drnd(2), c16(80)' : 'c16(40000), dinc(1, 255), drnd(1)';
  return `{
    ${octets}, 0x02, 0, 0, 0, 0, 0x99, 0x08, 0x00,
    0x45, 0, c16(40), drnd(2), 0x40, 0, 64, 6, csumip(14, 33), ${source}, 10, 9, 0, 2,
    ${ports}, drnd(4), 0, 0, 0, 0, 0x50, 0x02, c16(1000), 0, 0, 0, 0
  }\n`;
}

/** Resident MiB of all processes of the daemon: the supervisor and what it started. */
function residentMib(pid: number): number {
  const pids = [pid];
  for (const parent of pids) pids.push(...childrenOf(parent));
  return Math.round(pids.reduce((sum, each) => sum + residentKib(each), 0) / 1024);
}

describe.skipIf(missing !== null)(`a flood on the wire${missing ? ` (${missing})` : ''}`, () => {
  const lab = new DaemonLab('flood');

  afterEach(() => lab.endDaemon());
  afterAll(() => lab.close());

  test.for(['flood', 'scan'] as const)(
    '%s: conversations keep their counters, and every packet is accounted for',
    { timeout: 120_000 },
    async (kind) => {
      const [a, b] = [lab.add(`${kind}a`), lab.add(`${kind}b`)];
      lab.veth(a, 'v0', '10.9.0.1/24', b, 'v0', '10.9.0.2/24');
      // No answer to what the flood asks: its packets would be answered with RST, each.
      lab.exec(b, 'ip', 'route', 'add', 'blackhole', '11.0.0.0/8');
      const received = (): number => Number(lab.exec(b, 'cat', '/sys/class/net/v0/statistics/rx_packets'));
      const sent = (): number => Number(lab.exec(b, 'cat', '/sys/class/net/v0/statistics/tx_packets'));
      const mac = lab.exec(b, 'cat', '/sys/class/net/v0/address').trim();
      const base = [received(), sent()];
      const { d, db: path } = lab.daemon(
        { netns: [b], interfaces: ['v0'], maxFlows: MAX_FLOWS, checkpointSec: 2, ringMib: 32 },
        'real',
      );
      await d.opened(1);
      const quiet = residentMib(d.child.pid!);

      // Conversations that go on through all of it: a datagram each way, again and again.
      const ends = Array.from({ length: CONVERSATIONS }, (_, i) => ({
        client: new UdpSocket(lab, a, 4, { address: '10.9.0.1', port: 6000 + i }),
        server: new UdpSocket(lab, b, 4, { address: '10.9.0.2', port: 7000 + i }),
      }));
      let rounds = 0;
      const round = (): void => {
        for (const [i, { client, server }] of ends.entries()) {
          client.send('10.9.0.2', 7000 + i, 100);
          server.send('10.9.0.1', 6000 + i, 200);
        }
        rounds++;
      };
      for (let i = 0; i < 5; i++) round();
      const config = join(lab.dir, `${kind}.cfg`);
      writeFileSync(config, trafgenConfig(kind, mac));
      const started = performance.now();
      const trafgen = lab.start(
        a,
        'trafgen',
        '-o',
        'v0',
        '-i',
        config,
        '-n',
        String(PACKETS),
        '-P',
        '1',
        '-q',
      );
      let code: number | null | undefined;
      trafgen.on('exit', (status) => (code = status));
      let peak = 0;
      while (code === undefined) {
        round();
        peak = Math.max(peak, residentMib(d.child.pid!));
        await sleep(50);
      }
      const seconds = (performance.now() - started) / 1000;
      expect(code).toBe(0);
      for (let i = 0; i < 5; i++) round();
      for (const { client, server } of ends) {
        client.close();
        server.close();
      }
      // The interface's own counters stand still: nothing is under way any more.
      let before = -1;
      await until('the interface is silent', () => {
        const now = received() + sent();
        const isStill = now === before;
        before = now;
        return isStill;
      });
      await sleep(300);
      const wire = received() - base[0]! + sent() - base[1]!;
      expect(await d.end()).toBe(0);

      const counters = withDb(path, (reader) => reader.prepare('SELECT * FROM captures').get()) as Record<
        string,
        number
      >;
      const flows = readFlows(path);
      const conversations = flows.filter(
        (flow) => flow.proto === 17 && flow.dstPort! >= 7000 && flow.dstPort! < 7000 + CONVERSATIONS,
      );
      process.stdout.write(
        `${kind}: ${PACKETS} SYNs in ${seconds.toFixed(1)} s, wire ${wire}, packets ${counters.packets}, kernel drops ${counters.kernel_drops}, evicted ${counters.evicted_flows}, shed ${counters.shed_records}, resident ${quiet} -> ${peak} MiB, ${rounds} rounds of ${CONVERSATIONS} conversations\n`,
      );
      expect(counters.packets! + counters.kernel_drops!).toBe(wire);
      expect(
        counters.decoded_ipv4! +
          counters.decoded_ipv6! +
          counters.decoded_arp! +
          counters.decoded_other! +
          counters.undecoded!,
      ).toBe(counters.packets);
      expect(counters.evicted_flows).toBeGreaterThan(kind === 'flood' ? PACKETS / 2 : 10_000);
      // No packet is in two flows, and each that is in none is in a record that was shed: of one packet in a flood, and perhaps
      // of one that had been stored before, at a checkpoint. Two packets from the same random source are rare.
      const stored = flows.reduce((n, flow) => n + flow.packetsFwd + flow.packetsRev, 0);
      const ip = counters.decoded_ipv4! + counters.decoded_ipv6!;
      if (counters.shed_records === 0) expect(stored).toBe(ip);
      else {
        expect(stored).toBeLessThanOrEqual(ip);
        if (kind === 'flood') expect(stored + counters.shed_records!).toBeGreaterThan(ip * 0.999);
      }
      expect(conversations).toHaveLength(CONVERSATIONS);
      if (counters.kernel_drops === 0)
        for (const flow of conversations)
          expect(flow).toMatchObject({
            packetsFwd: rounds,
            packetsRev: rounds,
            payloadBytesFwd: rounds * 100,
            payloadBytesRev: rounds * 200,
            endReason: 'shutdown',
          });
      // The table of 1 MiB, the ring of 32, and the batches that wait for the disk at worst (64 of 0.6 MiB).
      expect(peak - quiet).toBeLessThan(32 + 40 + 60);
    },
  );

  test('both at once: TCP conversations keep their flows, and every octet of theirs is counted', {
    timeout: 180_000,
  }, async () => {
    const [a, b] = [lab.add('tcpa'), lab.add('tcpb')];
    lab.veth(a, 'v0', '10.9.0.1/24', b, 'v0', '10.9.0.2/24');
    lab.exec(b, 'ip', 'route', 'add', 'blackhole', '11.0.0.0/8');
    const wire = (): number =>
      ['rx_packets', 'tx_packets'].reduce(
        (n, name) => n + Number(lab.exec(b, 'cat', `/sys/class/net/v0/statistics/${name}`)),
        0,
      );
    const mac = lab.exec(b, 'cat', '/sys/class/net/v0/address').trim();
    const base = wire();
    // The ring has room for all of the flood: nothing is dropped, however late the engine gets to it.
    const { d, db: path } = lab.daemon(
      { netns: [b], interfaces: ['v0'], maxFlows: MAX_FLOWS, checkpointSec: 2, ringMib: RING_MIB },
      'real',
    );
    await d.opened(1);
    const quiet = residentMib(d.child.pid!);
    const talkers = await Talkers.start(lab, a, b, '10.9.0.2', TCP_PORT, CONVERSATIONS);
    const codes = (['flood', 'scan'] as const).map((kind) => {
      const config = join(lab.dir, `both-${kind}.cfg`);
      writeFileSync(config, trafgenConfig(kind, mac));
      const words = ['-o', 'v0', '-i', config, '-n', String(BOTH[kind]), '-P', '1', '-b', '20000pps', '-q'];
      const child = lab.start(a, 'trafgen', ...words);
      return new Promise<number | null>((resolve) => child.on('exit', resolve));
    });
    let peak = 0;
    const watch = setInterval(() => (peak = Math.max(peak, residentMib(d.child.pid!))), 50);
    try {
      expect(await Promise.all(codes)).toEqual([0, 0]);
    } finally {
      clearInterval(watch);
    }
    const octets = await talkers.stop();
    let before = -1;
    await until('the interface is silent, and all of it is stored or counted', () => {
      const now = wire();
      const isStill = now === before;
      before = now;
      const [stored] = withDb(path, (reader) =>
        reader.prepare('SELECT packets + kernel_drops AS n FROM captures').pluck().all(),
      );
      return isStill && stored === now - base;
    });
    expect(await d.end()).toBe(0);

    const counters = withDb(path, (reader) => reader.prepare('SELECT * FROM captures').get()) as Record<
      string,
      number
    >;
    const flows = readFlows(path);
    // The scan, from another address, comes to this port, too.
    const talks = flows.filter((flow) => flow.dstPort === TCP_PORT && flow.src.join('.') === '10.9.0.1');
    const sum = [...octets.values()].reduce((n, [sent, received]) => n + sent + received, 0);
    process.stdout.write(
      `flood and scan: ${BOTH.flood} + ${BOTH.scan} SYNs, ${octets.size} TCP conversations with ${sum} octets, wire ${before - base}, packets ${counters.packets}, undecoded ${counters.undecoded}, kernel drops ${counters.kernel_drops}, evicted ${counters.evicted_flows}, shed ${counters.shed_records}, resident ${quiet} -> ${peak} MiB\n`,
    );
    expect(counters.kernel_drops).toBe(0);
    expect(counters.packets).toBe(before - base);
    expect(
      counters.decoded_ipv4! +
        counters.decoded_ipv6! +
        counters.decoded_arp! +
        counters.decoded_other! +
        counters.undecoded!,
    ).toBe(counters.packets);
    expect(counters.evicted_flows).toBeGreaterThan(BOTH.flood / 2);
    expect(talks.map((flow) => flow.srcPort).sort()).toEqual([...octets.keys()].sort());
    for (const flow of talks) {
      const [sent, received] = octets.get(flow.srcPort!)!;
      expect(flow).toMatchObject({
        connState: 'SF',
        endReason: 'fin',
        seqBytesFwd: sent,
        seqBytesRev: received,
        missedBytesFwd: 0,
        missedBytesRev: 0,
      });
      expect(flow.payloadBytesFwd - flow.retransmittedBytesFwd!).toBe(sent);
      expect(flow.payloadBytesRev - flow.retransmittedBytesRev!).toBe(received);
    }
    // The table of 1 MiB, the ring, and the batches that wait for the disk at worst (64 of 0.6 MiB).
    expect(peak - quiet).toBeLessThan(RING_MIB + 40 + 60);
  });
});
