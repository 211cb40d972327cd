import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { sibling } from '../../daemon/sibling.ts';

const MAIN = fileURLToPath(sibling('../main', import.meta.url));
/** uid and gid of "nobody"; the kernel's overflowuid. */
const NOBODY = 65534;
const START_MS = 15_000;

/** Runs this very program with other words, its output going where ours goes. @throws Error when it fails */
export function runNstap(words: string[]): void {
  const { status, error } = spawnSync(process.execPath, [MAIN, ...words], { stdio: 'inherit' });
  if (status !== 0) throw new Error(`nstap ${words[0]} ended with ${status}`, { cause: error });
}

/** `nstap daemon` as a child of the demo. */
export class DemoDaemon implements Disposable {
  readonly #child: ChildProcess;
  #log = '';

  /** @param words what to give to `nstap daemon` */
  constructor(words: string[]) {
    // In a checkout that only root may read (a clone in /root), the engine cannot be anybody else.
    const user = canRead(NOBODY) ? [] : ['--user', 'root'];
    this.#child = spawn(process.execPath, [MAIN, 'daemon', '--control', 'none', ...user, ...words], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    this.#child.stderr!.setEncoding('utf8').on('data', (text: string) => {
      this.#log += text;
    });
  }

  /** Its process number. */
  get pid(): number {
    return this.#child.pid!;
  }

  /** Waits until `captures` interfaces are open. @throws Error with the daemon's log when they are not */
  async capturing(captures: number): Promise<void> {
    const end = performance.now() + START_MS;
    while (this.#log.split('"capture-opened"').length - 1 < captures) {
      if (this.#child.exitCode !== null || performance.now() > end)
        throw new Error(`the daemon did not start:\n${this.#log}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  /** Lets it write every flow and end. @throws Error with its log when it fails */
  async stop(): Promise<void> {
    const exited = once(this.#child, 'exit');
    this.#child.kill('SIGTERM');
    const [status] = await exited;
    if (status !== 0) throw new Error(`the daemon ended with ${status}:\n${this.#log}`);
  }

  [Symbol.dispose](): void {
    if (this.#child.exitCode === null) this.#child.kill('SIGKILL');
  }
}

function canRead(uid: number): boolean {
  const probe = 'require("fs").accessSync(process.argv[1])';
  return (
    spawnSync(process.execPath, ['-e', probe, '--', MAIN], { uid, gid: uid, cwd: '/', stdio: 'ignore' })
      .status === 0
  );
}
