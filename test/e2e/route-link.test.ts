import { spawnSync } from 'node:child_process';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { kernelRoute } from './kernel-route.ts';
import { type Judgement, RouteScene, type SceneCase, decision } from './route-scene.ts';
import { labMissing } from '../kernel/lab.ts';

const missing = labMissing();

const SENT: Judgement = { rule: 32766, verdict: 'send', stage: 'output', observed: 'agrees' };
const DELIVERED: Judgement = { rule: 0, verdict: 'deliver', stage: 'input' };

/** Why there can be no VRF here, or null. */
function vrfMissing(): string | null {
  if (missing !== null) return missing;
  const script = 'ip link add name vrf0 type vrf table 1001';
  return spawnSync('unshare', ['--net', 'sh', '-c', script]).status === 0
    ? null
    : 'needs the kernel’s VRF driver';
}

/**
 *   host a 10.7.0.1 [a0] -- [pa]\
 *                                [br0] 10.7.0.3 bridge host 10.8.0.3 [out] -- [far] 10.8.0.4 host f
 *   host b 10.7.0.2 [b0] -- [pb]/
 */
describe.skipIf(missing !== null)(`a bridge${missing === null ? '' : ` (skipped: ${missing})`}`, () => {
  const scene = new RouteScene('bri');
  const { lab } = scene;
  let [a, b, bridge, far] = ['', '', '', ''];

  beforeAll(async () => {
    [a, b, bridge, far] = [scene.add('a'), scene.add('b'), scene.add('br'), scene.add('f')];
    lab.veth(a, 'a0', '10.7.0.1/24', bridge, 'pa', null);
    lab.veth(b, 'b0', '10.7.0.2/24', bridge, 'pb', null);
    lab.veth(bridge, 'out', '10.8.0.3/24', far, 'far', '10.8.0.4/24');
    lab.ip(bridge, 'link add br0 type bridge mcast_snooping 0');
    lab.sysctl(bridge, 'net.ipv6.conf.br0.disable_ipv6=1');
    for (const port of ['pa', 'pb']) lab.ip(bridge, `link set ${port} master br0`);
    lab.ip(bridge, 'addr add 10.7.0.3/24 dev br0');
    lab.ip(bridge, 'link set br0 up');
    lab.sysctl(bridge, 'net.ipv4.ip_forward=1');
    lab.ip(a, 'route add default via 10.7.0.3');
    lab.ip(far, 'route add default via 10.8.0.3');
    for (const netns of [b, bridge, far]) scene.socket(netns, 4, { port: 4800 });
    await scene.capture([a, b, bridge, far]);
    await scene.countWithTcpdump(bridge, 'br0');
    for (const { send } of cases) await send();
    await scene.finish();
  });
  afterAll(() => scene.close());

  const send = (dst: string): void => scene.socket(a, 4, { address: '10.7.0.1' }).send(dst, 4800, 32, 3);
  const seen = (netns: string, dev: string, dst: string) =>
    scene.flow({ netns, interface: dev, dst, dst_port: 4800 }).route_fwd;
  const notRouted = decision(null, { type: 'not_routed', verdict: null, stage: null });

  const cases: SceneCase[] = [
    {
      name: 'what it switches is not routed on its ports; nor on itself, where it is another host’s',
      send: () => send('10.7.0.2'),
      check: () => {
        expect(seen(bridge, 'pa', '10.7.0.2')).toEqual(notRouted);
        expect(seen(bridge, 'pb', '10.7.0.2')).toEqual(notRouted);
        // Seen there because tcpdump made the bridge promiscuous.
        expect(seen(bridge, 'br0', '10.7.0.2')).toEqual(notRouted);
        expect(seen(a, 'a0', '10.7.0.2')).toEqual(decision(kernelRoute(a, '10.7.0.2 from 10.7.0.1'), SENT));
        expect(seen(b, 'b0', '10.7.0.2')).toEqual(
          decision(kernelRoute(b, '10.7.0.2 from 10.7.0.1 iif b0'), DELIVERED),
        );
      },
    },
    {
      name: 'what is for its own host is delivered on itself',
      send: () => send('10.7.0.3'),
      check: () => {
        expect(seen(bridge, 'pa', '10.7.0.3')).toEqual(notRouted);
        expect(seen(bridge, 'br0', '10.7.0.3')).toEqual(
          decision(kernelRoute(bridge, '10.7.0.3 from 10.7.0.1 iif br0'), DELIVERED),
        );
      },
    },
    {
      name: 'what its host forwards is routed on itself and where it leaves',
      send: () => send('10.8.0.4'),
      check: () => {
        const route = kernelRoute(bridge, '10.8.0.4 from 10.7.0.1 iif br0');
        const forwarded = { rule: 32766, verdict: 'forward' } as const;
        expect(seen(bridge, 'pa', '10.8.0.4')).toEqual(notRouted);
        expect(seen(bridge, 'br0', '10.8.0.4')).toEqual(decision(route, { ...forwarded, stage: 'input' }));
        expect(seen(bridge, 'out', '10.8.0.4')).toEqual(
          decision(route, { ...forwarded, stage: 'forward', observed: 'agrees' }),
        );
      },
    },
    {
      name: 'what its host sends is routed on itself, and not on the port it leaves by',
      send: () => scene.socket(bridge, 4).send('10.7.0.1', 4800),
      check: () => {
        expect(seen(bridge, 'br0', '10.7.0.1')).toEqual(
          decision(kernelRoute(bridge, '10.7.0.1 from 10.7.0.3'), SENT),
        );
        expect(seen(bridge, 'pa', '10.7.0.1')).toEqual(notRouted);
      },
    },
  ];

  test.for(cases.map(({ name, check }) => [name, check] as const))('%s', ([, check]) => check());
});

const noVrf = vrfMissing();

/**
 *   client 10.1.0.2 [c0] -- [cl] 10.1.0.1 router, both in the VRF "blue", table 1001; 10.2.0.1 [sv] -- [s0] 10.2.0.2 server
 */
describe.skipIf(noVrf !== null)(`a VRF${noVrf === null ? '' : ` (skipped: ${noVrf})`}`, () => {
  const scene = new RouteScene('vrf');
  const { lab } = scene;
  let [client, router, server] = ['', '', ''];

  beforeAll(async () => {
    [client, router, server] = [scene.add('c'), scene.add('r'), scene.add('s')];
    lab.veth(client, 'c0', '10.1.0.2/24', router, 'cl', '10.1.0.1/24');
    lab.veth(router, 'sv', '10.2.0.1/24', server, 's0', '10.2.0.2/24');
    lab.ip(router, 'link add name blue type vrf table 1001');
    lab.ip(router, 'link set blue up');
    for (const dev of ['cl', 'sv']) lab.ip(router, `link set ${dev} master blue`);
    lab.ip(router, 'route add 172.20.0.0/16 via 10.2.0.2 table 1001');
    lab.sysctl(router, 'net.ipv4.ip_forward=1');
    lab.ip(client, 'route add default via 10.1.0.1');
    lab.ip(server, 'addr add 172.20.0.1/32 dev lo');
    for (const netns of [router, server]) scene.socket(netns, 4, { port: 4810 });
    await scene.capture([client, router, server], { interfaces: ['c0', 'cl', 'sv', 's0'] }, 4);
    scene.socket(client, 4, { address: '10.1.0.2' }).send('172.20.0.1', 4810, 32, 3);
    scene.socket(client, 4, { address: '10.1.0.2' }).send('10.2.0.1', 4810, 32, 3);
    await scene.finish();
  });
  afterAll(() => scene.close());

  const l3mdev = { rule: 1000 } as const;

  test('forwards by its own table, on both ports', () => {
    const route = kernelRoute(router, '172.20.0.1 from 10.1.0.2 iif cl');
    expect(route.table).toBe('1001');
    const want = { netns: router, dst: '172.20.0.1', dst_port: 4810 };
    expect(scene.flow({ ...want, interface: 'cl' }).route_fwd).toEqual(
      decision(route, { ...l3mdev, verdict: 'forward', stage: 'input' }),
    );
    expect(scene.flow({ ...want, interface: 'sv' }).route_fwd).toEqual(
      decision(route, { ...l3mdev, verdict: 'forward', stage: 'forward', observed: 'agrees' }),
    );
  });

  test('delivers to an address of another port by its own table', () => {
    const want = { netns: router, interface: 'cl', dst: '10.2.0.1', dst_port: 4810 };
    expect(scene.flow(want).route_fwd).toEqual(
      decision(kernelRoute(router, '10.2.0.1 from 10.1.0.2 iif cl'), {
        ...l3mdev,
        verdict: 'deliver',
        stage: 'input',
      }),
    );
  });
});
