import { type ChildProcess, type ExecFileSyncOptions, execFileSync, spawn } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { openNetns, withNetns } from '../../daemon/kernel/netns.ts';
import { hasProgram } from '../support/processes.ts';

/** Why the tests on the live kernel cannot run here, or null. @param tools programs that a test needs beside `ip` and `tcpdump` */
export function labMissing(...tools: string[]): string | null {
  if (process.getuid?.() !== 0) return 'needs root';
  const missing = ['ip', 'tcpdump', ...tools].filter((tool) => !hasProgram(tool));
  if (missing.length > 0) return `needs ${missing.join(' and ')}`;
  try {
    execFileSync('unshare', ['--net', 'true'], { stdio: 'ignore' });
  } catch {
    return 'needs the right to make network namespaces';
  }
  return null;
}

/** Runs a program and returns its standard output; throws with its standard error when it fails. */
export function run(command: string, ...args: string[]): string {
  const options: ExecFileSyncOptions = { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] };
  return execFileSync(command, args, options) as string;
}

/** Network namespaces of one test file: each has a name of its own, and all are deleted by `close`. */
export class Lab {
  readonly #prefix: string;
  readonly #names = new Set<string>();
  readonly #children = new Set<ChildProcess>();

  constructor(area: string) {
    this.#prefix = `nsd-${area}${process.pid}-`;
  }

  /** Makes a namespace (with lo up). @returns its name */
  add(label: string): string {
    const name = this.#prefix + label;
    run('ip', 'netns', 'add', name);
    this.#names.add(name);
    this.ip(name, 'link set lo up');
    return name;
  }

  /** Deletes a namespace and what was started in it. */
  remove(name: string): void {
    this.#names.delete(name);
    run('ip', 'netns', 'del', name);
  }

  /** `ip -n NAME …`, words split at spaces. */
  ip(name: string, words: string): string {
    return run('ip', '-n', name, ...words.split(' '));
  }

  /** A veth pair between two namespaces, both ends up, with IPv6 off so that nothing talks by itself. */
  veth(a: string, aDev: string, aAddr: string | null, b: string, bDev: string, bAddr: string | null): void {
    this.ip(a, `link add ${aDev} type veth peer name ${bDev} netns ${b}`);
    for (const [ns, dev, address] of [
      [a, aDev, aAddr],
      [b, bDev, bAddr],
    ] as const) {
      this.sysctl(ns, `net.ipv6.conf.${dev}.disable_ipv6=1`);
      if (address !== null) this.ip(ns, `addr add ${address} dev ${dev}`);
      this.ip(ns, `link set ${dev} up`);
    }
  }

  sysctl(name: string, setting: string): void {
    this.exec(name, 'sysctl', '-qw', setting);
  }

  /** Runs a program in the namespace. @returns its standard output */
  exec(name: string, ...command: string[]): string {
    return run('ip', 'netns', 'exec', name, ...command);
  }

  /** Starts a program in the namespace, without input; it is killed by `close` at the latest. */
  start(name: string, ...command: string[]): ChildProcess {
    const child = this.startWithInput(name, ...command);
    child.stdin!.end();
    return child;
  }

  /** Starts a program in the namespace; it is killed by `close` at the latest. */
  startWithInput(name: string, ...command: string[]): ChildProcess {
    const child = spawn('nsenter', [`--net=/run/netns/${name}`, ...command], { stdio: 'pipe' });
    this.#children.add(child);
    child.on('exit', () => this.#children.delete(child));
    return child;
  }

  /** Calls `fn` with this thread in the namespace; `fn` must be synchronous. */
  inside<T>(name: string, fn: () => T): T {
    using netns = openNetns(name);
    return withNetns(netns, fn);
  }

  /** Deletes all namespaces made so far, in the middle of a run. */
  removeAll(): void {
    for (const name of this.#names) this.remove(name);
  }

  /** Deletes everything. */
  close(): void {
    for (const child of this.#children) child.kill('SIGKILL');
    for (const name of this.#names) {
      this.#names.delete(name);
      try {
        run('ip', 'netns', 'del', name);
      } catch (error) {
        process.stderr.write(`lab: ${String(error)}\n`);
      }
    }
  }
}

/** Waits until `condition` holds, looking every few milliseconds; throws when it takes longer than `limitMs`. */
export async function until(what: string, condition: () => boolean, limitMs = 30_000): Promise<void> {
  const end = performance.now() + limitMs;
  while (!condition()) {
    if (performance.now() > end) throw new Error(`never happened: ${what}`);
    await sleep(5);
  }
}

/**
 * Waits until a tcpdump has read what the kernel has for it: at its end it reads no more of its ring, and on a busy machine that
 * may be a lot. SIGUSR1 has it say how many packets it captured, and how many it received.
 * @param dev  the interface: of lo it received each packet twice
 * @param said what it has written to stderr so far
 */
export async function hasReadAll(tcpdump: ChildProcess, dev: string, said: () => string): Promise<void> {
  const copies = dev === 'lo' ? 2 : 1;
  let before = '';
  for (let isSame = false; !isSame; ) {
    await sleep(100);
    const from = said().length;
    tcpdump.kill('SIGUSR1');
    let counts: RegExpExecArray | null = null;
    await until(`tcpdump counts: ${said()}`, () => {
      counts = /(\d+) packets? captured, (\d+) packets? received by filter/.exec(said().slice(from));
      return counts !== null || tcpdump.exitCode !== null;
    });
    if (counts === null) return;
    const [, captured, received] = counts as RegExpExecArray;
    isSame = Number(captured) * copies === Number(received) && captured === before;
    before = captured!;
  }
}

/** A tcpdump that is listening, and what it counted when stopped. */
export class Tcpdump {
  readonly #child: ChildProcess;
  readonly #dev: string;
  #stderr = '';
  #stdout = '';
  #exited = false;

  private constructor(child: ChildProcess, dev: string) {
    this.#child = child;
    this.#dev = dev;
    child.stderr?.on('data', (chunk) => {
      this.#stderr += chunk;
    });
    child.stdout?.on('data', (chunk) => {
      this.#stdout += chunk;
    });
    child.on('close', () => {
      this.#exited = true;
    });
  }

  /** Starts `tcpdump -i DEV -w FILE FILTER` in the namespace and waits until it listens. */
  static async start(
    lab: Lab,
    name: string,
    dev: string,
    file: string,
    ...filter: string[]
  ): Promise<Tcpdump> {
    const child = lab.start(
      name,
      'tcpdump',
      '-Z',
      'root',
      '-n',
      '-U',
      '--immediate-mode',
      '-B',
      '32768',
      '-i',
      dev,
      '-w',
      file,
      ...filter,
    );
    const dump = new Tcpdump(child, dev);
    await until(
      `tcpdump listens on ${dev}: ${dump.#stderr}`,
      () => dump.#stderr.includes('listening on') || dump.#exited,
    );
    if (dump.#exited) throw new Error(`tcpdump: ${dump.#stderr}`);
    return dump;
  }

  /** Stops it after what it has got was written. @returns the packets it captured */
  async stop(): Promise<number> {
    await hasReadAll(this.#child, this.#dev, () => this.#stderr);
    this.#child.kill('SIGINT');
    await until('tcpdump exits', () => this.#exited);
    if (!/^0 packets dropped by kernel/m.test(this.#stderr))
      throw new Error(`tcpdump dropped: ${this.#stderr}`);
    return Number(/^(\d+) packets? captured$/m.exec(this.#stderr)?.[1]);
  }
}
