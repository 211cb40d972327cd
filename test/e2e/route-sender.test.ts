import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Servers, fetchFrom } from '../../cli/demo/traffic.ts';
import { kernelRoute } from './kernel-route.ts';
import { type Judgement, RouteScene, type SceneCase, decision } from './route-scene.ts';
import { labMissing } from '../kernel/lab.ts';

const missing = labMissing();
const noNft = labMissing('nft');

const SENT: Judgement = { rule: 32766, verdict: 'send', stage: 'output', observed: 'agrees' };
const CAME: Judgement = { rule: 32766, verdict: 'forward', stage: 'input' };
const WENT: Judgement = { rule: 32766, verdict: 'forward', stage: 'forward', observed: 'agrees' };
const DELIVERED: Judgement = { rule: 0, verdict: 'deliver', stage: 'input' };

/**
 *   client 10.1.0.2 [c1] -- [in] 10.1.0.1 router one 10.3.0.1 [out] -- [s1] 10.3.0.2 server
 *                                                    10.5.0.1 [alt] -- [s3] 10.5.0.2
 *          10.2.0.2 [c2] -- [in] 10.2.0.1 router two 10.4.0.1 [out] -- [s2] 10.4.0.2
 *
 * The client asks by router one, and the server answers by router two.
 */
describe.skipIf(missing !== null)(
  `two ways to one place${missing === null ? '' : ` (skipped: ${missing})`}`,
  () => {
    const scene = new RouteScene('way');
    const { lab } = scene;
    let [client, one, two, server] = ['', '', '', ''];

    beforeAll(async () => {
      [client, one, two, server] = [scene.add('c'), scene.add('r1'), scene.add('r2'), scene.add('s')];
      lab.veth(client, 'c1', '10.1.0.2/24', one, 'in', '10.1.0.1/24');
      lab.veth(client, 'c2', '10.2.0.2/24', two, 'in', '10.2.0.1/24');
      lab.veth(one, 'out', '10.3.0.1/24', server, 's1', '10.3.0.2/24');
      lab.veth(two, 'out', '10.4.0.1/24', server, 's2', '10.4.0.2/24');
      lab.veth(one, 'alt', '10.5.0.1/24', server, 's3', '10.5.0.2/24');
      for (const router of [one, two]) lab.sysctl(router, 'net.ipv4.ip_forward=1');
      lab.sysctl(client, 'net.ipv4.fib_multipath_hash_policy=1');
      for (let n = 20; n <= 24; n++) {
        lab.ip(server, `addr add 172.${n}.0.1/32 dev lo`);
        lab.ip(one, `route add 172.${n}.0.0/16 via 10.3.0.2`);
        lab.ip(two, `route add 172.${n}.0.0/16 via 10.4.0.2`);
      }
      lab.ip(server, 'route add 10.1.0.0/24 via 10.4.0.1');
      lab.ip(two, 'route add 10.1.0.0/24 via 10.2.0.2');
      for (const words of [
        'route add 172.20.0.0/16 via 10.1.0.1',
        'route add 172.21.0.0/16 via 10.1.0.1 metric 10',
        'route add 172.21.0.0/16 via 10.2.0.1 metric 20',
        'route add 172.22.0.0/16 nexthop via 10.1.0.1 nexthop via 10.2.0.1',
        'route add 172.23.0.0/16 via 10.1.0.1',
        'route add 172.23.0.0/16 via 10.2.0.1 table 107',
        'rule add pref 90 fwmark 7 lookup 107',
        'route add 172.24.0.0/16 via 10.1.0.1',
      ])
        lab.ip(client, words);
      lab.ip(one, 'route add 172.24.0.0/16 via 10.5.0.2 table 105');
      lab.ip(one, 'rule add pref 100 fwmark 5 lookup 105');
      if (noNft === null)
        for (const words of [
          'add table ip t',
          'add chain ip t c { type filter hook prerouting priority mangle ; }',
          'add rule ip t c udp dport 4604 meta mark set 5',
        ])
          lab.exec(one, 'nft', words);
      for (let port = 4600; port < 4640; port++) scene.socket(server, 4, { port });
      await scene.capture([client, one, two, server]);
      await scene.countWithTcpdump(client, 'c2');
      for (const { send } of [...cases, ...marked]) await send();
      await scene.finish();
    });
    afterAll(() => scene.close());

    const find = (netns: string, dev: string, port: number) =>
      scene.flow({ netns, interface: dev, dst_port: port });

    const cases: SceneCase[] = [
      {
        name: 'asymmetric: each capture has the one direction it saw, and its own decision for it',
        send: async () => {
          using servers = new Servers();
          await servers.http(server);
          expect(await fetchFrom(client, '172.20.0.1', '10.1.0.2')).toBe('hello from nstap');
        },
        check: () => {
          const there = '172.20.0.1 from 10.1.0.2';
          const back = '10.1.0.2 from 172.20.0.1';
          for (const [netns, dev, words, judgement, direction] of [
            [client, 'c1', there, SENT, 'fwd'],
            [one, 'in', `${there} iif in`, CAME, 'fwd'],
            [one, 'out', `${there} iif in`, WENT, 'fwd'],
            [server, 's1', `${there} iif s1`, DELIVERED, 'fwd'],
            [server, 's2', back, SENT, 'rev'],
            [two, 'out', `${back} iif out`, CAME, 'rev'],
            [two, 'in', `${back} iif out`, WENT, 'rev'],
            [client, 'c2', `${back} iif c2`, DELIVERED, 'rev'],
          ] as const) {
            const flow = find(netns, dev, 8900);
            const expected = decision(kernelRoute(netns, words), judgement);
            expect(flow, `${netns} ${dev}`).toMatchObject({ protocol: 'tcp', src: '10.1.0.2' });
            expect(flow.route_fwd, `${netns} ${dev}`).toEqual(direction === 'fwd' ? expected : null);
            expect(flow.route_rev, `${netns} ${dev}`).toEqual(direction === 'rev' ? expected : null);
          }
        },
      },
      {
        name: 'a socket bound to a device leaves by another one than the tables say: that differs, and is assumed',
        send: () => {
          scene.socket(client, 4).send('172.21.0.1', 4601);
          scene.socket(client, 4, { device: 'c2' }).send('172.21.0.1', 4602);
        },
        check: () => {
          const free = find(client, 'c1', 4601);
          expect(free.src).toBe('10.1.0.2');
          const route = kernelRoute(client, '172.21.0.1 from 10.1.0.2');
          expect(free.route_fwd).toEqual(decision(route, SENT));
          const bound = find(client, 'c2', 4602);
          expect(bound.src).toBe('10.2.0.2');
          expect(bound.route_fwd).toEqual(
            decision(route, {
              ...SENT,
              observed: 'differs',
              confidence: 'assumed',
              reason: expect.stringMatching(
                /^the packet was seen leaving by another interface .* a bound socket/,
              ),
            }),
          );
        },
      },
      {
        name: 'of several next hops, the decision has the one that each flow left by',
        send: () => {
          // With a source, the kernel prefers the hop that has it (fib_select_multipath, Linux 6.17).
          for (let port = 4620; port < 4636; port++) scene.socket(client, 4).send('172.22.0.1', port);
        },
        check: () => {
          const ports = { c1: 0, c2: 0 };
          for (let port = 4620; port < 4636; port++) {
            const { interface: dev, src, route_fwd } = scene.flow({ netns: client, dst_port: port });
            ports[dev as 'c1' | 'c2']++;
            expect(route_fwd).toEqual(decision(kernelRoute(client, `172.22.0.1 from ${src}`, dev), SENT));
          }
          expect(Math.min(ports.c1, ports.c2)).toBeGreaterThan(0);
        },
      },
      {
        name: 'a mark of the sender’s socket is not seen: where a rule asks for one, the decision is assumed',
        send: () => {
          scene.socket(client, 4, { mark: 7 }).send('172.23.0.1', 4603);
          scene.socket(client, 4).send('172.23.0.1', 4605);
        },
        check: () => {
          const assumed = {
            confidence: 'assumed',
            reason: expect.stringMatching(/^rule 90: from all fwmark 0x7 .* selects by fwmark/),
          } as const;
          const marked7 = find(client, 'c2', 4603);
          expect(kernelRoute(client, `172.23.0.1 from ${marked7.src} mark 7`).dev).toBe('c2');
          const route = kernelRoute(client, '172.23.0.1 from 10.1.0.2');
          expect(marked7.route_fwd).toEqual(decision(route, { ...SENT, ...assumed, observed: 'differs' }));
          expect(find(client, 'c1', 4605).route_fwd).toEqual(decision(route, { ...SENT, ...assumed }));
        },
      },
    ];

    const marked: SceneCase[] = [
      {
        name: `a mark set in prerouting comes after the capture: never exact where a rule asks for one${noNft === null ? '' : ` (skipped: ${noNft})`}`,
        send: () => {
          scene.socket(client, 4, { address: '10.1.0.2' }).send('172.24.0.1', 4604);
          scene.socket(client, 4, { address: '10.1.0.2' }).send('172.24.0.1', 4606);
        },
        check: () => {
          const assumed = {
            confidence: 'assumed',
            reason: expect.stringMatching(/^rule 100: from all fwmark 0x5 .* selects by fwmark/),
          } as const;
          expect(kernelRoute(one, '172.24.0.1 from 10.1.0.2 iif in mark 5').dev).toBe('alt');
          const route = kernelRoute(one, '172.24.0.1 from 10.1.0.2 iif in');
          for (const port of [4604, 4606])
            expect(find(one, 'in', port).route_fwd).toEqual(decision(route, { ...CAME, ...assumed }));
          expect(find(one, 'alt', 4604).route_fwd).toEqual(
            decision(route, { ...WENT, ...assumed, observed: 'differs' }),
          );
          expect(find(one, 'out', 4606).route_fwd).toEqual(decision(route, { ...WENT, ...assumed }));
        },
      },
    ];

    test.for(cases.map(({ name, check }) => [name, check] as const))('%s', ([, check]) => check());
    test.skipIf(noNft !== null).for(marked.map(({ name, check }) => [name, check] as const))(
      '%s',
      ([, check]) => check(),
    );
  },
);
