import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { join } from 'node:path';
import { labMissing, Tcpdump } from '../kernel/lab.ts';
import { ethernetFrame, sendFrames, sendUdp, udpPacket } from '../kernel/traffic.ts';
import { DaemonLab, Load, packetsOf, unaccounted } from './daemon-lab.ts';

const missing = labMissing();
const FILTER = 'udp port 4000';
const FLAPS = 100;
const RENAMES = 20;

describe.skipIf(missing !== null)(
  `interfaces that change while they are captured${missing ? ` (${missing})` : ''}`,
  () => {
    const lab = new DaemonLab('ifs');
    afterEach(() => lab.endDaemon());
    afterAll(() => lab.close());

    /** Two namespaces with a veth pair, v0 in both, 10.9.0.1 and 10.9.0.2. */
    function pair(label: string): [string, string] {
      const a = lab.add(`${label}a`);
      const b = lab.add(`${label}b`);
      lab.veth(a, 'v0', '10.9.0.1/24', b, 'v0', '10.9.0.2/24');
      return [a, b];
    }

    it('counts each packet that comes once an interface is up that was down at the start', async () => {
      const [a, b] = pair('down');
      lab.ip(a, 'link set v0 down');
      const { d } = lab.daemon({ netns: [a], interfaces: ['v0'], filter: FILTER });
      await d.captures(a, 'v0');
      lab.ip(a, 'link set v0 up');
      sendUdp(lab, a, '10.9.0.2', 4000, 100, 30);
      sendUdp(lab, b, '10.9.0.1', 4000, 100, 20);
      expect(await d.end()).toBe(0);
      expect(packetsOf(d.counted(), a, 'v0')).toBe(50);
      expect(d.counted().captures).toHaveLength(1);
      expect(unaccounted(d.counted())).toBe(0);
    });

    it('keeps one capture of an interface that flaps, with each packet of the times when it was up', async () => {
      const [a, b] = pair('flap');
      const { d } = lab.daemon({ netns: [a, b], interfaces: ['v0'], filter: FILTER });
      await d.captures(a, 'v0');
      await d.captures(b, 'v0');
      const frame = ethernetFrame(0x0800, udpPacket('10.9.0.1', '10.9.0.2', 4000, 4000, 100));
      for (let i = 0; i < FLAPS; i++) {
        sendFrames(lab, a, 'v0', [frame, frame, frame]);
        lab.ip(a, 'link set v0 down');
        lab.ip(a, 'link set v0 up');
      }
      expect(await d.end()).toBe(0);
      expect(packetsOf(d.counted(), a, 'v0')).toBe(3 * FLAPS);
      expect(packetsOf(d.counted(), b, 'v0')).toBe(3 * FLAPS);
      expect(d.counted().captures).toHaveLength(2);
      expect(unaccounted(d.counted())).toBe(0);
    }, 60_000);

    it('goes on under the new name of an interface that is renamed under load: nothing is lost, nothing counted twice', async () => {
      const [a, b] = pair('name');
      const { d } = lab.daemon({ netns: [a], interfaces: ['v*'], filter: FILTER });
      await d.captures(a, 'v0');
      const dump = await Tcpdump.start(lab, a, 'v0', join(lab.dir, 'name.pcap'), 'udp', 'port', '4000');
      const load = new Load(lab, b, '10.9.0.1');
      const names = Array.from({ length: RENAMES + 1 }, (_, i) => `v${i}`);
      for (let i = 1; i <= RENAMES; i++) {
        lab.ip(a, `link set v${i - 1} name v${i}`);
        await d.captures(a, `v${i}`);
      }
      const sent = await load.stop();
      const dumped = await dump.stop();
      expect(await d.end()).toBe(0);
      const counted = d.counted();
      expect(counted.captures.map(({ info }) => info.interface)).toEqual(names);
      expect(new Set(counted.captures.map(({ info }) => info.ifIndex)).size).toBe(1);
      expect([packetsOf(counted, a, ...names), dumped]).toEqual([sent, sent]);
      expect(unaccounted(counted)).toBe(0);
      expect(d.events('capture-failed')).toEqual([]);
    }, 60_000);

    it('ends the capture of an interface whose new name is left out, and begins it again with a name that is not', async () => {
      const [a, b] = pair('out');
      const { d } = lab.daemon({ netns: [a], interfaces: ['!x*', '!lo'], filter: FILTER });
      await d.captures(a, 'v0');
      sendUdp(lab, b, '10.9.0.1', 4000, 100, 10);
      await d.until('they are counted', () => d.capture(a, 'v0')?.packets === 10);
      lab.ip(a, 'link set v0 name x0');
      await d.until('it ends', () => d.capture(a, 'v0')?.ended === 'interface renamed to x0');
      sendUdp(lab, b, '10.9.0.1', 4000, 100, 10);
      lab.ip(a, 'link set x0 name y0');
      await d.captures(a, 'y0');
      sendUdp(lab, b, '10.9.0.1', 4000, 100, 5);
      expect(await d.end()).toBe(0);
      expect(d.counted().captures.map(({ info, packets }) => [info.interface, packets])).toEqual([
        ['v0', 10],
        ['y0', 5],
      ]);
      expect(unaccounted(d.counted())).toBe(0);
    });

    it('follows an interface into another namespace and back', async () => {
      const [a, b] = pair('move');
      const c = lab.add('movec');
      const { d } = lab.daemon({ netns: [a, c], interfaces: ['v0'], filter: FILTER });
      await d.captures(a, 'v0');
      const move = async (from: string, to: string): Promise<void> => {
        const before = d.counted().captures.length;
        lab.ip(from, `link set v0 netns ${to}`);
        // It is down after the move: what comes once it is up is captured.
        await d.until('its capture ends', () => d.capture(from, 'v0')?.ended === 'interface removed');
        await d.until('another begins', () => d.counted().captures.length === before + 1);
        lab.sysctl(to, 'net.ipv6.conf.v0.disable_ipv6=1');
        lab.ip(to, 'addr add 10.9.0.1/24 dev v0');
        lab.ip(to, 'link set v0 up');
      };
      sendUdp(lab, b, '10.9.0.1', 4000, 100, 10);
      await move(a, c);
      sendUdp(lab, b, '10.9.0.1', 4000, 100, 20);
      await move(c, a);
      sendUdp(lab, b, '10.9.0.1', 4000, 100, 30);
      expect(await d.end()).toBe(0);
      expect(d.counted().captures.map(({ info, packets }) => [info.netns, packets])).toEqual([
        [a, 10],
        [c, 20],
        [a, 30],
      ]);
      expect(unaccounted(d.counted())).toBe(0);
    });

    it('counts the last packets of an interface that is deleted, and captures its successor with the same name and number', async () => {
      const [a, b] = pair('del');
      const { d } = lab.daemon({ netns: [a], interfaces: ['v0'], filter: FILTER });
      await d.captures(a, 'v0');
      const { ifIndex } = d.capture(a, 'v0')!.info;
      sendUdp(lab, b, '10.9.0.1', 4000, 100, 40);
      lab.ip(a, 'link del v0');
      lab.ip(a, `link add v0 index ${ifIndex} type veth peer name v0 netns ${b}`);
      await d.until(
        'both are there',
        () => d.counted().captures.length === 2 && d.capture(a, 'v0')?.ended === null,
      );
      lab.ip(a, 'link set v0 up');
      lab.ip(b, 'link set v0 up');
      const frame = ethernetFrame(0x0800, udpPacket('10.9.0.1', '10.9.0.2', 4000, 4000, 100));
      sendFrames(lab, b, 'v0', [frame, frame]);
      expect(await d.end()).toBe(0);
      expect(d.counted().captures.map(({ info, packets }) => [info.ifIndex, packets])).toEqual([
        [ifIndex, 40],
        [ifIndex, 2],
      ]);
      expect(unaccounted(d.counted())).toBe(0);
    });
  },
);
