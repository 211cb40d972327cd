import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { close } from '../../daemon/kernel/libc.ts';
import { NetlinkSocket, openNetlinkSocket } from '../../daemon/kernel/netlink-socket.ts';
import { openNetns } from '../../daemon/kernel/netns.ts';
import { openMirrorFds } from '../../daemon/mirror/fds.ts';
import { openAllSettings, readAllSettings } from '../../daemon/routes/all-settings.ts';
import { RouteEngine } from '../../daemon/routes/engine.ts';
import { liveSnapshot } from '../../daemon/routes/live-snapshot.ts';
import { RouteMirror } from '../../daemon/routes/mirror.ts';
import { ROUTE_GROUPS } from '../../daemon/routes/notification.ts';
import type { RouteSnapshot } from '../../daemon/routes/snapshot.ts';
import { Lab, labMissing, until } from '../kernel/lab.ts';
import { decide } from './ask.ts';
import { ipBatch } from './ip-batch.ts';

const missing = labMissing();

/** A mirror, and an engine that gets its updates. */
class Followed {
  readonly mirror: RouteMirror;
  readonly engine: RouteEngine;

  constructor(mirror: RouteMirror) {
    this.mirror = mirror;
    mirror.load();
    const first = mirror.take()!;
    this.engine = new RouteEngine({ ...first.context!, routes: [] });
    this.engine.apply(first);
  }

  /** Takes in what was told. @returns when the first of it was, or null when it was nothing */
  follow(): number | null {
    this.mirror.drain();
    if (!this.mirror.hasChanged) return null;
    const update = this.mirror.take();
    if (update !== null) this.engine.apply(update);
    return update?.atMs ?? null;
  }
}

describe.skipIf(missing !== null)(`a mirror of the live kernel${missing ? ` (${missing})` : ''}`, () => {
  const lab = new Lab('ml');
  const mirrors: RouteMirror[] = [];
  let name: string;

  function follow(bufferLen?: number): Followed {
    using handle = openNetns(name);
    let mirror: RouteMirror;
    if (bufferLen === undefined) {
      const [fd, ...settings] = openMirrorFds(handle);
      mirror = new RouteMirror(new NetlinkSocket(fd!), name, settings);
    } else mirror = new RouteMirror(openNetlinkSocket(handle, { groups: ROUTE_GROUPS, bufferLen }), name);
    mirrors.push(mirror);
    return new Followed(mirror);
  }

  const essence = (snapshot: RouteSnapshot): unknown => {
    const { routes, sysctls, takenAt: _, ...rest } = snapshot;
    const { customLocalRoutes4: _c, mergedTables4: _m, customRules6: _r, ...settings } = sysctls;
    return { ...rest, routes: routes.map((route) => JSON.stringify(route)).sort(), settings };
  };
  /** The mirror, and the engine that follows it, are as what is read anew. */
  const expectSame = ({ mirror, engine }: Followed): void => {
    const fresh = liveSnapshot(name);
    expect(essence(mirror.snapshot())).toEqual(essence(fresh));
    const made = new RouteEngine(mirror.snapshot());
    expect(engine.size).toBe(made.size);
    for (const dst of [
      '10.1.0.1',
      '10.2.3.4',
      '10.9.0.7',
      '8.8.8.8',
      'fd01::1',
      'fd02::5',
      'fd09::7',
      'ff02::1',
    ])
      for (const type of ['Host', 'Outgoing'] as const) {
        const src = dst.includes(':') ? 'fd09::1' : '10.9.0.1';
        expect(decide(engine, { src, dst, type })).toEqual(decide(made, { src, dst, type }));
      }
  };

  beforeAll(async () => {
    name = lab.add('t');
    ipBatch(
      name,
      [
        'link add d0 type veth peer name d1',
        'link set d0 addrgenmode none',
        'link set d1 addrgenmode none',
        'link set d0 up',
        'link set d1 up',
        'addr add 10.9.0.1/24 dev d0',
        'addr add fd09::1/64 dev d0 nodad',
      ],
      false,
    );
    await until('d0 and d1 have a carrier', () => lab.ip(name, 'link').match(/state UP/g)?.length === 2);
  });
  afterEach(() => {
    for (const mirror of mirrors.splice(0)) mirror.close();
  });
  afterAll(() => lab.close());

  test.each([
    [
      'IPv4',
      [
        'route add 10.1.0.0/16 via 10.9.0.2',
        'route add 10.1.0.0/16 via 10.9.0.3 metric 5',
        'route replace 10.1.0.0/16 via 10.9.0.4',
        'route del 10.1.0.0/16 metric 5',
        'route del 10.1.0.0/16',
      ],
      0,
    ],
    [
      'IPv6',
      [
        '-6 route add fd01::/64 via fd09::2',
        '-6 route add fd01::/64 via fd09::3 metric 5',
        '-6 route replace fd01::/64 via fd09::4',
        '-6 route del fd01::/64 metric 5',
        '-6 route del fd01::/64',
      ],
      0,
    ],
    [
      'IPv4 with a TOS',
      [
        'route add 10.1.0.0/16 tos 0x10 via 10.9.0.2',
        'route add 10.1.0.0/16 via 10.9.0.3',
        'route del 10.1.0.0/16 tos 0x10',
        'route del 10.1.0.0/16',
      ],
      0,
    ],
    [
      'appended and prepended ones',
      [
        'route add 10.1.0.0/16 via 10.9.0.2',
        'route append 10.1.0.0/16 via 10.9.0.3',
        'route prepend 10.1.0.0/16 via 10.9.0.4',
        'route del 10.1.0.0/16',
        'route del 10.1.0.0/16',
        'route del 10.1.0.0/16',
      ],
      1,
    ],
    [
      'several next hops',
      [
        'route add 10.1.0.0/16 nexthop via 10.9.0.2 nexthop via 10.9.0.3',
        'route replace 10.1.0.0/16 nexthop via 10.9.0.2 nexthop via 10.9.0.4 weight 3',
        'route del 10.1.0.0/16',
      ],
      0,
    ],
    [
      'several IPv6 next hops, one after the other',
      [
        '-6 route add fd01::/64 nexthop via fd09::2 nexthop via fd09::3',
        '-6 route append fd01::/64 via fd09::4',
        '-6 route del fd01::/64 via fd09::2',
        '-6 route replace fd01::/64 via fd09::5',
        '-6 route del fd01::/64',
      ],
      1,
    ],
    [
      'next hop objects',
      [
        'nexthop add id 7 via 10.9.0.2 dev d0',
        'route add 10.1.0.0/16 nhid 7',
        'nexthop replace id 7 via 10.9.0.3 dev d0',
        'nexthop del id 7',
      ],
      1,
    ],
  ])('follows single changes: %s', (_what, commands, isReloaded) => {
    const followed = follow();
    for (const command of commands) {
      lab.ip(name, command);
      followed.follow();
      expectSame(followed);
    }
    if (isReloaded === 0) {
      expect(followed.mirror.reloads).toBe(0);
      expect(followed.mirror.applied).toBe(commands.length);
    } else expect(followed.mirror.reloads).toBeGreaterThan(0);
  });

  test('follows a link that is renamed, moved to another namespace, and deleted', () => {
    const other = lab.add('o');
    lab.ip(name, 'link add e0 type veth peer name e1');
    const followed = follow();
    ipBatch(
      name,
      [
        'link set e0 up',
        'link set e1 up',
        'addr add 10.8.0.1/24 dev e0',
        'route add 10.2.0.0/16 via 10.8.0.2',
      ],
      false,
    );
    followed.follow();
    expectSame(followed);
    const dev = (): string | null =>
      decide(followed.engine, { src: '10.9.0.1', dst: '10.2.3.4', type: 'Outgoing' }).dev;
    expect(dev()).toBe('e0');
    ipBatch(
      name,
      ['link set e0 down', 'link set e0 name f0', 'link set f0 up', 'route add 10.2.0.0/16 via 10.8.0.2'],
      false,
    );
    followed.follow();
    expect(dev()).toBe('f0');
    expectSame(followed);
    lab.ip(name, `link set f0 netns ${other}`);
    followed.follow();
    expect(dev()).toBe(null);
    expectSame(followed);
    lab.ip(name, 'link del e1');
    followed.follow();
    expectSame(followed);
  });

  test('a lifetime that is renewed makes nothing be read anew', () => {
    ipBatch(name, ['addr add 10.7.0.1/24 dev d1 valid_lft 1000 preferred_lft 1000'], false);
    lab.ip(name, 'addr add fd07::1/64 dev d1 valid_lft 1000 preferred_lft 1000 nodad noprefixroute');
    const followed = follow();
    for (let lifetime = 2000; lifetime < 2005; lifetime++) {
      lab.ip(name, `addr change 10.7.0.1/24 dev d1 valid_lft ${lifetime} preferred_lft ${lifetime}`);
      lab.ip(
        name,
        `addr change fd07::1/64 dev d1 valid_lft ${lifetime} preferred_lft ${lifetime} noprefixroute`,
      );
    }
    expect(followed.follow()).toBeNull();
    expect(followed.mirror.reloads).toBe(0);
    expectSame(followed);
    lab.ip(name, 'addr flush dev d1');
    followed.follow();
    expectSame(followed);
  });

  test('an update is of the time at which its first change was told', () => {
    const followed = follow();
    const before = Date.now();
    lab.ip(name, 'route add 10.1.0.0/16 via 10.9.0.2');
    followed.mirror.drain();
    const told = Date.now();
    lab.ip(name, 'route add 10.2.0.0/16 via 10.9.0.2');
    const atMs = followed.follow()!;
    expect(atMs).toBeGreaterThanOrEqual(before);
    expect(atMs).toBeLessThanOrEqual(told + 1);
    lab.ip(name, 'route del 10.1.0.0/16');
    lab.ip(name, 'route del 10.2.0.0/16');
    expect(followed.follow()).toBeGreaterThanOrEqual(told);
  });

  test('settings that nobody tells of are seen by who looks', () => {
    const followed = follow();
    const settings = (): unknown => {
      const { sysctls } = followed.mirror.snapshot();
      return [
        sysctls.acceptLocalAll,
        sysctls.routeLocalnetAll,
        sysctls.interfaces.map(({ acceptLocal }) => acceptLocal),
      ];
    };
    const before = settings();
    lab.sysctl(name, 'net.ipv4.conf.all.accept_local=1');
    lab.sysctl(name, 'net.ipv4.conf.all.route_localnet=1');
    lab.sysctl(name, 'net.ipv4.conf.d0.accept_local=1');
    followed.mirror.poll();
    expect(followed.follow()).not.toBeNull();
    expect(settings()).not.toEqual(before);
    expectSame(followed);
    for (const of of ['all.accept_local', 'all.route_localnet', 'd0.accept_local'])
      lab.sysctl(name, `net.ipv4.conf.${of}=0`);
    followed.mirror.poll();
    followed.follow();
    expect(settings()).toEqual(before);
    followed.mirror.poll();
    expect(followed.follow()).toBeNull();
    // Nothing else is asked of the kernel as long as they stay as they are.
    expect(followed.mirror.poll()).toBe(false);
    expect(followed.mirror.hasChanged).toBe(false);
  });

  test('notifications that are lost while a sample is asked, or settings are looked at, are made good', () => {
    for (const how of ['ask', 'poll'] as const) {
      const followed = follow(4096);
      const many: string[] = [];
      for (let i = 0; i < 200; i++) many.push(`route add blackhole 172.16.${i}.0/24`);
      ipBatch(name, many, false);
      if (how === 'ask') {
        followed.mirror.ask({ version: 4, dst: Uint8Array.of(10, 9, 0, 7) });
        expect(followed.mirror.hasChanged).toBe(true);
      } else followed.mirror.poll();
      followed.engine.apply(followed.mirror.take()!);
      expect(followed.mirror.resyncs).toBeGreaterThan(0);
      expect(followed.mirror.snapshot().routes.filter(({ type }) => type === 'blackhole')).toHaveLength(200);
      expect(followed.engine.size).toBe(new RouteEngine(followed.mirror.snapshot()).size);
      ipBatch(
        name,
        many.map((line) => line.replace('add', 'del')),
        false,
      );
    }
  });

  test('routes told while they are read are neither lost nor taken twice', async () => {
    const followed = follow();
    const many: string[] = [];
    for (let i = 0; i < 3000; i++)
      many.push(`route add 172.${16 + (i >> 8)}.${i & 255}.0/24 via 10.9.0.${2 + (i % 5)}`);
    for (let i = 0; i < 3000; i += 3) many.push(`route del 172.${16 + (i >> 8)}.${i & 255}.0/24`);
    const child = lab.startWithInput(name, 'ip', '-batch', '-');
    let isDone = false;
    child.on('exit', () => {
      isDone = true;
    });
    child.stdin!.end(`${many.join('\n')}\n`);
    let loads = 0;
    await until('all changes', () => {
      followed.mirror.load();
      loads++;
      followed.follow();
      return isDone;
    });
    followed.follow();
    expect(loads).toBeGreaterThan(1);
    expectSame(followed);
    expect(followed.mirror.snapshot().routes.filter(({ prefix }) => prefix.startsWith('172.'))).toHaveLength(
      2000,
    );
    lab.ip(name, 'route flush root 172.16.0.0/12');
    followed.follow();
    expectSame(followed);
  });

  test('that a route of type local was there is remembered when it is gone, also when it was read with the tables', () => {
    lab.ip(name, 'route add local 10.66.0.0/16 dev lo');
    const followed = follow();
    lab.ip(name, 'route del local 10.66.0.0/16 dev lo');
    lab.sysctl(name, 'net.ipv4.conf.d0.rp_filter=2');
    followed.follow();
    expect(followed.mirror.snapshot().sysctls.customLocalRoutes4).toBe(true);
    expect(followed.engine.hasCustomLocalRoutes).toBe(true);
    lab.sysctl(name, 'net.ipv4.conf.d0.rp_filter=0');
  });

  test('files of settings do not keep a namespace that is deleted, and say nothing more', async () => {
    const gone = lab.add('g');
    const peer = lab.add('p');
    lab.veth(gone, 'v0', null, peer, 'v0', null);
    let fds: number[];
    {
      using handle = openNetns(gone);
      fds = openAllSettings(handle);
    }
    expect(readAllSettings(fds).acceptLocalAll).toBe(false);
    lab.remove(gone);
    await until('its veth peer is gone', () => !lab.ip(peer, 'link show').includes('v0'));
    expect(fds.length).toBeGreaterThan(0);
    // Devices go first, then what is left.
    await until(
      'nothing is said',
      () => Object.values(readAllSettings(fds)).every((value) => value === null),
      5000,
    );
    for (const fd of fds) close(fd);
  });
});
