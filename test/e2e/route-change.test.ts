import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { RouteDecision } from '../../storage/route-decision.ts';
import { nstap } from '../support/nstap.ts';
import { type KernelRoute, kernelRoute, tableRoute } from './kernel-route.ts';
import { type CliFlow, type Judgement, RouteScene, decision } from './route-scene.ts';
import { labMissing } from '../kernel/lab.ts';

const missing = labMissing();

/** A decision that a flow had from some time on. */
interface RouteChange {
  direction: 'fwd' | 'rev';
  since: string;
  route: RouteDecision;
}
type ChangingFlow = CliFlow & { route_changes: RouteChange[] | null };

/** When `ip` ran, in milliseconds since the epoch: just before, and after it returned. */
interface Moment {
  before: number;
  after: number;
}

const TCP_PORT = 8910;
const TCP_SERVER = `require('net').createServer((s) => s.pipe(s)).listen(${TCP_PORT}, '0.0.0.0', () => console.log('listening'))`;
/** Sends an octet every 10 ms until its stdin ends, and then says how many came back. */
const TCP_CLIENT = `
let sent = 0, back = 0;
const s = require('net').connect(${TCP_PORT}, process.argv[1], () => console.log('connected'));
const timer = setInterval(() => { sent++; s.write('x'); }, 10);
s.on('data', (d) => { back += d.length; if (s.writableEnded && back === sent) s.destroy(); });
s.on('close', () => console.log(sent === back ? 'all came back' : 'lost ' + (sent - back)));
process.stdin.resume().on('end', () => { clearInterval(timer); s.end(); });`;

const CAME: Judgement = { rule: 32766, verdict: 'forward', stage: 'input' };

/**
 *   client 10.1.0.2 [c0] -- [cl] 10.1.0.1 router 10.2.0.1 [sv]  -- [s0] 10.2.0.2 server
 *                                                10.3.0.1 [alt] -- [s1] 10.3.0.2
 *
 * Each flow goes to a network of its own, whose route changes while it lasts.
 */
describe.skipIf(missing !== null)(
  `a route that changes in mid-flow${missing === null ? '' : ` (skipped: ${missing})`}`,
  () => {
    const scene = new RouteScene('chg');
    const { lab } = scene;
    let [client, router, server] = ['', '', ''];
    /** Of the flow by its network: each change of its route, and the kernel's own word on the route from then on. */
    const changes: Record<number, { at: Moment; route: KernelRoute; judgement: Judgement }[]> = {};
    let tcpEnd = '';

    beforeAll(async () => {
      [client, router, server] = [scene.add('c'), scene.add('r'), scene.add('s')];
      lab.veth(client, 'c0', '10.1.0.2/24', router, 'cl', '10.1.0.1/24');
      lab.veth(router, 'sv', '10.2.0.1/24', server, 's0', '10.2.0.2/24');
      lab.veth(router, 'alt', '10.3.0.1/24', server, 's1', '10.3.0.2/24');
      lab.sysctl(router, 'net.ipv4.ip_forward=1');
      lab.ip(client, 'route add default via 10.1.0.1');
      lab.ip(server, 'route add default via 10.2.0.1');
      for (let n = 20; n <= 24; n++) {
        lab.ip(server, `addr add 172.${n}.0.1/32 dev lo`);
        lab.ip(router, `route add 172.${n}.0.0/16 via 10.2.0.2`);
        const route = kernelRoute(router, `172.${n}.0.1 from 10.1.0.2 iif cl`);
        changes[n] = [{ at: { before: 0, after: 0 }, route, judgement: CAME }];
      }
      await scene.capture([client, router, server]);

      const tcpServer = lab.start(server, process.execPath, '-e', TCP_SERVER);
      await once(tcpServer.stdout!, 'data');
      const tcpClient = lab.startWithInput(client, process.execPath, '-e', TCP_CLIENT, '--', '172.24.0.1');
      tcpClient.stdout!.on('data', (text) => {
        tcpEnd += text;
      });
      await once(tcpClient.stdout!, 'data');
      const senders = [20, 21, 22, 23].map((n) => {
        scene.socket(server, 4, { port: 4000 + n });
        const udp = scene.socket(client, 4, { address: '10.1.0.2' });
        return () => udp.send(`172.${n}.0.1`, 4000 + n);
      });
      const timer = setInterval(() => {
        for (const send of senders) send();
      }, 10);
      for (const [n, words] of [
        [20, 'via 10.3.0.2'],
        [24, 'via 10.3.0.2'],
        [21, 'blackhole'],
        [22, 'via 10.3.0.2'],
      ] as const) {
        await sleep(300);
        replace(n, words);
      }
      await sleep(1200);
      replace(22, 'via 10.2.0.2');
      await sleep(1200);
      clearInterval(timer);
      tcpClient.stdin!.end();
      await once(tcpClient, 'close');
      await scene.finish();
    });
    afterAll(() => scene.close());

    /** Replaces the route of a network, and notes when, and what the kernel has now. */
    const replace = (n: number, words: string): void => {
      const prefix = `172.${n}.0.0/16`;
      const before = Date.now();
      lab.ip(router, `route replace ${words === 'blackhole' ? `blackhole ${prefix}` : `${prefix} ${words}`}`);
      const at = { before, after: Date.now() };
      if (words === 'blackhole')
        changes[n]!.push({
          at,
          route: tableRoute(router, 'main', prefix),
          judgement: {
            ...CAME,
            type: 'blackhole',
            verdict: 'drop',
            reason: 'the matching route is of type blackhole (EINVAL)',
          },
        });
      else
        changes[n]!.push({
          at,
          route: kernelRoute(router, `172.${n}.0.1 from 10.1.0.2 iif cl`),
          judgement: CAME,
        });
    };

    const flowTo = (n: number): ChangingFlow =>
      scene.flow({ netns: router, interface: 'cl', dst: `172.${n}.0.1` }) as ChangingFlow;

    /** The decisions of the flow's forward direction are those of its route, each since its time. */
    const checkChanges = (n: number): void => {
      const flow = flowTo(n);
      const made = flow.route_changes?.filter(({ direction }) => direction === 'fwd') ?? [];
      const expected = changes[n]!;
      expect(made.map(({ route }) => route)).toEqual(
        expected.map(({ route, judgement }) => decision(route, judgement)),
      );
      expect(made[0]!.since).toBe(flow.start);
      for (const [i, { since }] of made.entries()) {
        expect(since).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z$/);
        if (i === 0) continue;
        const { before, after } = expected[i]!.at;
        expect(Date.parse(since)).toBeGreaterThanOrEqual(before);
        expect(Date.parse(since)).toBeLessThanOrEqual(after + 1000);
      }
    };

    test('another gateway and device: two decisions, each since its time', () => {
      expect(changes[20]!.map(({ route }) => route.dev)).toEqual(['sv', 'alt']);
      checkChanges(20);
    });

    test('a blackhole: two decisions, the second drops', () => checkChanges(21));

    test('there and back again: three decisions', () => {
      expect(changes[22]!.map(({ route }) => route.dev)).toEqual(['sv', 'alt', 'sv']);
      checkChanges(22);
    });

    test('the changes of other routes are none of a flow whose route stays', () => {
      expect(flowTo(23).route_changes).toBeNull();
    });

    test('a TCP connection goes on over the new way, with two decisions', () => {
      expect(tcpEnd).toBe('connected\nall came back\n');
      expect(flowTo(24)).toMatchObject({ protocol: 'tcp', conn_state: 'SF' });
      checkChanges(24);
    });

    test('where it leaves, the flow ends on one device and begins on the other', () => {
      const left = scene.flow({ netns: router, interface: 'sv', dst: '172.20.0.1' }) as ChangingFlow;
      expect(left.route_fwd).toMatchObject({ dev: 'sv', stage: 'forward', observed: 'agrees' });
      const begun = scene.flow({ netns: router, interface: 'alt', dst: '172.20.0.1' }) as ChangingFlow;
      const last =
        begun.route_changes?.findLast(({ direction }) => direction === 'fwd')?.route ?? begun.route_fwd;
      expect(last).toMatchObject({ dev: 'alt', stage: 'forward', observed: 'agrees' });
      expect(Date.parse(begun.start)).toBeGreaterThanOrEqual(changes[20]![1]!.at.before);
    });

    test('changes are in time order, and --route-changed shows the flows that have some', () => {
      const changed = (scene.flows as ChangingFlow[]).filter((flow) => flow.route_changes !== null);
      for (const { route_changes: list } of changed)
        expect(list!.map(({ since }) => since)).toEqual(list!.map(({ since }) => since).sort());
      const { status, stdout, stderr } = nstap([
        ...['flows', '--db', scene.db, '--route-changed'],
        ...['--format', 'json', '--sort', '+start'],
      ]);
      expect(status, stderr).toBe(0);
      const shown = JSON.parse(stdout) as ChangingFlow[];
      expect(shown.length).toBeGreaterThanOrEqual(4);
      expect(shown).toEqual(changed);
    });
  },
);
