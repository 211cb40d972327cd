import { execFileSync } from 'node:child_process';
import { until } from '../kernel/lab.ts';
import { ethernetFrame, sendFrames, udpPacket } from '../kernel/traffic.ts';
import { childrenOf, residentKib } from '../support/processes.ts';
import { type DaemonLab, openFiles } from './daemon-lab.ts';
import type { TestDaemon } from './test-daemon.ts';

/** Packets to each interface while it is there. */
export const PACKETS_EACH = 3;
const FRAME = ethernetFrame(0x0800, udpPacket('10.9.0.1', '10.9.0.2', 4000, 4000, 100));

/** What the supervisor and the engine hold. */
export interface Held {
  supervisorFds: number;
  supervisorMib: number;
  engineFds: number;
  engineMib: number;
}

export function held(d: TestDaemon): Held {
  const supervisor = d.child.pid!;
  const [engine] = childrenOf(supervisor);
  return {
    supervisorFds: openFiles(supervisor).length,
    supervisorMib: Math.round(residentKib(supervisor) / 1024),
    engineFds: openFiles(engine!).length,
    engineMib: Math.round(residentKib(engine!) / 1024),
  };
}

/** Many commands of ip(8) in one process. */
function ipBatch(lines: readonly string[], netns?: string): void {
  const words = [...(netns === undefined ? [] : ['-n', netns]), '-batch', '-'];
  execFileSync('ip', words, { input: `${lines.join('\n')}\n`, stdio: ['pipe', 'ignore', 'pipe'] });
}

/** Namespaces with a veth end each, made and deleted together; the other ends are in a namespace that stays. */
export class Churn {
  readonly #lab: DaemonLab;
  readonly #prefix: string;
  readonly #hub: string;
  #made = 0;
  readonly #others: number;

  /** @param others captures that the daemon has beside those */
  constructor(lab: DaemonLab, others: number) {
    this.#lab = lab;
    this.#others = others;
    this.#hub = lab.add('hub');
    this.#prefix = `${this.#hub}-x`;
  }

  /** Selector of the namespaces. */
  get pattern(): string {
    return `${this.#prefix}*`;
  }

  /**
   * One round: `count` namespaces come, each gets PACKETS_EACH packets once it is captured, and they are deleted.
   * @returns milliseconds from their deletion until the kernel has freed them all
   */
  async round(d: TestDaemon, count: number): Promise<number> {
    const numbers = Array.from({ length: count }, () => this.#made++);
    try {
      ipBatch(numbers.map((i) => `netns add ${this.#prefix}${i}`));
      ipBatch(
        numbers.flatMap((i) => [
          `link add p${i} type veth peer name v0 netns ${this.#prefix}${i}`,
          `link set p${i} up`,
        ]),
        this.#hub,
      );
      for (const i of numbers) ipBatch(['link set v0 up'], `${this.#prefix}${i}`);
      await d.until(
        'all are captured',
        () => d.events('capture-opened').length === this.#others + this.#made,
      );
      for (const i of numbers) sendFrames(this.#lab, this.#hub, `p${i}`, Array(PACKETS_EACH).fill(FRAME));
    } finally {
      ipBatch(numbers.map((i) => `netns del ${this.#prefix}${i}`));
    }
    const startMs = performance.now();
    await until('their veth peers disappear', () => !this.#lab.ip(this.#hub, '-o link').includes(': p'));
    return performance.now() - startMs;
  }

  /** Takes an interface down and up again, with PACKETS_EACH packets while it is up. @param dev in the namespace `netns` */
  flap(netns: string, dev: string, times: number): void {
    for (let i = 0; i < times; i++) {
      sendFrames(this.#lab, netns, dev, Array(PACKETS_EACH).fill(FRAME));
      ipBatch([`link set ${dev} down`, `link set ${dev} up`], netns);
    }
  }
}

/** Sums over the captures of a daemon that has ended. */
export interface Totals {
  captures: number;
  packets: number;
  accounted: number;
  drops: number;
}

/** SQL for Totals of the captures whose namespace the pattern matches. */
export const TOTALS = `SELECT count(*) AS captures, sum(packets) AS packets, sum(kernel_drops) AS drops,
    sum(decoded_ipv4 + decoded_ipv6 + decoded_arp + decoded_other + undecoded) AS accounted
  FROM captures WHERE netns GLOB ?`;
