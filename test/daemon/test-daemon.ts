import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { DaemonOptions } from '../../daemon/config.ts';
import { until } from '../kernel/lab.ts';
import { MAIN } from '../support/nstap.ts';
import type { Counted } from './counting-thread.ts';

/** `real`: the daemon's own; `counting` counts packets instead of storing flows; `dying`: the daemon's own, see dying-engine.ts. */
export type TestEngine = 'counting' | 'dying' | 'real';

/** A daemon in a process of its own, with its log: by its options, or by the words of `nstap daemon`. */
export class TestDaemon {
  readonly child: ChildProcess;
  readonly #db: string;
  log = '';
  code: number | null | undefined;

  constructor(db: string, options: Partial<DaemonOptions> | readonly string[], engine: TestEngine = 'real') {
    this.#db = db;
    const script = fileURLToPath(new URL('./run-test-daemon.ts', import.meta.url));
    const words =
      'length' in options
        ? [MAIN, 'daemon', '--db', db, '--control', 'none', ...options]
        : [script, JSON.stringify({ db, ringMib: 2, ...options }), engine];
    this.child = spawn(process.execPath, words, { stdio: ['ignore', 'ignore', 'pipe'] });
    this.child.stderr!.on('data', (chunk) => {
      this.log += chunk;
    });
    this.child.on('close', (code) => {
      this.code = code;
    });
  }

  /** Events of the log, in order. */
  events(event: string): Record<string, unknown>[] {
    return this.log
      .split('\n')
      .filter((line) => line.startsWith('{'))
      .map((line) => JSON.parse(line) as Record<string, unknown>)
      .filter((entry) => entry.event === event);
  }

  /** What the counting engine has counted so far. */
  counted(): Counted {
    try {
      return JSON.parse(readFileSync(`${this.#db}.json`, 'utf8')) as Counted;
    } catch {
      // Not there yet, or half written.
      return { pid: 0, uid: -1, stopped: false, captures: [], routes: [] };
    }
  }

  /** The newest capture of an interface. */
  capture(netns: string, name: string): Counted['captures'][number] | undefined {
    return this.counted().captures.findLast((c) => c?.info.netns === netns && c.info.interface === name);
  }

  /** Waits, and shows the log when it was in vain. */
  async until(what: string, condition: () => boolean): Promise<void> {
    try {
      await until(what, () => condition() || this.code !== undefined);
    } catch (error) {
      throw new Error(`${what}; log:\n${this.log}`, { cause: error });
    }
    if (!condition()) throw new Error(`${what}: the daemon ended with ${this.code}; log:\n${this.log}`);
  }

  /** Waits until the counting engine captures the interface. */
  async captures(netns: string, name: string): Promise<void> {
    await this.until(`${name} in ${netns} is captured`, () => this.capture(netns, name)?.ended === null);
  }

  /** Waits until the daemon has opened so many interfaces and its database. */
  async opened(count: number): Promise<void> {
    await this.until(
      `${count} interfaces are captured`,
      () => this.events('capture-opened').length === count && this.events('ready').length === 1,
    );
  }

  /** Sends a signal and waits for the exit status. */
  async end(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | null> {
    this.child.kill(signal);
    await until('the daemon ends', () => this.code !== undefined);
    return this.code!;
  }
}
