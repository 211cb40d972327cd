import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { kernelRefusal, kernelRoute, tableRoute } from './kernel-route.ts';
import { RouteScene, type SceneCase, decision } from './route-scene.ts';
import { labMissing } from '../kernel/lab.ts';

const missing = labMissing();

/**
 *   sender 10.5.0.1 [a0] -- [b0] 10.5.0.2 receiver 10.6.0.2 [b1] -- [d0] a host without an address
 */
describe.skipIf(missing !== null)(
  `broadcasts, groups and own addresses${missing === null ? '' : ` (skipped: ${missing})`}`,
  () => {
    const scene = new RouteScene('grp');
    const { lab } = scene;
    let [sender, receiver, newcomer] = ['', '', ''];

    beforeAll(async () => {
      [sender, receiver, newcomer] = [scene.add('a'), scene.add('b'), scene.add('d')];
      lab.veth(sender, 'a0', '10.5.0.1/24', receiver, 'b0', '10.5.0.2/24');
      lab.veth(receiver, 'b1', '10.6.0.2/24', newcomer, 'd0', null);
      lab.ip(sender, 'route add 10.6.0.0/24 via 10.5.0.2');
      lab.ip(sender, 'addr add 10.5.0.7/24 dev a0');
      // Ports are bound before: nothing answers "port unreachable".
      for (let port = 4400; port < 4420; port++) scene.socket(receiver, 4, { port });
      await scene.capture([sender, receiver, newcomer]);
      await scene.countWithTcpdump(receiver, 'b0');
      for (const { send } of cases) await send();
      await scene.finish();
    });
    afterAll(() => scene.close());

    const send = (dst: string, port: number, address = '10.5.0.1'): void =>
      scene.socket(sender, 4, { address }).send(dst, port, 32, 2);
    const sent = (port: number) => scene.flow({ netns: sender, interface: 'a0', dst_port: port }).route_fwd;
    const came = (port: number) => scene.flow({ netns: receiver, interface: 'b0', dst_port: port }).route_fwd;

    const cases: SceneCase[] = [
      {
        name: 'the broadcast of a subnet is sent and delivered by its route in the table local',
        send: () => send('10.5.0.255', 4400),
        check: () => {
          const type = 'broadcast';
          expect(sent(4400)).toEqual(
            decision(kernelRoute(sender, '10.5.0.255 from 10.5.0.1'), {
              type,
              rule: 0,
              verdict: 'send',
              stage: 'output',
              observed: 'agrees',
            }),
          );
          const input = decision(kernelRoute(receiver, '10.5.0.255 from 10.5.0.1 iif b0'), {
            type,
            rule: 0,
            verdict: 'deliver',
            stage: 'input',
          });
          expect(came(4400)).toEqual(input);
        },
      },
      {
        name: 'a limited broadcast has no route: it leaves by the device of its source',
        send: () => send('255.255.255.255', 4401),
        check: () => {
          const type = 'broadcast';
          expect(sent(4401)).toEqual(
            decision(null, { type, dev: 'a0', verdict: 'send', stage: 'output', observed: 'agrees' }),
          );
          expect(came(4401)).toEqual(decision(null, { type, dev: 'b0', verdict: 'deliver', stage: 'input' }));
        },
      },
      {
        name: 'a host without an address asks 255.255.255.255 from 0.0.0.0, as DHCP does',
        send: () => {
          const client = scene.socket(newcomer, 4, { port: 68, device: 'd0' });
          client.send('255.255.255.255', 4402, 300);
        },
        check: () => {
          const type = 'broadcast';
          const want = { src: '0.0.0.0', src_port: 68, dst: '255.255.255.255', dst_port: 4402 };
          expect(scene.flow({ netns: newcomer, interface: 'd0', ...want }).route_fwd).toEqual(
            decision(null, {
              type,
              dev: 'd0',
              verdict: 'send',
              stage: 'output',
              observed: 'agrees',
              confidence: 'assumed',
              reason: 'the sender chooses the device of a multicast or broadcast',
            }),
          );
          expect(scene.flow({ netns: receiver, interface: 'b1', ...want }).route_fwd).toEqual(
            decision(null, { type, dev: 'b1', verdict: 'deliver', stage: 'input' }),
          );
        },
      },
      {
        name: 'a group is sent without a route, and comes to whoever is in it',
        send: () => {
          scene.socket(receiver, 4, { port: 4500 }).join('239.1.1.1', 'b0');
          // The daemon hears of it a moment after.
          Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 300);
          send('239.1.1.1', 4403);
          send('239.1.1.2', 4404);
        },
        check: () => {
          const type = 'multicast';
          for (const port of [4403, 4404])
            expect(sent(port)).toEqual(
              decision(null, { type, dev: 'a0', verdict: 'send', stage: 'output', observed: 'agrees' }),
            );
          expect(came(4403)).toEqual(decision(null, { type, dev: 'b0', verdict: 'deliver', stage: 'input' }));
          expect(came(4404)).toEqual(
            decision(null, {
              type,
              verdict: 'drop',
              stage: 'input',
              reason: 'this host is not in that multicast group on b0',
            }),
          );
          expect(kernelRefusal(receiver, '239.1.1.2 from 10.5.0.1 iif b0')).toBe('Invalid argument');
        },
      },
      {
        name: 'the receiver’s own report of its membership is a flow too',
        send: () => {},
        check: () => {
          const want = { protocol: 'igmp', src: '10.5.0.2', dst: '224.0.0.22' };
          expect(scene.flow({ netns: receiver, interface: 'b0', ...want }).route_fwd).toEqual(
            decision(null, {
              type: 'multicast',
              dev: 'b0',
              verdict: 'send',
              stage: 'output',
              observed: 'agrees',
            }),
          );
        },
      },
      {
        name: 'every host is in 224.0.0.1, for certain',
        send: () => send('224.0.0.1', 4405),
        check: () => {
          expect(came(4405)).toEqual(
            decision(null, { type: 'multicast', dev: 'b0', verdict: 'deliver', stage: 'input' }),
          );
        },
      },
      {
        name: 'a broadcast of another subnet of the receiver is delivered there, not sent on',
        send: () => send('10.6.0.255', 4411),
        check: () => {
          expect(sent(4411)).toMatchObject({ type: 'unicast', gateway: '10.5.0.2' });
          const route = kernelRoute(receiver, '10.6.0.255 from 10.5.0.1 iif b0');
          expect(route).toMatchObject({ type: 'broadcast', dev: 'b1' });
          expect(came(4411)).toEqual(decision(route, { rule: 0, verdict: 'deliver', stage: 'input' }));
          expect(scene.find({ netns: receiver, interface: 'b1', dst_port: 4411 })).toEqual([]);
        },
      },
      {
        name: 'an address of another interface is delivered all the same',
        send: () => send('10.6.0.2', 4406),
        check: () => {
          const route = kernelRoute(receiver, '10.6.0.2 from 10.5.0.1 iif b0');
          expect(route.dev).toBe('b1');
          expect(came(4406)).toEqual(decision(route, { rule: 0, verdict: 'deliver', stage: 'input' }));
          expect(sent(4406)).toEqual(
            decision(kernelRoute(sender, '10.6.0.2 from 10.5.0.1'), {
              rule: 32766,
              verdict: 'send',
              stage: 'output',
              observed: 'agrees',
            }),
          );
        },
      },
      ...(
        [
          ['127.0.0.1', '127.0.0.1', 4407],
          ['127.0.0.1', '127.5.5.5', 4408],
          ['10.5.0.1', '10.5.0.1', 4409],
          ['10.5.0.7', '10.5.0.1', 4410],
        ] as const
      ).map(
        ([src, dst, port]): SceneCase => ({
          name: `${dst} from ${src} on this host goes over lo, counted once, by the table local`,
          send: () => {
            scene.socket(sender, 4, { port });
            send(dst, port, src);
          },
          check: () => {
            const flow = scene.flow({ netns: sender, dst_port: port });
            expect(flow).toMatchObject({ interface: 'lo', packets_fwd: 2, packets_rev: 0 });
            const prefix = dst === '127.5.5.5' ? '127.0.0.0/8' : `${dst}/32`;
            expect(kernelRoute(sender, `${dst} from ${src}`)).toEqual(tableRoute(sender, 'local', prefix));
            expect(flow.route_fwd).toEqual(
              decision(kernelRoute(sender, `${dst} from ${src}`), {
                rule: 0,
                verdict: 'deliver',
                stage: 'input',
              }),
            );
          },
        }),
      ),
    ];

    test.for(cases.map(({ name, check }) => [name, check] as const))('%s', ([, check]) => check());
  },
);
