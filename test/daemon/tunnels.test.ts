import { chownSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { formatAddress } from '../../decoders/address.ts';
import { openForReading } from '../../storage/database.ts';
import { type FlowRow, queryFlows } from '../../storage/query.ts';
import { Lab, labMissing } from '../kernel/lab.ts';
import { sendUdp } from '../kernel/traffic.ts';
import { EVERYTHING } from '../storage/temp-db.ts';
import { TestDaemon } from './test-daemon.ts';

const missing = labMissing();
const NOBODY = 65534;
const DATAGRAMS = 3;
const OCTETS = 100;
/** Of the inner packet: IPv4, UDP. */
const IP_OCTETS = OCTETS + 28;
const ETHERNET = 14;

/** `ip link add` words by what the flows are to say; L and R stand for the ends of the underlay, L6 and R6 for its IPv6 ones. */
const KINDS = [
  {
    name: 'vxlan',
    link: 'type vxlan id 42 local L remote R dstport 4789',
    id: 42,
    outer: [4, 17],
    frame: ETHERNET,
  },
  {
    name: 'vxlan on 8472',
    link: 'type vxlan id 16777215 local L remote R dstport 8472',
    id: 16_777_215,
    outer: [4, 17],
    frame: ETHERNET,
  },
  { name: 'geneve', link: 'type geneve id 77 remote R', id: 77, outer: [4, 17], frame: ETHERNET },
  {
    name: 'gre',
    link: 'type gre local L remote R key 4294967295',
    id: 4_294_967_295,
    outer: [4, 47],
    frame: 0,
  },
  {
    name: 'gre with checksum and sequence',
    link: 'type gre local L remote R key 5 csum seq',
    id: 5,
    outer: [4, 47],
    frame: 0,
  },
  {
    name: 'gre (gretap)',
    link: 'type gretap local L remote R key 8',
    id: 8,
    outer: [4, 47],
    frame: ETHERNET,
  },
  { name: 'gre over IPv6', link: 'type ip6gre local L6 remote R6 key 9', id: 9, outer: [6, 47], frame: 0 },
  {
    name: 'erspan',
    link: 'type erspan local L remote R seq key 100 erspan_ver 1 erspan 123',
    id: 100,
    outer: [4, 47],
    frame: ETHERNET,
  },
  {
    name: 'erspan version 2',
    link: 'type erspan local L remote R seq key 101 erspan_ver 2 erspan_dir ingress erspan_hwid 7',
    id: 101,
    outer: [4, 47],
    frame: ETHERNET,
  },
  { name: 'ipip', link: 'type ipip local L remote R', id: null, outer: [4, 4], frame: 0 },
  { name: '4in6', link: 'type ip6tnl mode ipip6 local L6 remote R6', id: null, outer: [6, 4], frame: 0 },
] as const;

describe.skipIf(missing !== null)(
  `the daemon inside tunnels of the kernel${missing ? ` (${missing})` : ''}`,
  () => {
    const lab = new Lab('tun');
    const dir = mkdtempSync(join(tmpdir(), 'nsd-tun-'));
    const db = join(dir, 'flows.db');
    const lacking = new Set<string>();
    let flows: FlowRow[] = [];
    let daemon: TestDaemon | undefined;

    beforeAll(async () => {
      chownSync(dir, NOBODY, NOBODY);
      const ends = [lab.add('a'), lab.add('b')] as const;
      lab.veth(ends[0], 'v0', '10.9.0.1/24', ends[1], 'v0', '10.9.0.2/24');
      ends.forEach((ns, side) => {
        lab.sysctl(ns, 'net.ipv6.conf.v0.disable_ipv6=0');
        lab.ip(ns, `addr add fd09::${side + 1}/64 dev v0 nodad`);
        for (const [i, { name, link }] of KINDS.entries()) {
          const words = link
            .replace('L6', `fd09::${side + 1}`)
            .replace('R6', `fd09::${2 - side}`)
            .replace(/\bL\b/, `10.9.0.${side + 1}`)
            .replace(/\bR\b/, `10.9.0.${2 - side}`);
          try {
            lab.ip(ns, `link add t${i} ${words}`);
          } catch {
            lacking.add(name);
            continue;
          }
          lab.ip(ns, `addr add 172.16.${i}.${side + 1}/24 dev t${i}`);
          lab.ip(ns, `link set t${i} up`);
        }
      });
      daemon = new TestDaemon(db, { netns: [ends[0]], interfaces: ['v0'], tunnels: 'both' }, 'real');
      const d = daemon;
      await d.until(
        'it captures',
        () => d.events('capture-opened').length === 1 && d.events('ready').length === 1,
      );
      for (const [i, { name }] of KINDS.entries())
        if (!lacking.has(name)) sendUdp(lab, ends[0], `172.16.${i}.2`, 5000 + i, OCTETS, DATAGRAMS);
      expect(await d.end()).toBe(0);
      const reader = openForReading(db);
      flows = [...queryFlows(reader, EVERYTHING)];
      reader.close();
    }, 60_000);

    afterAll(async () => {
      if (daemon && daemon.code === undefined) await daemon.end('SIGKILL');
      lab.close();
      rmSync(dir, { recursive: true, force: true });
    });

    test.for([...KINDS.entries()])('%i %o', ([i, { name, id, outer, frame }], { skip }) => {
      skip(lacking.has(name), 'the kernel has no such device');
      const inner = flows.filter((flow) => flow.dstPort === 5000 + i && flow.proto === 17);
      expect(inner).toHaveLength(1);
      const [flow] = inner;
      expect(flow).toMatchObject({
        packetsFwd: DATAGRAMS,
        bytesFwd: DATAGRAMS * (frame + IP_OCTETS),
        ipBytesFwd: DATAGRAMS * IP_OCTETS,
        payloadBytesFwd: DATAGRAMS * OCTETS,
        tunnelType: name.split(' ')[0],
        tunnelId: id,
        routeFwd: {
          type: 'unknown',
          reason: 'inside a tunnel: where it was seen, the kernel routed the outer packet',
        },
      });
      expect(formatAddress(flow!.src, 0, 4)).toBe(`172.16.${i}.1`);
      const around = flows.find((each) => each.flowId === flow!.tunnelOuterFlowId);
      expect(around).toMatchObject({ ipVersion: outer[0], proto: outer[1], tunnelType: null });
      expect(around!.packetsFwd).toBeGreaterThanOrEqual(DATAGRAMS);
      expect(around!.routeFwd).toMatchObject({ type: 'unicast', dev: 'v0' });
    });

    test('every packet of the underlay is on one flow of the outermost header', () => {
      const reader = openForReading(db);
      const totals = reader
        .prepare(
          `SELECT packets - decoded_ipv4 - decoded_ipv6 - decoded_arp - decoded_other - undecoded AS lost,
                decoded_ipv4 + decoded_ipv6 AS ip, tunnelled, kernel_drops AS drops FROM captures`,
        )
        .get() as { ip: number; tunnelled: number };
      reader.close();
      expect(totals).toMatchObject({ lost: 0, drops: 0 });
      const outermost = flows.filter((flow) => flow.tunnelType === null);
      expect(outermost.reduce((n, flow) => n + flow.packetsFwd + flow.packetsRev, 0)).toBe(totals.ip);
      expect(totals.tunnelled).toBeGreaterThanOrEqual(DATAGRAMS * (KINDS.length - lacking.size));
    });
  },
);
