import { type ChildProcess, spawn } from 'node:child_process';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { DaemonOptions } from './config.ts';
import type { EngineArgument } from './confine.ts';
import { type EngineCommand, type EngineReport, parseReport, REPORT_MAX } from './engine-messages.ts';
import type { EngineUser } from './engine-user.ts';
import { close } from './kernel/libc.ts';
import { openScmPair, ScmSocket } from './kernel/scm.ts';
import { parseListenAddress } from './options/listen-address.ts';

/** The child's descriptor of the SCM_RIGHTS socket. */
export const ENGINE_SCM_FD = 3;
/** How long to wait before offering a message again to an engine whose socket is full. */
const RETRY_MS = 10;

/** What an EngineProcess calls. */
export interface EngineProcessHooks {
  report(report: EngineReport): void;
  /** The engine sent what it must not; the process is killed, and `exit` follows. */
  misbehaved(error: Error): void;
  /** @param code exit status, or null when a signal ended it */
  exit(code: number | null, signal: string | null): void;
}

interface Queued {
  command: EngineCommand;
  fds: readonly number[];
  netnsId: string | null;
}

/**
 * The engine's process, seen from the supervisor. Commands go by SOCK_SEQPACKET with their descriptors; the child's
 * stdin is a doorbell (one octet: there is a command) and a lifeline (end of file: the supervisor is gone); its stdout
 * brings reports, its stderr is the log and goes straight through.
 */
export class EngineProcess {
  readonly #child: ChildProcess;
  readonly #scm: ScmSocket;
  readonly #hooks: EngineProcessHooks;
  readonly #queue: Queued[] = [];
  #retry: NodeJS.Timeout | null = null;
  #line = '';
  #exited = false;

  /**
   * Starts the engine. With the ring it is never root: the descriptors are all it needs. `--backend libpcap` opens its
   * devices in the process that reads them, so there the engine starts as root, becomes `user` at once, and keeps
   * CAP_NET_RAW and CAP_SYS_ADMIN in its capture thread (see engine.ts).
   * @param entry   engine.ts
   * @param options `backend`; `db`: the folder that it may write to; `metrics`: the port that it may listen on
   */
  constructor(
    entry: URL,
    user: EngineUser,
    { backend, db, metrics }: Pick<DaemonOptions, 'backend' | 'db' | 'metrics'>,
    hooks: EngineProcessHooks,
  ) {
    this.#hooks = hooks;
    const [ours, theirs] = openScmPair();
    this.#scm = new ScmSocket(ours);
    const isRoot = process.getuid?.() === 0;
    const { uid, gid } = user;
    const become = isRoot && backend === 'libpcap' ? { uid, gid } : null;
    const address = metrics === null ? null : parseListenAddress(metrics);
    const bindPorts = address === null ? [] : [address.port];
    const argument: EngineArgument = { backend, become, folder: dirname(db), bindPorts, isFenced: false };
    try {
      this.#child = spawn(process.execPath, [fileURLToPath(entry), JSON.stringify(argument)], {
        cwd: '/',
        // libuv clears the supplementary groups whenever it sets a user.
        ...(isRoot && backend === 'ring' ? { uid, gid } : {}),
        env: { PATH: process.env.PATH, TZ: process.env.TZ, LANG: process.env.LANG },
        stdio: ['pipe', 'pipe', 'inherit', theirs],
      });
    } finally {
      close(theirs);
    }
    this.#child.on('error', () => this.#end(null, 'spawn'));
    this.#child.on('exit', (code, signal) => this.#end(code, signal));
    // A write to an engine that has just died; its exit is what counts.
    this.#child.stdin?.on('error', () => {});
    this.#child.stdout?.setEncoding('utf8');
    this.#child.stdout?.on('data', (text: string) => this.#read(text));
  }

  /** Process id; undefined when it could not be started. */
  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** Commands that wait for the engine. */
  get queued(): number {
    return this.#queue.length;
  }

  /**
   * Sends a command, or queues it when the engine is behind.
   * @param fds     go along and are closed here in any case
   * @param netnsId of the namespace that the descriptors keep alive
   */
  send(command: EngineCommand, fds: readonly number[], netnsId: string | null): void {
    if (this.#exited) {
      for (const fd of fds) close(fd);
      return;
    }
    this.#queue.push({ command, fds, netnsId });
    this.#flush();
  }

  /** Drops queued commands that hold a namespace which is to be let go. */
  dropNetns(netnsId: string): void {
    for (const item of this.#queue.splice(0)) {
      if (item.netnsId !== netnsId) this.#queue.push(item);
      else for (const fd of item.fds) close(fd);
    }
  }

  /** Asks the engine to write everything and exit; the end of its stdin says the same, should the command be lost. */
  shutdown(): void {
    this.send({ type: 'shutdown' }, [], null);
    this.#child.stdin?.end();
  }

  /** Ends it at once. */
  kill(): void {
    this.#child.kill('SIGKILL');
  }

  #flush(): void {
    if (this.#retry !== null) return;
    for (let item = this.#queue[0]; item !== undefined; item = this.#queue[0]) {
      const result = this.#scm.send(item.command, item.fds);
      if (result === 'full') {
        this.#retry = setTimeout(() => {
          this.#retry = null;
          this.#flush();
        }, RETRY_MS);
        return;
      }
      this.#queue.shift();
      for (const fd of item.fds) close(fd);
      if (result === 'sent' && this.#child.stdin?.writable) this.#child.stdin.write('.');
    }
  }

  #read(text: string): void {
    const lines = (this.#line + text).split('\n');
    this.#line = lines.pop() ?? '';
    try {
      if (this.#line.length > REPORT_MAX) throw new Error('engine report without an end');
      for (const line of lines) this.#hooks.report(parseReport(line));
    } catch (error) {
      this.#line = '';
      this.#child.stdout?.destroy();
      this.kill();
      this.#hooks.misbehaved(error as Error);
    }
  }

  #end(code: number | null, signal: string | null): void {
    if (this.#exited) return;
    this.#exited = true;
    if (this.#retry !== null) clearTimeout(this.#retry);
    for (const { fds } of this.#queue.splice(0)) for (const fd of fds) close(fd);
    this.#scm.close();
    this.#hooks.exit(code, signal);
  }
}
