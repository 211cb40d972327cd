import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { labMissing } from '../kernel/lab.ts';
import { sendUdp } from '../kernel/traffic.ts';
import { MAIN } from '../support/nstap.ts';
import { childrenOf, hasProgram } from '../support/processes.ts';
import { TailLab } from './tail-lab.ts';

const missing = labMissing('tshark');
const noTrafgen = hasProgram('trafgen') ? null : 'needs trafgen';

describe.skipIf(missing !== null)(`nstap tail of a daemon${missing ? ` (${missing})` : ''}`, () => {
  let lab: TailLab;
  beforeAll(() => {
    lab = new TailLab('tail');
  });
  afterEach(() => lab.endTails());
  afterAll(async () => {
    await lab.endDaemon();
    lab.close();
  });

  /** Lines without their times; names of the lab's namespaces as `c`, `r` and `s`. */
  function plain(lines: readonly string[]): string[] {
    return lines.map((line) =>
      line
        .replace(/^\d\d:\d\d:\d\d\.\d{6} /, '')
        .replaceAll(lab.client, 'c')
        .replaceAll(lab.router, 'r')
        .replaceAll(lab.server, 's')
        .replace(/ +/g, ' '),
    );
  }

  it('shows a packet everywhere on its way, with the route decision of each place', async () => {
    await lab.capture();
    const tail = await lab.tail('udp dst port 4000');
    sendUdp(lab, lab.client, '10.72.0.2', 4000, 10, 1, 5000);
    sendUdp(lab, lab.client, '10.79.0.2', 4000, 10, 1, 5001);
    const lines = plain(await tail.prints(6));
    const ends = (from: string) => lines.filter((line) => line.includes(from));
    const packet = 'IP 10.71.0.2.5000 > 10.72.0.2.4000: UDP, length 10';
    expect(ends('.5000 >').sort()).toEqual(
      [
        `c/v0 Out ${packet}, -> main default via 10.71.0.1 dev v0`,
        `r/c0 In ${packet}, -> main 10.72.0.0/24 dev s0`,
        `r/s0 Out ${packet}, -> main 10.72.0.0/24 dev s0`,
        `s/v0 In ${packet}, local`,
      ].sort(),
    );
    const dropped = 'IP 10.71.0.2.5001 > 10.79.0.2.4000: UDP, length 10';
    expect(ends('.5001 >').sort()).toEqual(
      [
        `c/v0 Out ${dropped}, -> main default via 10.71.0.1 dev v0`,
        `r/c0 In ${dropped}, blackhole 10.79.0.0/16 (drop)`,
      ].sort(),
    );
    const { stderr, status } = await tail.interrupt();
    expect(status).toBe(130);
    expect(stderr).toContain(
      '6 packets shown\n6 packets matched\n0 packets skipped\n0 packets dropped by kernel\n',
    );
  });

  it('asks filters by namespace, interface and route, in the daemon', async () => {
    await lab.capture();
    const drops = await lab.tail('-c', '2', 'route verdict drop and udp');
    const router = await lab.tail(
      '-c',
      '2',
      '--netns',
      lab.router,
      '-i',
      's*',
      'udp port 4000 and bytes > 100',
    );
    for (let i = 0; i < 2; i++) {
      sendUdp(lab, lab.client, '10.79.0.2', 4000, 200, 1);
      sendUdp(lab, lab.client, '10.72.0.2', 4000, 10, 1);
      sendUdp(lab, lab.client, '10.72.0.2', 4000, 200, 1);
    }
    expect((await drops.ended).status).toBe(0);
    for (const line of plain(await drops.prints(2)))
      expect(line).toMatch(/^r\/c0 In IP .* > 10\.79\.0\.2\.4000: .*\(drop\)$/);
    expect((await router.ended).status).toBe(0);
    for (const line of plain(await router.prints(2)))
      expect(line).toMatch(/^r\/s0 Out IP .* > 10\.72\.0\.2\.4000: UDP, length 200, -> main /);
  });

  it('writes a file in which tshark finds interfaces, directions, times, whole packets and the routes', async () => {
    await lab.capture();
    const file = join(lab.dir, 'x.pcapng');
    const tail = await lab.tail('-w', file, '--print', '--nano', '-tt', 'udp dst port 4000');
    sendUdp(lab, lab.client, '10.72.0.2', 4000, 1400, 1);
    sendUdp(lab, lab.client, '10.79.0.2', 4000, 5, 1);
    const lines = await tail.prints(6);
    expect((await tail.interrupt()).stderr).toContain('6 packets written\n');
    const read = tshark(
      file,
      'frame.interface_name',
      'frame.time_epoch',
      'frame.packet_flags_direction',
      'frame.len',
      'frame.cap_len',
      'frame.comment',
    );
    const shown = lines.map((line) => {
      const [, time, place, direction, rest] = /^(\S+) (\S+) +(In|Out) +(.*)$/.exec(line)!;
      const tag = /UDP, length \d+, (.*)$/.exec(rest!)![1]!;
      const length = rest!.includes('length 1400') ? '1442' : '47';
      return [place, time, direction === 'In' ? '0x00000001' : '0x00000002', length, length, tag];
    });
    expect(read.map((row) => [...row.slice(0, 5), row[5]!.replace(/ \[.*$/, '')])).toEqual(shown);
    expect(read.map((row) => /\[verdict (\w+),/.exec(row[5]!)![1]).sort()).toEqual([
      'deliver',
      'drop',
      'forward',
      'forward',
      'send',
      'send',
    ]);
    const info = execFileSync('capinfos', ['-I', file], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    expect(info.match(/Number of stat entries = 1/g)).toHaveLength(4);
    expect(info).toContain(`Name = ${lab.router}/s0`);
  });

  it('takes segmentation offload for what it is: frames of more than 1,514 octets, whole', async () => {
    await lab.capture();
    const file = join(lab.dir, 'gso.pcapng');
    const tail = await lab.tail(
      '-w',
      file,
      '--print',
      '--netns',
      lab.client,
      '-i',
      'v0',
      'tcp and bytes > 10000',
    );
    const server = lab.start(
      lab.server,
      process.execPath,
      '-e',
      `require('net').createServer((s) => s.resume().on('end', () => process.exit())).listen(80, () => console.log('up'))`,
    );
    await once(server.stdout!, 'data');
    const client = lab.start(
      lab.client,
      process.execPath,
      '-e',
      `require('net').connect(80, '10.72.0.2').end(Buffer.alloc(4e6))`,
    );
    await once(client, 'exit');
    await tail.prints(5);
    await tail.interrupt();
    const rows = tshark(file, 'frame.len', 'frame.cap_len', 'ip.len');
    expect(rows.length).toBeGreaterThanOrEqual(5);
    for (const [length, captured] of rows) {
      expect(Number(length)).toBeGreaterThan(10_000);
      expect(Number(captured)).toBe(Math.min(Number(length), 65_535));
    }
  });

  it('is a pipe that tshark reads while packets come, and ends when tshark has enough', async () => {
    await lab.capture();
    const script = `"$0" "$1" tail --control "$2" -w - udp dst port 4000 2>/dev/null | tshark -i - -c 3 -T fields -e frame.interface_name -e udp.length`;
    const child = spawn('sh', ['-c', script, process.execPath, MAIN, lab.control], {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    let out = '';
    child.stdout.on('data', (text) => {
      out += text;
    });
    const ended = once(child, 'close');
    const sending = setInterval(() => sendUdp(lab, lab.router, '10.72.0.2', 4000, 92, 1), 100);
    await ended;
    clearInterval(sending);
    expect(out.trimEnd().split('\n')).toHaveLength(3);
    for (const line of out.trimEnd().split('\n'))
      expect(line).toMatch(new RegExp(`^(${lab.router}/s0|${lab.server}/v0)\t100$`));
  });

  it('tells that the disk is full, and what is before can be read', async () => {
    await lab.capture();
    const disk = join(lab.dir, 'disk');
    mkdirSync(disk);
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'nstap-test', disk]);
    try {
      const file = join(disk, 'x.pcapng');
      const tail = await lab.tail('-w', file, '--netns', lab.server, 'udp');
      for (let i = 0; i < 100 && tail.status === undefined; i++) {
        sendUdp(lab, lab.client, '10.72.0.2', 4000, 1400, 2);
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
      const { stderr, status } = await tail.ended;
      expect(status).toBe(1);
      expect(stderr).toMatch(
        /nstap: .*x\.pcapng: cannot be written further: ENOSPC: .*; what is before is whole/,
      );
      expect(tshark(file, 'udp.length').length).toBeGreaterThan(20);
    } finally {
      execFileSync('umount', [disk]);
    }
  });

  it('goes on when the engine of the daemon is started anew, sees captures that are added, and ends when the daemon does', async () => {
    const d = await lab.capture({ interfaces: ['v0', 'late*'] }, 2);
    const tail = await lab.tail('-t', '--netns', lab.server, 'udp dst port 4000');
    sendUdp(lab, lab.client, '10.72.0.2', 4000, 10, 1);
    await tail.prints(1);
    process.kill(childrenOf(d.child.pid!)[0]!, 'SIGKILL');
    await tail.says('nstap: the daemon captures again; packets in between were not seen\n');
    await d.until('it captures again', () => d.events('capture-opened').length === 4);
    sendUdp(lab, lab.client, '10.72.0.2', 4000, 11, 1);
    await tail.prints(2);

    lab.veth(lab.server, 'late0', '10.73.0.1/24', lab.server, 'other0', null);
    await d.until('it captures the new one', () => d.events('capture-opened').length === 5);
    sendUdp(lab, lab.server, '10.73.0.255', 4000, 12, 1);
    const lines = plain(await tail.prints(3));
    expect(lines[2]).toMatch(/^s\/late0 Out IP 10\.73\.0\.1\.\d+ > 10\.73\.0\.255\.4000: UDP, length 12, /);
    expect(await d.end()).toBe(0);
    const { stderr, status } = await tail.ended;
    expect(status).toBe(1);
    expect(stderr).toMatch(/\n3 packets shown\n(.*\n){3}nstap: the daemon has ended\n$/);
    lab.ip(lab.server, 'link del late0');
  });

  describe.skipIf(noTrafgen !== null)(
    `at 100,000 packets a second${noTrafgen ? ` (${noTrafgen})` : ''}`,
    () => {
      const SENT = 300_000;

      /** Sends to the router as fast as that. @returns when all are sent */
      async function flood(): Promise<void> {
        const mac = (netns: string, dev: string): string =>
          lab.exec(netns, 'cat', `/sys/class/net/${dev}/address`).trim();
        const config = join(lab.dir, 'flood.cfg');
        writeFileSync(
          config,
          `{ eth(da=${mac(lab.router, 'c0')}, sa=${mac(lab.client, 'v0')}), ipv4(ttl=64, saddr=10.71.0.2, daddr=10.71.0.1), udp(sport=1024, dport=9), fill(0x41, 18) }\n`,
        );
        const child = lab.start(
          lab.client,
          'trafgen',
          '-i',
          config,
          '-o',
          'v0',
          '-n',
          String(SENT),
          '--rate',
          '100000pps',
        );
        child.stdout!.resume();
        child.stderr!.resume();
        await once(child, 'exit');
      }

      it.each([
        ['lines', []],
        ['a file', ['-w', '/dev/null']],
      ])('each packet is shown or counted as skipped (%s)', async (_, words) => {
        await lab.capture({ interfaces: ['c0'], filter: 'udp port 9', ringMib: 64 }, 1);
        const [all, rare] = await Promise.all([
          lab.tail(...words, 'udp port 9'),
          lab.tail('-t', 'src port 4242'),
        ]);
        const flooding = flood();
        for (let i = 0; i < 5; i++) {
          sendUdp(lab, lab.client, '10.71.0.1', 9, 18 + i, 1, 4242);
          await new Promise((resolve) => setTimeout(resolve, 200));
        }
        await flooding;
        const { ControlClient } = await import('../../daemon/control/client.ts');
        const client = await ControlClient.connect(lab.control, 'test');
        let drops = 0;
        for (let packets = 0; packets + drops < SENT + 5; ) {
          const [capture] = (await client.status()).captures;
          packets = capture!.packets;
          drops = capture!.kernelDrops;
        }
        client.close();
        await all!.interrupt();
        const written = words.length > 0 ? 'written' : 'shown';
        expect(all!.count(written) + all!.count('skipped')).toBe(all!.count('matched'));
        expect(all!.count('matched') + all!.count('dropped')).toBe(SENT + 5);
        expect(all!.count('dropped')).toBe(drops);
        expect(all!.count(written)).toBeGreaterThan(1000);
        expect(all!.count('skipped')).toBeGreaterThan(0);
        expect(all!.stderr).toMatch(/^-- [\d,]+ of [\d,]+ packets not shown \(/m);
        if (words.length === 0) expect(all!.stdout.split('\n').length - 1).toBe(all!.count('shown'));

        // What is asked for is seen among them.
        if (drops === 0)
          expect((await rare!.prints(5)).map((line) => /length (\d+)/.exec(line)![1])).toEqual([
            '18',
            '19',
            '20',
            '21',
            '22',
          ]);
        await rare!.interrupt();
        expect(rare!.count('skipped')).toBe(0);
      });
    },
  );
});

/** Fields of each packet of a file, as tshark reads them. */
function tshark(file: string, ...fields: string[]): string[][] {
  const words = ['-r', file, '-T', 'fields', ...fields.flatMap((field) => ['-e', field])];
  const out = execFileSync('tshark', words, {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
    maxBuffer: 1 << 28,
  });
  return out
    .split('\n')
    .slice(0, -1)
    .map((line) => line.split('\t'));
}
