import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { kernelRefusal, kernelRoute, tableRoute } from './kernel-route.ts';
import { RouteScene, type SceneCase, decision } from './route-scene.ts';
import { labMissing } from '../kernel/lab.ts';

const missing = labMissing();
const BROADCAST_MAC = Buffer.alloc(6, 0xff);

/**
 * Where the tables say no. `icmp`: code of the "destination unreachable" that the client gets, or null for silence. Each
 * has a source of its own: the kernel sends one address no more than a few of them (ip_error in net/ipv4/route.c).
 */
const REFUSED = [
  { type: 'blackhole', prefix: '172.30.0.0/16', src: '10.1.0.10', port: 4200, errno: 'EINVAL', icmp: null },
  {
    type: 'unreachable',
    prefix: '172.31.0.0/24',
    src: '10.1.0.11',
    port: 4201,
    errno: 'EHOSTUNREACH',
    icmp: 1,
  },
  { type: 'prohibit', prefix: '172.29.0.0/16', src: '10.1.0.12', port: 4202, errno: 'EACCES', icmp: 13 },
] as const;

/** Rules whose action is to refuse. */
const RULES = [
  {
    action: 'blackhole',
    rule: 160,
    dst: '172.26.0.1',
    src: '10.1.0.13',
    port: 4210,
    errno: 'EINVAL',
    icmp: null,
  },
  {
    action: 'unreachable',
    rule: 161,
    dst: '172.27.0.1',
    src: '10.1.0.14',
    port: 4211,
    errno: 'ENETUNREACH',
    icmp: 0,
  },
  {
    action: 'prohibit',
    rule: 162,
    dst: '172.28.0.1',
    src: '10.1.0.15',
    port: 4212,
    errno: 'EACCES',
    icmp: 13,
  },
] as const;

const MESSAGES = {
  EINVAL: 'Invalid argument',
  EHOSTUNREACH: 'No route to host',
  ENETUNREACH: 'Network is unreachable',
  EACCES: 'Permission denied',
} as const;

/**
 *   client 10.1.0.2 [c0] -- [cl]  10.1.0.1 router 10.2.0.1 [sv] -- [s0] 10.2.0.2 server
 *          10.4.0.2 [c1] -- [off] 10.4.0.1        (forwards nothing that comes in by `off`)
 */
describe.skipIf(missing !== null)(
  `refused traffic${missing === null ? '' : ` (skipped: ${missing})`}`,
  () => {
    const scene = new RouteScene('ref');
    const { lab } = scene;
    let [client, router, server] = ['', '', ''];

    beforeAll(async () => {
      [client, router, server] = [scene.add('c'), scene.add('r'), scene.add('s')];
      lab.veth(client, 'c0', '10.1.0.2/24', router, 'cl', '10.1.0.1/24');
      lab.veth(client, 'c1', '10.4.0.2/24', router, 'off', '10.4.0.1/24');
      lab.veth(router, 'sv', '10.2.0.1/24', server, 's0', '10.2.0.2/24');
      lab.sysctl(router, 'net.ipv4.ip_forward=1');
      lab.sysctl(router, 'net.ipv4.conf.off.forwarding=0');
      lab.ip(client, 'route add default via 10.1.0.1');
      lab.ip(client, 'route add 10.2.0.0/24 via 10.4.0.1 dev c1 table 200');
      lab.ip(client, 'rule add pref 50 from 10.4.0.2 lookup 200');
      lab.ip(server, 'route add default via 10.2.0.1');
      for (const { src } of [...REFUSED, ...RULES]) lab.ip(client, `addr add ${src}/24 dev c0`);
      for (const { type, prefix } of REFUSED) lab.ip(router, `route add ${type} ${prefix}`);
      for (const { action, rule, dst } of RULES)
        lab.ip(router, `rule add pref ${rule} to ${dst}/16 ${action}`);
      await scene.capture([client, router, server]);
      await scene.countWithTcpdump(client, 'c0');
      for (const { send } of cases) await send();
      await scene.finish();
    });
    afterAll(() => scene.close());

    const send = (src: string, dst: string, port: number): void =>
      scene.socket(client, 4, { address: src }).send(dst, port, 32, 2);

    /** The router's ICMP error is a flow as well, on both ends of the link. */
    const checkIcmp = (victim: string, code: number): void => {
      const want = { protocol: 'icmp', src: '10.1.0.1', dst: victim, src_port: 3, dst_port: code };
      const sent = scene.flow({ netns: router, interface: 'cl', ...want });
      expect(sent.packets_fwd).toBe(2);
      expect(sent.route_fwd).toEqual(
        decision(kernelRoute(router, `${victim} from 10.1.0.1`), {
          rule: 32766,
          verdict: 'send',
          stage: 'output',
          observed: 'agrees',
        }),
      );
      const got = scene.flow({ netns: client, interface: 'c0', ...want });
      expect(got.packets_fwd).toBe(sent.packets_fwd);
      expect(got.route_fwd).toEqual(
        decision(kernelRoute(client, `${victim} from 10.1.0.1 iif c0`), {
          rule: 0,
          verdict: 'deliver',
          stage: 'input',
        }),
      );
    };

    const cases: SceneCase[] = [
      ...REFUSED.map(({ type, prefix, src, port, errno, icmp }) => {
        const dst = prefix.replace(/0\/.*/, '7');
        return {
          name: `a route of type ${type} drops: ${errno}, ${icmp === null ? 'in silence' : `ICMP code ${icmp}`}`,
          send: () => send(src, dst, port),
          check: () => {
            expect(kernelRefusal(router, `${dst} from ${src} iif cl`)).toBe(MESSAGES[errno]);
            expect(scene.flow({ netns: router, interface: 'cl', dst_port: port }).route_fwd).toEqual(
              decision(tableRoute(router, 'main', prefix), {
                type,
                rule: 32766,
                verdict: 'drop',
                stage: 'input',
                reason: `the matching route is of type ${type} (${errno})`,
              }),
            );
            expect(scene.find({ netns: router, interface: 'sv', dst_port: port })).toEqual([]);
            if (icmp !== null) checkIcmp(src, icmp);
          },
        };
      }),
      ...RULES.map(({ action, rule, dst, src, port, errno, icmp }) => ({
        name: `a rule with the action ${action} drops: ${errno}, ${icmp === null ? 'in silence' : `ICMP code ${icmp}`}`,
        send: () => send(src, dst, port),
        check: () => {
          expect(kernelRefusal(router, `${dst} from ${src} iif cl`)).toBe(MESSAGES[errno]);
          expect(scene.flow({ netns: router, interface: 'cl', dst_port: port }).route_fwd).toEqual(
            decision(null, {
              type: action,
              rule,
              verdict: 'drop',
              stage: 'input',
              reason: `rule ${rule} has the action ${action} (${errno})`,
            }),
          );
          if (icmp !== null) checkIcmp(src, icmp);
        },
      })),
      {
        name: 'without any route the router drops: ENETUNREACH, ICMP code 0',
        send: () => send('10.1.0.2', '198.51.100.1', 4220),
        check: () => {
          expect(kernelRefusal(router, '198.51.100.1 from 10.1.0.2 iif cl')).toBe(MESSAGES.ENETUNREACH);
          expect(scene.flow({ netns: router, interface: 'cl', dst_port: 4220 }).route_fwd).toEqual(
            decision(null, {
              type: 'no_route',
              verdict: 'drop',
              stage: 'input',
              reason: 'no rule led to a route (ENETUNREACH)',
            }),
          );
          checkIcmp('10.1.0.2', 0);
        },
      },
      {
        name: 'an interface that does not forward drops what is not for this host',
        send: () => {
          send('10.4.0.2', '10.2.0.2', 4221);
          send('10.4.0.2', '10.4.0.1', 4222);
        },
        check: () => {
          expect(kernelRefusal(router, '10.2.0.2 from 10.4.0.2 iif off')).toBe(MESSAGES.EHOSTUNREACH);
          expect(scene.flow({ netns: router, interface: 'off', dst_port: 4221 }).route_fwd).toEqual(
            decision(tableRoute(router, 'main', '10.2.0.0/24'), {
              rule: 32766,
              verdict: 'drop',
              stage: 'input',
              reason: expect.stringMatching(/net\.ipv4\.conf\.off\.forwarding/),
            }),
          );
          expect(scene.find({ netns: router, interface: 'sv', dst_port: 4221 })).toEqual([]);
          expect(scene.flow({ netns: client, interface: 'c1', dst_port: 4221 }).route_fwd).toEqual(
            decision(kernelRoute(client, '10.2.0.2 from 10.4.0.2'), {
              rule: 50,
              verdict: 'send',
              stage: 'output',
              observed: 'agrees',
            }),
          );
          expect(scene.flow({ netns: router, interface: 'off', dst_port: 4222 }).route_fwd).toEqual(
            decision(kernelRoute(router, '10.4.0.1 from 10.4.0.2 iif off'), {
              rule: 0,
              verdict: 'deliver',
              stage: 'input',
            }),
          );
        },
      },
      {
        name: 'a unicast packet in a broadcast frame is delivered, but never forwarded',
        send: () => {
          scene.spoof(client, 'c0', BROADCAST_MAC, '10.1.0.2', '10.2.0.2', 4223);
          scene.spoof(client, 'c0', BROADCAST_MAC, '10.1.0.2', '10.1.0.1', 4224);
          scene.spoof(client, 'c0', scene.mac(router, 'cl'), '10.1.0.2', '10.2.0.2', 4225);
        },
        check: () => {
          expect(scene.find({ netns: router, interface: 'sv', dst_port: 4225 })).toHaveLength(1);
          expect(scene.find({ netns: router, interface: 'sv', dst_port: 4223 })).toEqual([]);
          expect(scene.flow({ netns: router, interface: 'cl', dst_port: 4223 }).route_fwd).toEqual(
            decision(kernelRoute(router, '10.2.0.2 from 10.1.0.2 iif cl'), {
              rule: 32766,
              verdict: 'drop',
              stage: 'input',
              reason: expect.stringMatching(/broadcast or multicast frame/),
            }),
          );
          expect(scene.flow({ netns: router, interface: 'cl', dst_port: 4224 }).route_fwd).toEqual(
            decision(kernelRoute(router, '10.1.0.1 from 10.1.0.2 iif cl'), {
              rule: 0,
              verdict: 'deliver',
              stage: 'input',
            }),
          );
        },
      },
      {
        name: 'a packet to another hardware address, on a segment that shows it, is not routed',
        send: () => {
          scene.spoof(client, 'c0', Buffer.from('020000000077', 'hex'), '10.1.0.2', '10.2.0.2', 4226);
        },
        check: () => {
          expect(scene.flow({ netns: router, interface: 'cl', dst_port: 4226 }).route_fwd).toEqual(
            decision(null, { type: 'not_routed', verdict: null, stage: null }),
          );
          expect(scene.find({ netns: router, interface: 'sv', dst_port: 4226 })).toEqual([]);
        },
      },
    ];

    test.for(cases.map(({ name, check }) => [name, check] as const))('%s', ([, check]) => check());
  },
);
