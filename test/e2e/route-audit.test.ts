import { afterEach, describe, expect, test } from 'vitest';
import { routeAudits } from '../../storage/route-counts.ts';
import { withDb } from '../storage/temp-db.ts';
import { RouteScene } from './route-scene.ts';
import { labMissing } from '../kernel/lab.ts';

const missing = labMissing();
/** Packets of flows of their own that each kind of traffic has. */
const FLOWS = 8;

/**
 *   client 10.1.0.2 fd01::2 [c0] -- [cl] router [sv] -- [s0] server 10.2.0.2 fd02::2
 */
describe.skipIf(missing !== null)(
  `what the kernel says of decisions that were made${missing === null ? '' : ` (skipped: ${missing})`}`,
  () => {
    const scenes: RouteScene[] = [];
    afterEach(async () => {
      for (const scene of scenes.splice(0)) await scene.close();
    });

    /** A router with a daemon in it. */
    async function setUp(area: string, auditRate: number) {
      const scene = new RouteScene(area);
      scenes.push(scene);
      const { lab } = scene;
      const [client, router, server] = [scene.add('c'), scene.add('r'), scene.add('s')];
      lab.veth(client, 'c0', '10.1.0.2/24', router, 'cl', '10.1.0.1/24');
      lab.veth(router, 'sv', '10.2.0.1/24', server, 's0', '10.2.0.2/24');
      for (const setting of ['net.ipv4.ip_forward=1', 'net.ipv6.conf.all.forwarding=1'])
        lab.sysctl(router, setting);
      scene.addIpv6(client, 'c0', 'fd01::2');
      scene.addIpv6(router, 'cl', 'fd01::1');
      scene.addIpv6(router, 'sv', 'fd02::1');
      scene.addIpv6(server, 's0', 'fd02::2');
      lab.ip(client, 'route add default via 10.1.0.1');
      lab.ip(client, '-6 route add default via fd01::1');
      const daemon = await scene.capture([router], { auditRate });
      const audit = (): ReturnType<typeof routeAudits>[number] => {
        const [row] = withDb(scene.db, routeAudits);
        return row ?? { runId: 1, netns: router, netnsId: '', asked: 0, agreed: 0, disagreed: 0, unasked: 0 };
      };
      return { scene, lab, client, router, daemon, audit };
    }

    /** What comes in and is forwarded, and what the router sends itself, of both families. */
    const KINDS = [
      ['input, IPv4', 'client', 4, '10.2.0.2'],
      ['output, IPv4', 'router', 4, '10.2.0.2'],
      ['input, IPv6', 'client', 6, 'fd02::2'],
      ['output, IPv6', 'router', 6, 'fd02::2'],
    ] as const;

    test('agrees, for what comes in and what is sent, IPv4 and IPv6, and while routes change', async () => {
      const { scene, lab, client, router, daemon, audit } = await setUp('au', 1000);
      for (const [what, from, version, dst] of KINDS) {
        const before = audit().asked;
        const socket = scene.socket(from === 'client' ? client : router, version);
        for (let port = 0; port < FLOWS; port++) socket.send(dst, 4000 + port);
        await daemon.until(`${what} is asked`, () => audit().asked >= before + FLOWS);
      }
      const socket = scene.socket(client, 4);
      for (let i = 0; i < 100; i++) {
        lab.ip(router, `route replace 10.9.0.0/16 via 10.2.0.${2 + (i % 2)}`);
        if (i % 10 === 0)
          lab.ip(router, `${i % 20 === 0 ? 'rule add' : 'rule del'} pref 50 from 10.77.0.0/16 lookup 99`);
        socket.send('10.9.0.1', 5000 + i);
      }
      const { asked } = audit();
      for (let port = 0; port < FLOWS; port++) socket.send('10.9.0.1', 6000 + port);
      await daemon.until('those at rest are asked', () => audit().asked >= asked + FLOWS);
      await scene.finish();
      expect(audit()).toMatchObject({ disagreed: 0 });
      expect(audit().agreed).toBe(audit().asked);
      expect(daemon.events('route-disagreement')).toEqual([]);
    });

    test('is not asked at rate 0', async () => {
      const { scene, client, audit } = await setUp('a0', 0);
      const socket = scene.socket(client, 4);
      for (let port = 0; port < FLOWS; port++) socket.send('10.2.0.2', 4000 + port);
      await scene.finish();
      expect(scene.flows.length).toBeGreaterThanOrEqual(FLOWS);
      expect(audit()).toMatchObject({ asked: 0, unasked: 0 });
    });
  },
);
