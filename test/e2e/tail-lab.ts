import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { DaemonOptions } from '../../daemon/config.ts';
import { DaemonLab } from '../daemon/daemon-lab.ts';
import type { TestDaemon } from '../daemon/test-daemon.ts';
import { until } from '../kernel/lab.ts';
import { MAIN } from '../support/nstap.ts';

/** A tail in a process of its own, and what it has said so far. */
export class TailProcess {
  readonly child: ChildProcess;
  stdout = '';
  stderr = '';
  status: number | null | undefined;
  readonly ended: Promise<this>;

  constructor(words: readonly string[]) {
    this.child = spawn(process.execPath, [MAIN, 'tail', ...words], { stdio: ['ignore', 'pipe', 'pipe'] });
    this.child.stdout!.setEncoding('utf8').on('data', (text: string) => {
      this.stdout += text;
    });
    this.child.stderr!.setEncoding('utf8').on('data', (text: string) => {
      this.stderr += text;
    });
    this.ended = once(this.child, 'close').then(([status]) => {
      this.status = status as number | null;
      return this;
    });
  }

  /** Waits for something on stderr. */
  async says(what: string): Promise<void> {
    await until(`"${what}" on stderr; it says: ${this.stderr}`, () => this.stderr.includes(what));
  }

  /** Waits until so many lines were printed. */
  async prints(lines: number): Promise<string[]> {
    const all = (): string[] => this.stdout.split('\n').slice(0, -1);
    await until(`${lines} lines`, () => all().length >= lines || this.status !== undefined);
    return all();
  }

  /** Ctrl-C, and the end. */
  async interrupt(): Promise<this> {
    this.child.kill('SIGINT');
    return this.ended;
  }

  /** A number of the summary: "shown", "matched", "skipped", "dropped". */
  count(what: string): number {
    const [, number] = new RegExp(`^([\\d,]+) packets? ${what}`, 'm').exec(this.stderr) ?? [];
    return Number(number?.replaceAll(',', ''));
  }
}

/** client (10.71.0.2) -- router -- server (10.72.0.2), the router with a blackhole for 10.79.0.0/16; and a daemon on all of it. */
export class TailLab extends DaemonLab {
  readonly client: string;
  readonly router: string;
  readonly server: string;
  control = '';
  d: TestDaemon | null = null;
  #isPlain = false;
  #started = 0;
  readonly #tails: TailProcess[] = [];

  constructor(area: string) {
    super(area);
    this.client = this.add('c');
    this.router = this.add('r');
    this.server = this.add('s');
    this.veth(this.client, 'v0', '10.71.0.2/24', this.router, 'c0', '10.71.0.1/24');
    this.veth(this.server, 'v0', '10.72.0.2/24', this.router, 's0', '10.72.0.1/24');
    this.ip(this.client, 'route add default via 10.71.0.1');
    this.ip(this.server, 'route add default via 10.72.0.1');
    this.ip(this.router, 'route add blackhole 10.79.0.0/16');
    this.sysctl(this.router, 'net.ipv4.ip_forward=1');
  }

  /** Starts a daemon, and waits until it captures: without options, one that is there already does. */
  async capture(options: Partial<DaemonOptions> | null = null, interfaces = 7): Promise<TestDaemon> {
    if (this.d !== null && this.d.code === undefined) {
      if (options === null && this.#isPlain) return this.d;
      await this.endDaemon();
    }
    this.#isPlain = options === null;
    this.control = join(this.dir, `c${this.#started++}.sock`);
    const netns = [this.client, this.router, this.server];
    const { d } = this.daemon({ netns, control: this.control, ...options }, 'real');
    await d.opened(interfaces);
    this.d = d;
    return d;
  }

  /** Starts a tail, and waits until it listens. */
  async tail(...words: string[]): Promise<TailProcess> {
    const tail = new TailProcess(['--control', this.control, ...words]);
    this.#tails.push(tail);
    await until('it listens', () => tail.stderr.includes('snapshot length') || tail.status !== undefined);
    return tail;
  }

  /** Ends what a failed test has left. */
  endTails(): void {
    for (const tail of this.#tails) if (tail.status === undefined) tail.child.kill('SIGKILL');
  }
}
