import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Servers, fetchFrom } from '../../cli/demo/traffic.ts';
import { labMissing, until } from '../kernel/lab.ts';
import { kernelRoute } from './kernel-route.ts';
import { RouteScene, type SceneCase, decision } from './route-scene.ts';

const missing = labMissing();

/** What the router forwards: out of `sv` by its table main, out of `alt` where policy says so. */
const FORWARDED = [
  { name: 'the table main', dst: '172.20.0.1', port: 4000, out: 'sv', rule: 32766 },
  { name: 'a rule by source', src: '10.1.0.3', dst: '172.20.0.1', port: 4001, out: 'alt', rule: 100 },
  { name: 'a rule by destination', dst: '172.21.0.1', port: 4002, out: 'alt', rule: 110 },
  { name: 'a rule by protocol and port', dst: '172.23.0.1', port: 4103, out: 'alt', rule: 130 },
  { name: 'main, the next port', dst: '172.23.0.1', port: 4104, out: 'sv', rule: 32766 },
  { name: 'the rule behind a throw route', dst: '172.24.0.1', port: 4005, out: 'alt', rule: 151 },
  { name: 'a connected network', dst: '10.3.0.2', port: 4006, out: 'alt', rule: 32766 },
];

/**
 *   client 10.1.0.2, .3 [c0] -- [cl] 10.1.0.1 router 10.2.0.1 [sv]  -- [s0] 10.2.0.2 server
 *                                                    10.3.0.1 [alt] -- [s1] 10.3.0.2
 *
 * The server has an address in each of 172.20.0.0/16 to 172.26.0.0/16.
 */
describe.skipIf(missing !== null)(
  `forwarded traffic${missing === null ? '' : ` (skipped: ${missing})`}`,
  () => {
    const scene = new RouteScene('fwd');
    const { lab } = scene;
    let [client, router, server] = ['', '', ''];

    beforeAll(async () => {
      [client, router, server] = [scene.add('c'), scene.add('r'), scene.add('s')];
      lab.veth(client, 'c0', '10.1.0.2/24', router, 'cl', '10.1.0.1/24');
      lab.veth(router, 'sv', '10.2.0.1/24', server, 's0', '10.2.0.2/24');
      lab.veth(router, 'alt', '10.3.0.1/24', server, 's1', '10.3.0.2/24');
      lab.ip(client, 'addr add 10.1.0.3/24 dev c0');
      lab.ip(client, 'route add default via 10.1.0.1');
      lab.ip(server, 'route add default via 10.2.0.1');
      for (let n = 20; n <= 26; n++) lab.ip(server, `addr add 172.${n}.0.1/32 dev lo`);
      lab.sysctl(router, 'net.ipv4.ip_forward=1');
      lab.sysctl(router, 'net.ipv4.fib_multipath_hash_policy=1');
      for (const words of [
        'route add 172.20.0.0/16 via 10.2.0.2 proto static metric 50 src 10.2.0.1',
        'route add 172.23.0.0/16 via 10.2.0.2',
        'route add 172.22.0.0/16 via 10.2.0.2',
        'route add 172.25.0.0/16 nexthop via 10.2.0.2 weight 1 nexthop via 10.3.0.2 weight 1',
        'route add default via 10.3.0.2 table 101',
        'route add throw 172.24.0.0/16 table 102',
        'rule add pref 100 from 10.1.0.3 lookup 101',
        'rule add pref 110 to 172.21.0.0/16 lookup 101',
        'rule add pref 120 iif cl to 172.22.0.0/16 lookup 101',
        'rule add pref 130 ipproto udp dport 4103 lookup 101',
        'rule add pref 131 ipproto udp dport 4108 lookup 101',
        'rule add pref 150 to 172.24.0.0/16 lookup 102',
        'rule add pref 151 to 172.24.0.0/16 lookup 101',
      ])
        lab.ip(router, words);
      await scene.capture([client, router, server]);
      await scene.countWithTcpdump(router, 'cl');
      for (const { send } of cases) await send();
      await scene.finish();
    });
    afterAll(() => scene.close());

    const send = (src: string, dst: string, port: number, size = 32, count = 3): void => {
      scene.socket(server, 4, { port });
      scene.socket(client, 4, { address: src }).send(dst, port, size, count);
    };
    const cases: SceneCase[] = [
      ...FORWARDED.map(({ name, src = '10.1.0.2', dst, port, out, rule }) => ({
        name: `by ${name}: seen on four interfaces, each with its own decision`,
        send: () => send(src, dst, port),
        check: () => {
          const sent = scene.flow({ netns: client, interface: 'c0', dst_port: port });
          expect(sent).toMatchObject({ src, dst, packets_fwd: 3, packets_rev: 0, route_rev: null });
          expect(sent.route_fwd).toEqual(
            decision(kernelRoute(client, `${dst} from ${src}`), {
              rule: 32766,
              verdict: 'send',
              stage: 'output',
              observed: 'agrees',
            }),
          );
          const route = kernelRoute(
            router,
            `${dst} from ${src} iif cl ipproto udp sport ${sent.src_port} dport ${port}`,
          );
          expect(route.dev).toBe(out);
          const came = scene.flow({ netns: router, interface: 'cl', dst_port: port });
          expect(came.route_fwd).toEqual(decision(route, { rule, verdict: 'forward', stage: 'input' }));
          const went = scene.flow({ netns: router, interface: out, dst_port: port });
          expect(went.route_fwd).toEqual(
            decision(route, { rule, verdict: 'forward', stage: 'forward', observed: 'agrees' }),
          );
          const dev = out === 'sv' ? 's0' : 's1';
          const arrived = scene.flow({ netns: server, interface: dev, dst_port: port });
          expect(arrived).toMatchObject({ packets_fwd: 3 });
          expect(arrived.route_fwd).toEqual(
            decision(kernelRoute(server, `${dst} from ${src} iif ${dev}`), {
              rule: 0,
              verdict: 'deliver',
              stage: 'input',
            }),
          );
        },
      })),
      {
        name: 'by a rule on the ingress interface: exact where it came in, assumed where it left',
        send: () => send('10.1.0.2', '172.22.0.1', 4010),
        check: () => {
          const route = kernelRoute(router, '172.22.0.1 from 10.1.0.2 iif cl');
          expect(scene.flow({ netns: router, interface: 'cl', dst_port: 4010 }).route_fwd).toEqual(
            decision(route, { rule: 120, verdict: 'forward', stage: 'input' }),
          );
          const went = scene.flow({ netns: router, interface: 'alt', dst_port: 4010 });
          expect(went.route_fwd).toMatchObject({
            stage: 'forward',
            confidence: 'assumed',
            reason: expect.stringMatching(/^rule 120: .* selects by the ingress interface/),
          });
        },
      },
      {
        name: 'over several next hops: assumed where it came in, and the very hop that was taken where it left',
        send: () => {
          for (let port = 4020; port < 4036; port++) send('10.1.0.2', '172.25.0.1', port, 32, 1);
        },
        check: () => {
          const words = '172.25.0.1 from 10.1.0.2 iif cl';
          const ports = { sv: 0, alt: 0 };
          for (let port = 4020; port < 4036; port++) {
            expect(scene.flow({ netns: router, interface: 'cl', dst_port: port }).route_fwd).toEqual(
              decision(kernelRoute(router, words), {
                rule: 32766,
                verdict: 'forward',
                stage: 'input',
                confidence: 'assumed',
                reason: "one of the route's 2 next hops, chosen by the kernel's hash",
              }),
            );
            const [went, ...more] = (['sv', 'alt'] as const).flatMap((dev) =>
              scene.find({ netns: router, interface: dev, dst_port: port }),
            );
            expect(more).toEqual([]);
            const dev = went!.interface as 'sv' | 'alt';
            ports[dev]++;
            expect(went!.route_fwd).toEqual(
              decision(kernelRoute(router, words, dev), {
                rule: 32766,
                verdict: 'forward',
                stage: 'forward',
                observed: 'agrees',
              }),
            );
          }
          expect(Math.min(ports.sv, ports.alt)).toBeGreaterThan(0);
        },
      },
      {
        name: 'fragments show the kernel no port, not even the first: a rule by port passes them over',
        send: () => send('10.1.0.2', '172.23.0.1', 4108, 3000, 1),
        check: () => {
          const route = kernelRoute(router, '172.23.0.1 from 10.1.0.2 iif cl ipproto udp');
          const came = scene.flow({ netns: router, interface: 'cl', dst_port: 4108 });
          expect(came.packets_fwd).toBe(3);
          const doubt = {
            rule: 32766,
            verdict: 'forward',
            confidence: 'assumed',
            reason: expect.stringMatching(/^rule 131: .* a fragment shows the kernel none/),
          } as const;
          expect(came.route_fwd).toEqual(decision(route, { ...doubt, stage: 'input' }));
          expect(scene.flow({ netns: router, interface: 'sv', dst_port: 4108 }).route_fwd).toEqual(
            decision(route, { ...doubt, stage: 'forward', observed: 'agrees' }),
          );
        },
      },
      {
        name: 'a TCP connection: both directions, each with its own decision',
        send: async () => {
          using servers = new Servers();
          await servers.http(server);
          expect(await fetchFrom(client, '172.20.0.1', '10.1.0.2')).toBe('hello from nstap');
          await until('the connection is over', () => !lab.exec(client, 'ss', '-Htn').includes('ESTAB'));
        },
        check: () => {
          const there = { rule: 32766, verdict: 'forward', stage: 'input' } as const;
          const back = { rule: 32766, verdict: 'forward', stage: 'forward', observed: 'agrees' } as const;
          const there4 = kernelRoute(router, '172.20.0.1 from 10.1.0.2 iif cl');
          const back4 = kernelRoute(router, '10.1.0.2 from 172.20.0.1 iif sv');
          const atClient = scene.flow({ netns: router, interface: 'cl', protocol: 'tcp' });
          expect(atClient).toMatchObject({ conn_state: 'SF', dst_port: 8900 });
          expect(atClient.route_fwd).toEqual(decision(there4, there));
          expect(atClient.route_rev).toEqual(decision(back4, back));
          const atServer = scene.flow({ netns: router, interface: 'sv', protocol: 'tcp' });
          expect(atServer.route_fwd).toEqual(decision(there4, back));
          expect(atServer.route_rev).toEqual(decision(back4, there));
        },
      },
    ];

    test.for(cases.map(({ name, check }) => [name, check] as const))('%s', ([, check]) => check());
  },
);
