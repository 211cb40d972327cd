import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { labMissing, until } from '../kernel/lab.ts';
import { sendFrames } from '../kernel/traffic.ts';
import { frame } from '../support/frames.ts';
import { kernelRefusal, kernelRoute, tableRoute } from './kernel-route.ts';
import { type Judgement, RouteScene, type SceneCase, decision } from './route-scene.ts';

const missing = labMissing();

const SENT: Judgement = { rule: 32766, verdict: 'send', stage: 'output', observed: 'agrees' };
const CAME: Judgement = { rule: 32766, verdict: 'forward', stage: 'input' };
const WENT: Judgement = { rule: 32766, verdict: 'forward', stage: 'forward', observed: 'agrees' };
const DELIVERED: Judgement = { rule: 0, verdict: 'deliver', stage: 'input' };

/** Routes that refuse, with the code of the ICMPv6 error (type 1) that the client gets. */
const REFUSED = [
  { type: 'unreachable', prefix: 'fd30::/64', port: 4700, errno: 'EHOSTUNREACH', code: 0 },
  { type: 'prohibit', prefix: 'fd31::/64', port: 4701, errno: 'EACCES', code: 1 },
  { type: 'blackhole', prefix: 'fd32::/64', port: 4702, errno: 'EINVAL', code: null },
] as const;

/**
 *   client fd01::2 [c0] -- [cl] fd01::1 router fd02::1 [sv] -- [s0] fd02::2 server, which does not forward
 */
describe.skipIf(missing !== null)(`IPv6${missing === null ? '' : ` (skipped: ${missing})`}`, () => {
  const scene = new RouteScene('six');
  const { lab } = scene;
  let [client, router, server] = ['', '', ''];

  beforeAll(async () => {
    [client, router, server] = [scene.add('c'), scene.add('r'), scene.add('s')];
    lab.veth(client, 'c0', '10.1.0.2/24', router, 'cl', '10.1.0.1/24');
    lab.veth(router, 'sv', null, server, 's0', null);
    for (const setting of ['net.ipv4.ip_forward=1', 'net.ipv6.conf.all.forwarding=1'])
      lab.sysctl(router, setting);
    for (const [netns, dev, address] of [
      [client, 'c0', 'fd01::2'],
      [router, 'cl', 'fd01::1'],
      [router, 'sv', 'fd02::1'],
      [server, 's0', 'fd02::2'],
    ] as const)
      scene.addIpv6(netns, dev, address);
    lab.ip(server, 'addr add 172.20.0.1/32 dev lo');
    lab.ip(client, 'route add default via 10.1.0.1');
    lab.ip(client, '-6 route add default via fd01::1');
    lab.ip(server, '-6 route add default via fd02::1');
    lab.ip(router, 'route add 172.20.0.0/16 via inet6 fd02::2 dev sv');
    lab.ip(router, '-6 route add fd40::/64 via fd02::2 metric 77');
    for (const { type, prefix } of REFUSED) lab.ip(router, `-6 route add ${type} ${prefix}`);
    for (const netns of [router, server])
      for (let port = 4710; port < 4730; port++) scene.socket(netns, 6, { port });
    await scene.capture([client, router, server]);
    await scene.countWithTcpdump(router, 'sv');
    for (const { send } of cases) await send();
    await scene.finish();
  });
  afterAll(() => scene.close());

  const send = (dst: string, port: number, device?: string): void =>
    scene
      .socket(client, 6, device === undefined ? { address: 'fd01::2' } : {})
      .send(dst, port, 32, 2, device);
  const seen = (netns: string, dev: string, port: number) =>
    scene.flow({ netns, interface: dev, dst_port: port }).route_fwd;
  /** Link-local address of an interface. */
  const linkLocal = (netns: string, dev: string): string => {
    const links = JSON.parse(lab.ip(netns, `-j -6 addr show dev ${dev}`)) as {
      addr_info: { local: string }[];
    }[];
    return links[0]!.addr_info.find(({ local }) => local.startsWith('fe80'))!.local;
  };

  const cases: SceneCase[] = [
    {
      name: 'forwarded: seen on four interfaces, each with its own decision',
      send: () => send('fd02::2', 4710),
      check: () => {
        const words = 'fd02::2 from fd01::2';
        expect(seen(client, 'c0', 4710)).toEqual(decision(kernelRoute(client, words), SENT));
        const route = kernelRoute(router, `${words} iif cl`);
        expect(route.dev).toBe('sv');
        expect(seen(router, 'cl', 4710)).toEqual(decision(route, CAME));
        expect(seen(router, 'sv', 4710)).toEqual(decision(route, WENT));
        expect(seen(server, 's0', 4710)).toEqual(decision(kernelRoute(server, `${words} iif s0`), DELIVERED));
      },
    },
    {
      name: 'a host that does not forward drops what is for others',
      send: () => send('fd40::1', 4711),
      check: () => {
        expect(seen(router, 'sv', 4711)).toEqual(
          decision(kernelRoute(router, 'fd40::1 from fd01::2 iif cl'), WENT),
        );
        expect(seen(server, 's0', 4711)).toEqual(
          decision(tableRoute(server, 'main', '::/0'), {
            rule: 32766,
            verdict: 'drop',
            stage: 'input',
            reason: expect.stringMatching(/forwarding is off on s0 .*net\.ipv6\.conf\.all\.forwarding/),
          }),
        );
        expect(scene.find({ netns: router, interface: 'sv', dst_port: 4711 })[0]!.packets_fwd).toBe(2);
      },
    },
    ...REFUSED.map(({ type, prefix, port, errno, code }): SceneCase => {
      const dst = prefix.replace('/64', '7');
      return {
        name: `a route of type ${type} drops: ${errno}, ${code === null ? 'in silence' : `ICMPv6 code ${code}`}`,
        send: () => send(dst, port),
        check: () => {
          expect(kernelRefusal(router, `${dst} from fd01::2 iif cl`)).toMatch(/\w/);
          expect(seen(router, 'cl', port)).toEqual(
            decision(tableRoute(router, 'main', prefix), {
              type,
              rule: 32766,
              verdict: 'drop',
              stage: 'input',
              reason: `the matching route is of type ${type} (${errno})`,
            }),
          );
          const want = { protocol: 'icmp6', src: 'fd01::1', dst: 'fd01::2', src_port: 1 };
          if (code === null) return;
          expect(scene.flow({ netns: router, interface: 'cl', ...want, dst_port: code }).route_fwd).toEqual(
            decision(kernelRoute(router, 'fd01::2 from fd01::1'), SENT),
          );
          expect(scene.flow({ netns: client, interface: 'c0', ...want, dst_port: code }).route_fwd).toEqual(
            decision(kernelRoute(client, 'fd01::2 from fd01::1 iif c0'), DELIVERED),
          );
        },
      };
    }),
    {
      name: 'without any route the router drops: ENETUNREACH',
      send: () => send('fd99::1', 4712),
      check: () => {
        expect(kernelRefusal(router, 'fd99::1 from fd01::2 iif cl')).toBe('Network is unreachable');
        expect(seen(router, 'cl', 4712)).toEqual(
          decision(null, {
            type: 'no_route',
            verdict: 'drop',
            stage: 'input',
            reason: 'no rule led to a route (ENETUNREACH)',
          }),
        );
      },
    },
    {
      name: 'a link-local address is delivered',
      send: () => send(linkLocal(router, 'cl'), 4713, 'c0'),
      check: () => {
        const dst = linkLocal(router, 'cl');
        const src = linkLocal(client, 'c0');
        const flow = scene.flow({ netns: client, interface: 'c0', dst_port: 4713 });
        expect(flow).toMatchObject({ src, dst });
        expect(flow.route_fwd).toEqual(decision(kernelRoute(client, `${dst} from ${src} oif c0`), SENT));
        expect(seen(router, 'cl', 4713)).toEqual(
          decision(kernelRoute(router, `${dst} from ${src} iif cl`), DELIVERED),
        );
      },
    },
    {
      name: 'ff02::1 is every node’s; another group is by assumption',
      send: () => {
        send('ff02::1', 4714, 'c0');
        send('ff02::4321', 4715, 'c0');
      },
      check: () => {
        const output = { ...SENT, type: 'multicast', rule: 0 } as const;
        expect(seen(client, 'c0', 4714)).toEqual(
          decision(tableRoute(client, 'local', 'ff00::/8', 'c0'), output),
        );
        const route = tableRoute(router, 'local', 'ff00::/8', 'cl');
        expect(seen(router, 'cl', 4714)).toEqual(decision(route, { ...DELIVERED, type: 'multicast' }));
        expect(seen(router, 'cl', 4715)).toEqual(
          decision(route, {
            ...DELIVERED,
            type: 'multicast',
            confidence: 'assumed',
            reason: 'whether this host is in the multicast group is not known; it is assumed',
          }),
        );
      },
    },
    {
      name: 'the anycast address of a subnet is delivered by its router',
      send: async () => {
        const udp = scene.socket(router, 6, { port: 4740 });
        send('fd01::', 4740);
        // Who has an anycast address waits a little before he says so. RFC 4861 §7.2.7
        await until('it arrives', () => udp.receive());
      },
      check: () => {
        const route = kernelRoute(router, 'fd01:: from fd01::2 iif cl');
        expect(route.type).toBe('anycast');
        expect(seen(router, 'cl', 4740)).toEqual(decision(route, { ...DELIVERED, type: 'anycast' }));
      },
    },
    {
      name: 'a link-local source does not leave its link',
      send: () => {
        const udp = scene.socket(client, 6, { device: 'c0', address: linkLocal(client, 'c0') });
        udp.send('fd02::2', 4717);
      },
      check: () => {
        const src = linkLocal(client, 'c0');
        expect(scene.flow({ netns: router, interface: 'cl', src, dst_port: 4717 }).route_fwd).toEqual(
          decision(kernelRoute(router, `fd02::2 from ${src} iif cl`), {
            rule: 32766,
            verdict: 'drop',
            stage: 'input',
            reason: expect.stringMatching(/source address must not leave its link/),
          }),
        );
        expect(scene.find({ netns: router, interface: 'sv', dst_port: 4717 })).toEqual([]);
      },
    },
    ...(
      [
        ['::1', 'fd02::2', 4750, /^the loopback address ::1 in a packet from outside, on cl$/],
        ['fd01::2', '::1', 4751, /^the loopback address ::1 in a packet from outside, on cl$/],
        ['ff02::7', 'fd02::2', 4752, /^martian source: a multicast/],
      ] as const
    ).map(
      ([src, dst, dport, reason]): SceneCase => ({
        name: `from ${src} to ${dst}, from outside: dropped before any route is asked for`,
        send: () => {
          const packet = frame({ src, dst, dport, proto: 'udp', payload: 8 });
          packet.set(scene.mac(router, 'cl'));
          sendFrames(lab, client, 'c0', [packet]);
        },
        check: () => {
          expect(seen(router, 'cl', dport)).toEqual(
            decision(null, {
              type: 'martian',
              verdict: 'drop',
              stage: 'input',
              reason: expect.stringMatching(reason),
            }),
          );
          expect(scene.find({ netns: router, interface: 'sv', dst_port: dport })).toEqual([]);
        },
      }),
    ),
    {
      name: 'an IPv4 route by an IPv6 gateway',
      send: () => {
        scene.socket(client, 4).send('172.20.0.1', 4718);
      },
      check: () => {
        const route = kernelRoute(router, '172.20.0.1 from 10.1.0.2 iif cl');
        expect(route.gateway).toBe('fd02::2');
        expect(seen(router, 'cl', 4718)).toEqual(decision(route, CAME));
        expect(seen(router, 'sv', 4718)).toEqual(decision(route, WENT));
        expect(seen(server, 's0', 4718)).toMatchObject({ type: 'local', verdict: 'deliver' });
      },
    },
  ];

  test.for(cases.map(({ name, check }) => [name, check] as const))('%s', ([, check]) => check());
});
