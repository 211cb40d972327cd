import { existsSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { labMissing, until } from '../kernel/lab.ts';
import { withDb } from '../storage/temp-db.ts';
import { RouteScene } from './route-scene.ts';

const missing = labMissing();
const SERVER = '10.9.0.2';

/**
 *   client [c0] [c1] [c2] -- [r0] [r1] [r2] router 10.9.0.1 [sv] -- [s0] 10.9.0.2 server
 *
 * Settings of the router change while the daemon follows it.
 */
describe.skipIf(missing !== null)(
  `settings that change${missing === null ? '' : ` (skipped: ${missing})`}`,
  () => {
    const scene = new RouteScene('set');
    const { lab } = scene;
    let [client, router, server] = ['', '', ''];

    beforeAll(async () => {
      [client, router, server] = [scene.add('c'), scene.add('r'), scene.add('s')];
      for (const i of [0, 1, 2])
        lab.veth(client, `c${i}`, `10.${i}.0.2/24`, router, `r${i}`, `10.${i}.0.1/24`);
      lab.veth(router, 'sv', '10.9.0.1/24', server, 's0', `${SERVER}/24`);
      for (const setting of ['ip_forward=1', 'conf.all.route_localnet=1'])
        lab.sysctl(router, `net.ipv4.${setting}`);
      await scene.capture([client, router, server], { checkpointSec: 1 });
      // No message of the kernel tells of accept_local: the first thing that changes.
      send(0, '10.9.0.1', 4900);
      lab.sysctl(router, 'net.ipv4.conf.r0.accept_local=1');
      // Looked at once a second.
      await sleep(2500);
      send(0, '10.9.0.1', 4901);
      send(0, '10.0.0.2', 4902, '127.0.0.1');
      send(1, '10.0.0.2', 4910);
      lab.sysctl(router, 'net.ipv4.conf.r1.rp_filter=1');
      send(2, '10.2.0.2', 4920);
      lab.sysctl(router, 'net.ipv4.conf.r2.forwarding=0');
      await followed(1, '10.0.0.2', 5000);
      await followed(2, '10.2.0.2', 6000);
      await scene.finish();
    });
    afterAll(() => scene.close());

    const send = (link: number, src: string, port: number, dst = SERVER): void =>
      scene.spoof(client, `c${link}`, scene.mac(router, `r${link}`), src, dst, port);
    const decided = (link: number, port: number) =>
      scene.flow({ netns: router, interface: `r${link}`, dst_port: port }).route_fwd;
    const arrived = (port: number): number => scene.find({ netns: server, dst_port: port }).length;

    /** Sends packets, each of a flow of its own, until one of them is dropped. */
    const followed = (link: number, src: string, firstPort: number): Promise<void> => {
      let port = firstPort;
      return until(`drops on r${link}`, () => {
        send(link, src, port++);
        const drops = withDb(scene.db, (db) =>
          db
            .prepare(
              `SELECT count(*) FROM flows f JOIN captures c USING (capture_id) JOIN route_decisions r ON r.decision_id = f.route_fwd
             WHERE c.interface = ? AND f.dst_port >= ? AND r.verdict = 'drop'`,
            )
            .pluck()
            .get(`r${link}`, firstPort),
        );
        return drops !== 0;
      });
    };

    test('rp_filter, when it is switched on', () => {
      expect(decided(1, 4910)).toMatchObject({ verdict: 'forward' });
      const after = scene.flows.filter((flow) => flow.interface === 'r1' && flow.dst_port! >= 5000);
      expect(after.at(-1)!.route_fwd).toMatchObject({
        type: 'martian',
        verdict: 'drop',
        reason: expect.stringContaining('rp_filter 1'),
      });
      expect(arrived(after.at(-1)!.dst_port!)).toBe(0);
    });

    test('forwarding, when it is switched off', () => {
      expect(decided(2, 4920)).toMatchObject({ verdict: 'forward' });
      const after = scene.flows.filter((flow) => flow.interface === 'r2' && flow.dst_port! >= 6000);
      expect(after.at(-1)!.route_fwd).toMatchObject({
        verdict: 'drop',
        reason: expect.stringContaining('net.ipv4.conf.r2.forwarding'),
      });
      expect(arrived(after.at(-1)!.dst_port!)).toBe(0);
    });

    // The kernel sends no message when it changes (devinet_conf_proc).
    test('accept_local, when it is switched on', () => {
      expect(decided(0, 4900)).toMatchObject({ type: 'martian', verdict: 'drop' });
      expect(arrived(4900)).toBe(0);
      expect(arrived(4901)).toBe(1);
      expect(decided(0, 4901)).toMatchObject({ verdict: 'forward' });
    });

    // No netlink message has the value of "all" for accept_local and route_localnet; /proc of the namespace has.
    test('route_localnet of all interfaces', () => {
      expect(decided(0, 4902)).toMatchObject({ type: 'local', verdict: 'deliver' });
    });
  },
);

const noForce =
  missing ?? (existsSync('/proc/sys/net/ipv6/conf/lo/force_forwarding') ? null : 'needs Linux 6.17');

/**
 *   client fd01::2, 10.1.0.2 [c0] -- [g0] fd01::1, 10.1.0.1 router fd02::1, 10.2.0.1 [g1] -- [s0] fd02::2, 10.2.0.2 server
 *
 * The router forwards IPv6 of one interface only, and broadcasts.
 */
describe.skipIf(noForce !== null)(
  `settings few use${noForce === null ? '' : ` (skipped: ${noForce})`}`,
  () => {
    const scene = new RouteScene('few');
    const { lab } = scene;
    let [client, router, server] = ['', '', ''];

    beforeAll(async () => {
      [client, router, server] = [scene.add('c'), scene.add('g'), scene.add('s')];
      lab.veth(client, 'c0', '10.1.0.2/24', router, 'g0', '10.1.0.1/24');
      lab.veth(router, 'g1', '10.2.0.1/24', server, 's0', '10.2.0.2/24');
      for (const [netns, dev, address] of [
        [client, 'c0', 'fd01::2'],
        [router, 'g0', 'fd01::1'],
        [router, 'g1', 'fd02::1'],
        [server, 's0', 'fd02::2'],
      ] as const)
        scene.addIpv6(netns, dev, address);
      for (const setting of [
        'ipv4.ip_forward=1',
        'ipv4.conf.all.bc_forwarding=1',
        'ipv4.conf.g0.bc_forwarding=1',
        'ipv6.conf.g0.force_forwarding=1',
      ])
        lab.sysctl(router, `net.${setting}`);
      lab.ip(client, '-6 route add default via fd01::1');
      lab.ip(client, 'route add default via 10.1.0.1');
      await scene.capture([client, router, server]);
      scene.socket(client, 6).send('fd02::2', 4950);
      scene.socket(client, 4).send('10.2.0.255', 4951);
      await scene.finish();
    });
    afterAll(() => scene.close());

    const decided = (port: number) =>
      scene.flow({ netns: router, interface: 'g0', dst_port: port }).route_fwd;

    test('what the kernel does', () => {
      for (const port of [4950, 4951]) scene.flow({ netns: server, interface: 's0', dst_port: port });
    });

    test('net.ipv6.conf.IF.force_forwarding forwards although forwarding is off', () => {
      expect(decided(4950)).toMatchObject({ verdict: 'forward', dev: 'g1' });
    });

    test('net.ipv4.conf.IF.bc_forwarding forwards the broadcast of another subnet', () => {
      expect(decided(4951)).toMatchObject({ type: 'broadcast', verdict: 'forward', dev: 'g1' });
    });
  },
);
