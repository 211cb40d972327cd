import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { openNetns } from '../../daemon/kernel/netns.ts';
import { openForReading } from '../../storage/database.ts';
import { labMissing, run, until } from '../kernel/lab.ts';
import { sendUdp } from '../kernel/traffic.ts';
import { OwnNetns } from '../netns/own-netns.ts';
import { childrenOf } from '../support/processes.ts';
import { DaemonLab, Load, openFiles, packetsOf, unaccounted } from './daemon-lab.ts';

const missing = labMissing();
const FILTER = 'udp port 4000';

describe.skipIf(missing !== null)(`namespaces that come and go${missing ? ` (${missing})` : ''}`, () => {
  const lab = new DaemonLab('nss');
  const started: OwnNetns[] = [];
  afterEach(async () => {
    await lab.endDaemon();
    for (const own of started.splice(0)) await own.stop();
  });
  afterAll(() => lab.close());

  const hasLink = (netns: string, name: string): boolean =>
    lab.ip(netns, '-o link show').includes(`${name}@`);

  it('lets a namespace go that is deleted under load: its veth peer disappears, and nothing of it stays open', async () => {
    const [a, b] = [lab.add('la'), lab.add('lb')];
    lab.veth(a, 'v0', '10.9.0.1/24', b, 'v0', '10.9.0.2/24');
    const { d } = lab.daemon({ netns: [a, b], filter: FILTER });
    for (const [netns, name] of [
      [a, 'lo'],
      [a, 'v0'],
      [b, 'v0'],
    ] as const)
      await d.captures(netns, name);
    const pids = [d.child.pid!, ...childrenOf(d.child.pid!)];
    expect(pids).toHaveLength(2);
    const files = (): number[] => pids.map((pid) => openFiles(pid).length);
    const before = files();
    const load = new Load(lab, b, '10.9.0.1', true);
    await until('there is load', () => load.sent > 1000);
    lab.remove(a);
    await d.until('the veth peer disappears', () => !hasLink(b, 'v0'));
    const sent = await load.stop();
    await d.until('its captures end', () => d.capture(a, 'v0')?.ended === 'namespace removed');
    await d.until('all of it is closed', () => files().every((count, i) => count < before[i]!));
    expect(await d.end()).toBe(0);
    const counted = d.counted();
    expect(unaccounted(counted)).toBe(0);
    expect(packetsOf(counted, a, 'v0')).toBeGreaterThan(1000);
    expect(packetsOf(counted, a, 'v0')).toBeLessThanOrEqual(packetsOf(counted, b, 'v0'));
    expect(packetsOf(counted, b, 'v0')).toBeLessThanOrEqual(sent);
  });

  it('keeps flows of a namespace apart from those of its successor with the same name', async () => {
    const a = lab.add('same');
    const { d, db } = lab.daemon({ netns: [a], filter: FILTER }, 'real');
    const opened = (): number => d.events('capture-opened').length;
    await d.until('it is captured', () => opened() === 1);
    sendUdp(lab, a, '127.0.0.1', 4000, 100, 3, 4001);
    // The kernel gives the number of a namespace that is gone to the next: as long as this one is held, it is not.
    const held = openNetns(a);
    lab.remove(a);
    lab.add('same');
    await d.until('its successor is captured', () => opened() === 2);
    held.close();
    sendUdp(lab, a, '127.0.0.1', 4000, 100, 5, 4001);
    expect(await d.end()).toBe(0);
    const reader = openForReading(db);
    try {
      const rows = reader
        .prepare(
          `SELECT c.netns, c.netns_id AS id, f.packets_fwd AS flow, c.packets, c.undecoded, c.kernel_drops AS drops,
                  c.decoded_ipv4 AS ipv4
           FROM captures c JOIN flows f USING (capture_id) ORDER BY c.capture_id`,
        )
        .all() as { id: string }[];
      const whole = { netns: a, id: expect.stringMatching(/^\d+:\d+$/), undecoded: 0, drops: 0 };
      expect(rows).toEqual([
        { ...whole, flow: 3, packets: 3, ipv4: 3 },
        { ...whole, flow: 5, packets: 5, ipv4: 5 },
      ]);
      expect(rows[0]!.id).not.toBe(rows[1]!.id);
    } finally {
      reader.close();
    }
  });

  it('captures where processes are, without keeping the namespace after the last of them', async () => {
    const b = lab.add('pb');
    const own = await OwnNetns.start();
    started.push(own);
    lab.ip(b, `link add v0 type veth peer name v0 netns ${own.pid}`);
    const { d } = lab.daemon({ netns: ['processes', '!nsd-*'], interfaces: ['v0'], filter: FILTER });
    const name = `pid:${own.pid}:sleep`;
    await d.captures(name, 'v0');
    const second = await OwnNetns.start(own);
    started.push(second);
    await own.stop();
    lab.sysctl(b, 'net.ipv6.conf.v0.disable_ipv6=1');
    lab.ip(b, 'addr add 10.9.0.2/24 dev v0');
    lab.ip(b, 'neigh add 10.9.0.1 lladdr 02:00:00:00:00:01 dev v0');
    lab.ip(b, 'link set v0 up');
    run('nsenter', `--net=/proc/${second.pid}/ns/net`, 'ip', 'link', 'set', 'v0', 'up');
    sendUdp(lab, b, '10.9.0.1', 4000, 100, 12);
    await d.until('they are counted', () => d.capture(name, 'v0')?.packets === 12);
    expect(d.capture(name, 'v0')!.ended).toBeNull();
    await second.stop();
    await d.until('the veth peer disappears', () => !hasLink(b, 'v0'));
    await d.until('its capture ends', () => d.capture(name, 'v0')?.ended === 'namespace removed');
    expect(await d.end()).toBe(0);
    expect(unaccounted(d.counted())).toBe(0);
  });

  it('captures in what comes after its start only, when it is told so', async () => {
    const old = lab.add('old');
    const { d } = lab.daemon({ netns: ['newly', '!*-b'], interfaces: ['lo'], filter: FILTER });
    await d.until('ready', () => d.events('ready').length === 1);
    const left = lab.add('out-b');
    const name = lab.add('young');
    await d.captures(name, 'lo');
    const own = await OwnNetns.start();
    started.push(own);
    await d.captures(`pid:${own.pid}:sleep`, 'lo');
    expect(await d.end()).toBe(0);
    const captured = d.counted().captures.map(({ info }) => info.netns);
    expect(captured).not.toContain(old);
    expect(captured).not.toContain(left);
    expect(captured).not.toContain('host');
  });

  it('leaves its own traffic out in the namespace of the host, and there only', async () => {
    const a = lab.add('own');
    const { d } = lab.daemon({
      netns: ['host', a],
      interfaces: ['lo'],
      filter: 'udp portrange 47310-47311',
      exclude: 'udp port 47311 and host 127.0.0.1',
    });
    await d.captures('host', 'lo');
    await d.captures(a, 'lo');
    for (const netns of ['host', a]) {
      sendUdp(lab, netns, '127.0.0.1', 47310, 100, 5);
      sendUdp(lab, netns, '127.0.0.1', 47311, 100, 7);
    }
    expect(await d.end()).toBe(0);
    const counted = d.counted();
    expect(packetsOf(counted, 'host', 'lo')).toBe(5);
    expect(packetsOf(counted, a, 'lo')).toBe(12);
    expect(counted.captures.map(({ info, received }) => [info.netns, info.filter, received])).toEqual([
      ['host', 'not (udp port 47311 and host 127.0.0.1) and (udp portrange 47310-47311)', 10],
      [a, 'udp portrange 47310-47311', 24],
    ]);
  });

  it('refuses selectors and an exclusion that cannot be read before anything starts', async () => {
    const ends = async (options: Parameters<DaemonLab['daemon']>[0]): Promise<[unknown, string]> => {
      const { d } = lab.daemon(options);
      await until('it ends', () => d.code !== undefined);
      return [d.code, d.log];
    };
    expect(await ends({ netns: ['a/b'] })).toEqual([
      1,
      expect.stringMatching(/^"a\/b": a path must begin with \/.*allowed: host, any/),
    ]);
    expect(await ends({ interfaces: ['!'] })).toEqual([
      1,
      expect.stringMatching(/^"!": is empty; allowed: a name of at most 15/),
    ]);
    expect(await ends({ exclude: 'tcp prot 1' })).toEqual([
      1,
      expect.stringMatching(/^filter "not \(tcp prot 1\)": .*syntax error\n$/),
    ]);
  });
});
