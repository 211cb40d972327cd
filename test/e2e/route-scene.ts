import { chownSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'vitest';
import type { RouteDecision } from '../../storage/route-decision.ts';
import type { DaemonOptions } from '../../daemon/config.ts';
import { TestDaemon } from '../daemon/test-daemon.ts';
import { Lab, Tcpdump } from '../kernel/lab.ts';
import { UdpSocket, ethernetFrame, sendFrames, udpPacket } from '../kernel/traffic.ts';
import { withDb } from '../storage/temp-db.ts';
import { nstap } from '../support/nstap.ts';
import type { KernelRoute } from './kernel-route.ts';

/** What the tests read of a flow as `nstap flows --format json` prints it. */
export interface CliFlow {
  netns: string;
  interface: string;
  protocol: string;
  src: string;
  src_port: number | null;
  dst: string;
  dst_port: number | null;
  start: string;
  packets_fwd: number;
  packets_rev: number;
  conn_state: string;
  route_fwd: RouteDecision | null;
  route_rev: RouteDecision | null;
}

/** What of a decision no route of the kernel says. */
export type Judgement = Partial<RouteDecision> & Pick<RouteDecision, 'verdict' | 'stage'>;

/** One thing to send, and what must then be in the database. */
export interface SceneCase {
  /** A sentence. */
  name: string;
  send: () => void | Promise<void>;
  check: () => void;
}

const NOBODY = 65534;

/**
 * A lab of namespaces with the real daemon in it: build namespaces, `capture`, send, `finish`, and read the flows as
 * `nstap flows` prints them. The namespaces stay until `close`, for questions to the kernel.
 */
export class RouteScene {
  readonly lab: Lab;
  flows: CliFlow[] = [];
  #dir: string | null = null;
  readonly #sockets: UdpSocket[] = [];
  #daemon: TestDaemon | null = null;
  #tcpdump: { netns: string; dev: string; dump: Tcpdump } | null = null;

  constructor(area: string) {
    this.lab = new Lab(area);
  }

  /** The daemon's database. */
  get db(): string {
    return join(this.#dir!, 'flows.db');
  }

  /** Makes a namespace without reverse path filter, whose ICMP errors are not limited. */
  add(label: string): string {
    const name = this.lab.add(label);
    for (const setting of [
      'net.ipv4.conf.all.rp_filter=0',
      'net.ipv4.conf.default.rp_filter=0',
      'net.ipv4.icmp_ratelimit=0',
      'net.ipv6.icmp.ratelimit=0',
    ])
      this.lab.sysctl(name, setting);
    return name;
  }

  /** Gives an interface an IPv6 address that is there at once; it asks for no router. */
  addIpv6(netns: string, dev: string, address: string): void {
    for (const setting of ['accept_dad=0', 'router_solicitations=0', 'disable_ipv6=0'])
      this.lab.sysctl(netns, `net.ipv6.conf.${dev}.${setting}`);
    this.lab.ip(netns, `addr add ${address}/64 dev ${dev} nodad`);
  }

  /** A socket that is closed at the end. */
  socket(netns: string, version: 4 | 6, binding: ConstructorParameters<typeof UdpSocket>[3] = {}): UdpSocket {
    const made = new UdpSocket(this.lab, netns, version, binding);
    this.#sockets.push(made);
    return made;
  }

  /** Hardware address of an interface. */
  mac(netns: string, dev: string): Buffer {
    const [link] = JSON.parse(this.lab.ip(netns, `-j link show dev ${dev}`)) as { address: string }[];
    return Buffer.from(link!.address.replaceAll(':', ''), 'hex');
  }

  /** Sends one IPv4 UDP packet with any addresses out of an interface, to a hardware address. */
  spoof(netns: string, dev: string, mac: Uint8Array, src: string, dst: string, dport: number): void {
    const frame = ethernetFrame(0x0800, udpPacket(src, dst, 9000, dport, 16));
    frame.set(mac, 0);
    sendFrames(this.lab, netns, dev, [frame]);
  }

  /**
   * Starts the daemon in these namespaces, and waits until it captures.
   * @param interfaces how many there are to be; every one by default
   */
  async capture(
    netns: string[],
    options: Partial<DaemonOptions> = {},
    interfaces?: number,
  ): Promise<TestDaemon> {
    this.#dir = mkdtempSync(join(tmpdir(), 'nsd-scene-'));
    chownSync(this.#dir, NOBODY, NOBODY);
    const count =
      interfaces ?? netns.flatMap((name) => JSON.parse(this.lab.ip(name, '-j link show')) as object[]).length;
    const daemon = new TestDaemon(this.db, { netns, ...options }, 'real');
    this.#daemon = daemon;
    await daemon.until(
      'all is captured',
      () => daemon.events('capture-opened').length === count && daemon.events('ready').length === 1,
    );
    return daemon;
  }

  /** Lets tcpdump count the TCP and UDP packets of an interface too; the kernel sends others by itself, at any time. */
  async countWithTcpdump(netns: string, dev: string): Promise<void> {
    const file = join(this.#dir!, 'tcpdump.pcap');
    this.#tcpdump = { netns, dev, dump: await Tcpdump.start(this.lab, netns, dev, file, 'tcp or udp') };
  }

  /** Ends the daemon, checks that no packet is unaccounted for, and reads the flows. */
  async finish(): Promise<void> {
    const counted = await this.#tcpdump?.dump.stop();
    expect(await this.#daemon!.end()).toBe(0);
    const { status, stdout, stderr } = nstap([
      'flows',
      '--db',
      this.db,
      '--format',
      'json',
      '--sort',
      '+start',
    ]);
    expect(status, stderr).toBe(0);
    this.flows = JSON.parse(stdout) as CliFlow[];
    const captures = withDb(this.db, (db) =>
      db
        .prepare<[], Record<string, number> & { netns: string; interface: string }>(
          `SELECT netns, interface, ended, kernel_drops AS drops, shed_records + evicted_flows AS lost,
                  decoded_ipv4 + decoded_ipv6 AS ip,
                  packets - decoded_ipv4 - decoded_ipv6 - decoded_arp - decoded_other - undecoded AS unaccounted
           FROM captures`,
        )
        .all(),
    );
    expect(captures.length).toBeGreaterThan(0);
    for (const { netns, interface: dev, ip, ...rest } of captures) {
      const where = `${netns} ${dev}`;
      expect(rest, where).toEqual({ ended: 1, drops: 0, lost: 0, unaccounted: 0 });
      const here = this.flows.filter((flow) => flow.netns === netns && flow.interface === dev);
      expect(packetsOf(here), where).toBe(ip);
      if (this.#tcpdump?.netns !== netns || this.#tcpdump.dev !== dev) continue;
      const transport = here.filter(({ protocol }) => protocol === 'tcp' || protocol === 'udp');
      expect(packetsOf(transport), `${where}: tcpdump`).toBe(counted);
    }
    if (this.#tcpdump !== null) expect(counted).toBeGreaterThan(0);
  }

  /** The one flow with these values. */
  flow(want: Partial<CliFlow>): CliFlow {
    const found = this.find(want);
    expect(found, JSON.stringify(want)).toHaveLength(1);
    return found[0]!;
  }

  /** The flows with these values. */
  find(want: Partial<CliFlow>): CliFlow[] {
    return this.flows.filter((flow) =>
      Object.entries(want).every(([key, value]) => flow[key as keyof CliFlow] === value),
    );
  }

  /** Ends and deletes everything. */
  async close(): Promise<void> {
    for (const socket of this.#sockets.splice(0)) socket.close();
    if (this.#daemon !== null && this.#daemon.code === undefined) await this.#daemon.end('SIGKILL');
    this.lab.close();
    if (this.#dir !== null) rmSync(this.#dir, { recursive: true, force: true });
  }
}

function packetsOf(flows: readonly CliFlow[]): number {
  return flows.reduce((n, flow) => n + flow.packets_fwd + flow.packets_rev, 0);
}

/**
 * The whole decision that is expected: what the kernel says of the route, and the rest. Unless `judgement` says
 * otherwise it is exact, without a reason, and with nothing to compare the device with.
 * @param route null for a packet that no route is part of the decision for
 */
export function decision(
  route: KernelRoute | null,
  judgement: Judgement,
): Record<keyof RouteDecision, unknown> {
  const none = { table: null, prefix: null, gateway: null, dev: null, scope: null, protocol: null };
  return {
    type: 'unicast',
    rule: null,
    ...none,
    metric: null,
    prefsrc: null,
    text: null,
    observed: 'n/a',
    confidence: 'exact',
    reason: null,
    ...route,
    ...judgement,
  };
}
