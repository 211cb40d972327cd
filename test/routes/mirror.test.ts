import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { openNetlinkSocket } from '../../daemon/kernel/netlink-socket.ts';
import { openNetns } from '../../daemon/kernel/netns.ts';
import { RouteEngine } from '../../daemon/routes/engine.ts';
import { liveSnapshot } from '../../daemon/routes/live-snapshot.ts';
import { RouteMirror } from '../../daemon/routes/mirror.ts';
import { ROUTE_GROUPS } from '../../daemon/routes/notification.ts';
import type { RouteSnapshot } from '../../daemon/routes/snapshot.ts';
import { Lab, labMissing, until } from '../kernel/lab.ts';
import { decide } from './ask.ts';
import { ipBatch } from './ip-batch.ts';

const missing = labMissing();

describe.skipIf(missing !== null)(
  `the mirror of a namespace${missing === null ? '' : ` (${missing})`}`,
  () => {
    const lab = new Lab('mi');
    let name: string;
    const mirrors: RouteMirror[] = [];

    function mirror(): RouteMirror {
      const handle = openNetns(name);
      const made = new RouteMirror(
        openNetlinkSocket(handle, { groups: ROUTE_GROUPS, bufferLen: 4 << 20 }),
        name,
      );
      handle.close();
      mirrors.push(made);
      made.load();
      return made;
    }

    /** Order within a table says nothing, and neither does the time. */
    const essence = (snapshot: RouteSnapshot): unknown => ({
      ...snapshot,
      takenAt: null,
      routes: snapshot.routes.map((route) => JSON.stringify(route)).sort(),
      // Not in the messages that a mirror gets.
      sysctls: {
        ...snapshot.sysctls,
        acceptLocalAll: null,
        routeLocalnetAll: null,
        srcValidMarkAll: null,
        sendRedirectsAll: null,
      },
      groups: null,
    });
    const expectSame = (made: RouteMirror): void => {
      expect(essence(made.snapshot())).toEqual(essence(liveSnapshot(name)));
    };

    /** The kernel tells a new carrier up to a second later than `ip` returns: not in the middle of the next test. */
    const carrier = (dev: string): Promise<void> =>
      until(`${dev} has a carrier`, () => lab.ip(name, `link show ${dev}`).includes('state UP'));

    beforeAll(async () => {
      name = lab.add('t');
      lab.sysctl(name, 'net.ipv6.conf.all.disable_ipv6=1');
      lab.sysctl(name, 'net.ipv6.conf.default.disable_ipv6=1');
      ipBatch(
        name,
        [
          'link add d0 type veth peer name d1',
          'link set d0 up',
          'link set d1 up',
          'addr add 10.9.0.1/24 dev d0',
          'route add 10.1.0.0/16 via 10.9.0.2',
        ],
        false,
      );
      await carrier('d0');
      await carrier('d1');
    });
    afterEach(() => {
      for (const made of mirrors.splice(0)) made.close();
    });
    afterAll(() => lab.close());

    test('starts with what the kernel has', () => {
      const made = mirror();
      expect(made.snapshot().routes.length).toBeGreaterThan(4);
      expectSame(made);
      expect(made.drain()).toBe(false);
    });

    test('follows single routes without reading everything anew', () => {
      const made = mirror();
      lab.ip(name, 'route add 10.2.0.0/16 via 10.9.0.3');
      lab.ip(name, 'route add blackhole 10.3.0.0/16 table 100');
      expect(made.drain()).toBe(true);
      expectSame(made);
      lab.ip(name, 'route del 10.2.0.0/16');
      lab.ip(name, 'route del blackhole 10.3.0.0/16 table 100');
      expect(made.drain()).toBe(true);
      expectSame(made);
      expect(made.drain()).toBe(false);
      expect(made).toMatchObject({ applied: 4, reloads: 0, resyncs: 0 });
    });

    test('a decision changes with the route', () => {
      const made = mirror();
      const gateway = (): string | null =>
        decide(new RouteEngine(made.snapshot()), { src: '10.9.0.1', dst: '10.1.2.3' }).gateway;
      expect(gateway()).toBe('10.9.0.2');
      lab.ip(name, 'route replace 10.1.0.0/16 via 10.9.0.7');
      expect(made.drain()).toBe(true);
      expect(gateway()).toBe('10.9.0.7');
      expectSame(made);
      lab.ip(name, 'route replace 10.1.0.0/16 via 10.9.0.2');
    });

    test('routes that share a prefix are read anew, because a message does not tell their order', () => {
      const made = mirror();
      lab.ip(name, 'route append 10.1.0.0/16 via 10.9.0.4');
      lab.ip(name, 'route prepend 10.1.0.0/16 via 10.9.0.5');
      made.drain();
      const order = made
        .snapshot()
        .routes.filter(({ prefix }) => prefix === '10.1.0.0/16')
        .map((route) => route.nextHops[0]?.gateway);
      expect(order).toEqual(['10.9.0.5', '10.9.0.2', '10.9.0.4']);
      expect(made.reloads).toBe(1);
      lab.ip(name, 'route del 10.1.0.0/16 via 10.9.0.5');
      lab.ip(name, 'route del 10.1.0.0/16 via 10.9.0.4');
      made.drain();
      expectSame(made);
    });

    test.each([
      ['a rule', 'rule add pref 50 from 10.4.0.0/16 lookup 100', 'rule del pref 50'],
      ['an address', 'addr add 10.8.0.1/24 dev d1', 'addr del 10.8.0.1/24 dev d1'],
      ['a link', 'link add e0 type veth peer name e1', 'link del e0'],
    ])('follows %s', (_what, add, remove) => {
      const made = mirror();
      lab.ip(name, add);
      expect(made.drain()).toBe(true);
      expectSame(made);
      lab.ip(name, remove);
      expect(made.drain()).toBe(true);
      expectSame(made);
    });

    test('follows a setting', () => {
      const made = mirror();
      expect(made.snapshot().sysctls.forwarding4).toBe(false);
      lab.sysctl(name, 'net.ipv4.ip_forward=1');
      lab.sysctl(name, 'net.ipv4.conf.d0.rp_filter=1');
      expect(made.drain()).toBe(true);
      const { sysctls, links } = made.snapshot();
      expect(sysctls.forwarding4).toBe(true);
      const d0 = links.find((link) => link.name === 'd0')!.ifIndex;
      expect(sysctls.interfaces.find(({ ifIndex }) => ifIndex === d0)).toMatchObject({
        forwarding4: true,
        rpFilter: 1,
      });
      expectSame(made);
    });

    test('routes that the kernel drops without a word go too: a link that is set down takes its routes along', async () => {
      const made = mirror();
      expect(made.snapshot().routes.some(({ prefix }) => prefix === '10.1.0.0/16')).toBe(true);
      lab.ip(name, 'link set d0 down');
      expect(made.drain()).toBe(true);
      expect(made.snapshot().routes.some(({ prefix }) => prefix === '10.1.0.0/16')).toBe(false);
      expectSame(made);
      lab.ip(name, 'link set d0 up');
      lab.ip(name, 'route add 10.1.0.0/16 via 10.9.0.2');
      await carrier('d0');
      await carrier('d1');
      made.drain();
      expectSame(made);
    });

    test('an overrun of notifications is counted, and everything is read anew', () => {
      const made = mirror();
      // 4 MiB of socket buffer hold fewer messages than these: each costs some 800 octets of it.
      const many: string[] = [];
      for (let i = 0; i < 16_000; i++)
        many.push(`route add blackhole 172.${16 + (i >> 12)}.${(i >> 4) & 255}.${(i & 15) << 4}/28`);
      ipBatch(name, many, false);
      expect(made.drain()).toBe(true);
      expect(made.resyncs).toBeGreaterThan(0);
      expect(made.snapshot().routes.length).toBeGreaterThan(16_000);
      expectSame(made);
      ipBatch(
        name,
        many.map((line) => line.replace('add blackhole', 'del blackhole')),
        false,
      );
      made.drain();
      expectSame(made);
    });

    test('closing twice closes once', () => {
      const made = mirror();
      made.close();
      made.close();
      expect(() => made.load()).toThrow('EBADF');
    });
  },
);
