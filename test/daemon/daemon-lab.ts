import { chownSync, mkdirSync, mkdtempSync, readdirSync, readlinkSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { DaemonOptions } from '../../daemon/config.ts';
import { Lab } from '../kernel/lab.ts';
import { UdpSocket } from '../kernel/traffic.ts';
import type { Counted } from './counting-thread.ts';
import { TestDaemon, type TestEngine } from './test-daemon.ts';

const NOBODY = 65534;

/** Namespaces and daemons of one test file, each daemon with a folder that its engine's user owns. */
export class DaemonLab extends Lab {
  readonly dir: string;
  #count = 0;
  #daemon: TestDaemon | null = null;

  constructor(area: string) {
    super(area);
    this.dir = mkdtempSync(join(tmpdir(), `nsd-${area}-`));
    chownSync(this.dir, NOBODY, NOBODY);
  }

  /** Starts a daemon; one at a time. @returns it, and the path of its database */
  daemon(options: Partial<DaemonOptions>, engine: TestEngine = 'counting'): { d: TestDaemon; db: string } {
    const own = join(this.dir, `d${this.#count++}`);
    mkdirSync(own);
    chownSync(own, NOBODY, NOBODY);
    const db = join(own, 'flows.db');
    const d = new TestDaemon(db, options, engine);
    this.#daemon = d;
    return { d, db };
  }

  /** Ends a daemon that a failed test has left. */
  async endDaemon(): Promise<void> {
    if (this.#daemon !== null && this.#daemon.code === undefined) await this.#daemon.end('SIGKILL');
    this.#daemon = null;
  }

  override close(): void {
    super.close();
    rmSync(this.dir, { recursive: true, force: true });
  }
}

/**
 * The law, of a counting daemon that has ended: whatever the kernel gave to a socket was delivered, left out as a
 * duplicate of lo, or dropped and counted. Renamed captures share a socket, so that the sums are compared.
 */
export function unaccounted({ captures }: Counted): number {
  let received = 0;
  let accounted = 0;
  for (const capture of captures) {
    received += capture.received;
    accounted += capture.packets + capture.duplicates + capture.drops;
  }
  return received - accounted;
}

/** Packets of all captures whose interface is one of these. */
export function packetsOf({ captures }: Counted, netns: string, ...names: string[]): number {
  return captures
    .filter(({ info }) => info.netns === netns && names.includes(info.interface!))
    .reduce((sum, { packets }) => sum + packets, 0);
}

/** Datagrams to 10.9.0.x port 4000, sent a few at a time until it is stopped. */
export class Load {
  sent = 0;
  #stopped = false;
  readonly #done: Promise<void>;

  /** @param mayFail the way is to go away meanwhile: a send that fails ends the load */
  constructor(lab: Lab, netns: string, host: string, mayFail = false) {
    this.#done = this.#run(new UdpSocket(lab, netns, 4), host, mayFail);
  }

  async stop(): Promise<number> {
    this.#stopped = true;
    await this.#done;
    return this.sent;
  }

  async #run(udp: UdpSocket, host: string, mayFail: boolean): Promise<void> {
    try {
      while (!this.#stopped) {
        for (let i = 0; i < 20; i++, this.sent++) udp.send(host, 4000, 100);
        await sleep(1);
      }
    } catch (error) {
      if (!mayFail) throw error;
    } finally {
      udp.close();
    }
  }
}

/** What the descriptors of a process are, in order. */
export function openFiles(pid: number): string[] {
  return readdirSync(`/proc/${pid}/fd`).flatMap((fd) => {
    try {
      return [readlinkSync(`/proc/${pid}/fd/${fd}`)];
    } catch {
      return []; // closed meanwhile
    }
  });
}
