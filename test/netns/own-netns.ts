import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, readFileSync, readlinkSync, rmdirSync, writeFileSync } from 'node:fs';
import { until } from '../kernel/lab.ts';

/** A process in a network namespace of its own, without a name: as a container's. */
export class OwnNetns {
  readonly child: ChildProcess;
  readonly #gone: Promise<unknown>;

  private constructor(child: ChildProcess) {
    this.child = child;
    this.#gone = new Promise((resolve) => child.once('exit', resolve));
  }

  /** Starts `sleep` in a new namespace, or in that of another process. */
  static async start(sharedWith?: OwnNetns): Promise<OwnNetns> {
    const [command, args] =
      sharedWith === undefined
        ? ['unshare', ['--net', 'sleep', '600']]
        : ['nsenter', [`--net=/proc/${sharedWith.pid}/ns/net`, 'sleep', '600']];
    const started = new OwnNetns(spawn(command, args as string[], { stdio: 'ignore' }));
    await until('sleep runs', () => commOf(started.pid) === 'sleep');
    return started;
  }

  get pid(): number {
    return this.child.pid!;
  }

  /** Identity of the namespace, without the device: "4026532246". */
  get inode(): string {
    return readlinkSync(`/proc/${this.pid}/ns/net`).replace(/\D/g, '');
  }

  async stop(): Promise<void> {
    this.child.kill('SIGKILL');
    await this.#gone;
  }
}

function commOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/comm`, 'utf8').trim();
  } catch {
    return '';
  }
}

/** Folder of the cgroup v2 hierarchy where cgroups can be made, or why there is none. */
export function cgroupRoot(): { folder: string } | { missing: string } {
  const mount = readFileSync('/proc/mounts', 'utf8')
    .split('\n')
    .map((line) => line.split(' '))
    .find(([, , type]) => type === 'cgroup2');
  if (mount === undefined) return { missing: 'needs cgroup v2' };
  const folder = mount[1]!;
  const probe = `${folder}/nsd-probe${process.pid}`;
  try {
    mkdirSync(probe);
    rmdirSync(probe);
  } catch {
    return { missing: 'needs the right to make cgroups' };
  }
  return { folder };
}

/** A cgroup, named as a runtime names a container's. */
export class Cgroup {
  readonly #path: string;

  constructor(root: string, name: string) {
    this.#path = `${root}/${name}`;
    mkdirSync(this.#path);
  }

  add(pid: number): void {
    writeFileSync(`${this.#path}/cgroup.procs`, `${pid}`);
  }

  /** Its processes must have ended. */
  async close(): Promise<void> {
    await until('the cgroup is empty', () => readFileSync(`${this.#path}/cgroup.procs`, 'utf8') === '');
    rmdirSync(this.#path);
  }
}
