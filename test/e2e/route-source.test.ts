import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { kernelRefusal, kernelRoute } from './kernel-route.ts';
import { RouteScene, type SceneCase, decision } from './route-scene.ts';
import { labMissing } from '../kernel/lab.ts';

const missing = labMissing();

/** Interfaces of the router, each with one setting that matters; 10.N.0.1/24 by their place. */
const LINKS = [
  { dev: 'plain', setting: 'rp_filter=0' },
  { dev: 'strict', setting: 'rp_filter=1' },
  { dev: 'loose', setting: 'rp_filter=2' },
  { dev: 'mine', setting: 'accept_local=1' },
  { dev: 'lnet', setting: 'route_localnet=1' },
] as const;
type Dev = (typeof LINKS)[number]['dev'];

/** Sources that pass to the server, by the interface they come in by. */
const PASSES: { dev: Dev; src: string; why: string }[] = [
  {
    dev: 'plain',
    src: '10.2.0.9',
    why: 'without a filter it may come by another interface than the way back',
  },
  { dev: 'plain', src: '203.0.113.9', why: 'without a filter there need be no way back' },
  { dev: 'strict', src: '10.2.0.2', why: 'a strict filter passes what would go back by the same interface' },
  { dev: 'loose', src: '10.2.0.9', why: 'a loose filter passes what would go back by any interface' },
  { dev: 'mine', src: '10.9.0.1', why: 'accept_local passes the router’s own address' },
];

/** EXDEV, or EINVAL as kernels since 6.13 say it. */
const FILTERED = /^Invalid (cross-device link|argument)$/;
const INVALID = /^Invalid argument$/;

/** Sources that are dropped, with the kernel's error and what the reason has to name. */
const DROPS: { dev: Dev; src: string; error: RegExp; reason: RegExp }[] = [
  {
    dev: 'strict',
    src: '10.1.0.2',
    error: FILTERED,
    reason: /^reverse path filter of strict \(rp_filter 1/,
  },
  {
    dev: 'strict',
    src: '203.0.113.9',
    error: FILTERED,
    reason: /of strict \(rp_filter 1/,
  },
  { dev: 'loose', src: '203.0.113.9', error: FILTERED, reason: /of loose \(rp_filter 2/ },
  { dev: 'plain', src: '10.9.0.1', error: INVALID, reason: /accept_local is off/ },
  { dev: 'strict', src: '10.2.0.1', error: INVALID, reason: /accept_local is off/ },
  {
    dev: 'plain',
    src: '127.0.0.5',
    error: INVALID,
    reason: /loopback source .* on plain.*route_localnet/,
  },
  { dev: 'plain', src: '255.255.255.255', error: INVALID, reason: /martian source: .*broadcast/ },
  { dev: 'plain', src: '224.1.2.3', error: INVALID, reason: /martian source: a multicast/ },
  { dev: 'plain', src: '0.0.0.0', error: INVALID, reason: /martian source: 0\.0\.0\.0/ },
  {
    dev: 'strict',
    src: '10.2.0.255',
    error: INVALID,
    reason: /martian source: no unicast address/,
  },
];

/** Destinations that no packet from outside may have. */
const DESTINATIONS: { dev: Dev; dst: string; reason: RegExp }[] = [
  { dev: 'plain', dst: '127.0.0.1', reason: /loopback destination .* on plain.*route_localnet/ },
  { dev: 'plain', dst: '0.0.0.0', reason: /martian destination/ },
];

/**
 *   client [plain] [strict] [loose] [mine] [lnet] -- [the same] router 10.9.0.1 [sv] -- [s0] 10.9.0.2 server
 *
 * What the client sends has any source, by a packet socket.
 */
describe.skipIf(missing !== null)(
  `source addresses${missing === null ? '' : ` (skipped: ${missing})`}`,
  () => {
    const scene = new RouteScene('src');
    const { lab } = scene;
    let [client, router, server] = ['', '', ''];
    let filtered = 0;

    beforeAll(async () => {
      [client, router, server] = [scene.add('c'), scene.add('r'), scene.add('s')];
      LINKS.forEach(({ dev, setting }, i) => {
        lab.veth(client, dev, `10.${i + 1}.0.2/24`, router, dev, `10.${i + 1}.0.1/24`);
        lab.sysctl(router, `net.ipv4.conf.${dev}.${setting}`);
      });
      lab.veth(router, 'sv', '10.9.0.1/24', server, 's0', '10.9.0.2/24');
      lab.sysctl(router, 'net.ipv4.ip_forward=1');
      await scene.capture([client, router, server]);
      await scene.countWithTcpdump(router, 'strict');
      const before = filterCounter();
      for (const { send } of cases) await send();
      filtered = filterCounter() - before;
      await scene.finish();
    });
    afterAll(() => scene.close());

    /** What the kernel itself counted as dropped by its reverse path filter: TcpExt IPReversePathFilter. */
    const filterCounter = (): number => {
      const [names, values] = lab
        .exec(router, 'cat', '/proc/net/netstat')
        .split('\n')
        .filter((line) => line.startsWith('TcpExt:'))
        .map((line) => line.split(' '));
      return Number(values![names!.indexOf('IPReversePathFilter')]);
    };

    const send = (dev: Dev, src: string, dst: string, port: number): void =>
      scene.spoof(client, dev, scene.mac(router, dev), src, dst, port);
    const seen = (dev: Dev, port: number) => scene.flow({ netns: router, interface: dev, dst_port: port });
    const arrived = (port: number): number => scene.find({ netns: server, dst_port: port }).length;

    const cases: SceneCase[] = [
      ...PASSES.map(({ dev, src, why }, i) => ({
        name: `${src} by ${dev} passes: ${why}`,
        send: () => send(dev, src, '10.9.0.2', 4300 + i),
        check: () => {
          expect(seen(dev, 4300 + i).route_fwd).toEqual(
            decision(kernelRoute(router, `10.9.0.2 from ${src} iif ${dev}`), {
              rule: 32766,
              verdict: 'forward',
              stage: 'input',
            }),
          );
          expect(arrived(4300 + i)).toBe(1);
        },
      })),
      ...DROPS.map(({ dev, src, error, reason }, i) => ({
        name: `${src} by ${dev} is dropped: ${reason.source}`,
        send: () => send(dev, src, '10.9.0.2', 4320 + i),
        check: () => {
          expect(kernelRefusal(router, `10.9.0.2 from ${src} iif ${dev}`)).toMatch(error);
          expect(seen(dev, 4320 + i).route_fwd).toEqual(
            decision(null, {
              type: 'martian',
              verdict: 'drop',
              stage: 'input',
              reason: expect.stringMatching(reason),
            }),
          );
          expect(arrived(4320 + i)).toBe(0);
        },
      })),
      ...DESTINATIONS.map(({ dev, dst, reason }, i) => ({
        name: `to ${dst} by ${dev} is dropped: ${reason.source}`,
        send: () => send(dev, '10.1.0.2', dst, 4340 + i),
        check: () => {
          expect(seen(dev, 4340 + i).route_fwd).toEqual(
            decision(null, {
              type: 'martian',
              verdict: 'drop',
              stage: 'input',
              reason: expect.stringMatching(reason),
            }),
          );
        },
      })),
      {
        name: 'route_localnet delivers to 127.0.0.1 from outside',
        send: () => send('lnet', '10.5.0.2', '127.0.0.1', 4350),
        check: () => {
          expect(seen('lnet', 4350).route_fwd).toEqual(
            decision(kernelRoute(router, '127.0.0.1 from 10.5.0.2 iif lnet'), {
              rule: 0,
              verdict: 'deliver',
              stage: 'input',
            }),
          );
        },
      },
      {
        name: 'a filter also guards what is for the router itself',
        send: () => {
          send('strict', '10.1.0.2', '10.2.0.1', 4351);
          send('strict', '10.2.0.2', '10.2.0.1', 4352);
        },
        check: () => {
          expect(kernelRefusal(router, '10.2.0.1 from 10.1.0.2 iif strict')).toMatch(FILTERED);
          expect(seen('strict', 4351).route_fwd).toMatchObject({ type: 'martian', verdict: 'drop' });
          expect(seen('strict', 4352).route_fwd).toEqual(
            decision(kernelRoute(router, '10.2.0.1 from 10.2.0.2 iif strict'), {
              rule: 0,
              verdict: 'deliver',
              stage: 'input',
            }),
          );
        },
      },
      {
        name: 'a filter also guards broadcasts and groups',
        send: () => {
          send('strict', '10.1.0.2', '10.2.0.255', 4353);
          send('strict', '10.1.0.2', '255.255.255.255', 4354);
          send('strict', '10.1.0.2', '224.0.0.1', 4355);
        },
        check: () => {
          for (const port of [4353, 4354, 4355])
            expect(seen('strict', port).route_fwd).toEqual(
              decision(null, {
                type: 'martian',
                verdict: 'drop',
                stage: 'input',
                reason: expect.stringMatching(/^reverse path filter of strict \(rp_filter 1/),
              }),
            );
        },
      },
      {
        name: 'the kernel’s own counter has as many drops by the filter as there are such packets',
        send: () => {},
        check: () => {
          const ours = scene.flows.filter(
            (flow) => flow.netns === router && flow.route_fwd?.reason?.includes('rp_filter'),
          );
          expect(filtered).toBe(ours.reduce((n, flow) => n + flow.packets_fwd, 0));
        },
      },
    ];

    test.for(cases.map(({ name, check }) => [name, check] as const))('%s', ([, check]) => check());
  },
);
