import type { ChildProcess } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { constants } from 'node:os';
import { printable } from './format/printable.ts';

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT'] as const;
type Signal = (typeof SIGNALS)[number];

/** Statuses that shells have for a command that cannot be run. */
const NOT_FOUND = 127;
const NOT_EXECUTABLE = 126;

/**
 * Runs a command that has this process's terminal, and stays alive meanwhile whatever signal comes: the command gets it. From
 * its construction to `close` signals do not end this process.
 */
export class CommandRunner {
  #child: ChildProcess | null = null;
  #isRunning = false;
  #early: Signal | null = null;
  readonly #impatience = new AbortController();

  constructor() {
    for (const signal of SIGNALS) process.on(signal, this.#heard);
  }

  /** Aborted by a signal that comes when the command does not run. */
  get impatience(): AbortSignal {
    return this.#impatience.signal;
  }

  /**
   * Runs it, unless a signal has come already.
   * @param start starts it; what it throws is passed on
   * @returns its exit status; 128 and the number of the signal that ended it, as shells count
   */
  async run(start: () => ChildProcess): Promise<number> {
    if (this.#early !== null) return statusOf(null, this.#early);
    const child = start();
    this.#child = child;
    this.#isRunning = true;
    const { promise, resolve } = Promise.withResolvers<number>();
    child.on('exit', (code, signal) => resolve(statusOf(code, signal)));
    child.on('error', (error: NodeJS.ErrnoException) => {
      // Not started; a signal that could not be sent to one that runs is none of its failures.
      if (child.pid !== undefined) return;
      const reason = error.code === 'ENOENT' ? 'command not found' : error.message;
      process.stderr.write(`nstap: ${printable(error.path ?? 'the command')}: ${reason}\n`);
      resolve(error.code === 'ENOENT' ? NOT_FOUND : NOT_EXECUTABLE);
    });
    try {
      return await promise;
    } finally {
      this.#isRunning = false;
    }
  }

  /** Signals do again what they did before. Idempotent. */
  close(): void {
    for (const signal of SIGNALS) process.removeListener(signal, this.#heard);
  }

  readonly #heard = (signal: Signal): void => {
    if (!this.#isRunning) {
      this.#early ??= signal;
      this.#impatience.abort();
    } else if (signal === 'SIGTERM' || !isForeground()) this.#child?.kill(signal);
  };
}

function statusOf(code: number | null, signal: NodeJS.Signals | null): number {
  return code ?? 128 + (signal === null ? 0 : constants.signals[signal]);
}

/**
 * True when a terminal sends its signals (Ctrl-C) to this process and the command alike: both are of its foreground process
 * group. A second one from here could mean more than the first ("end at once"). proc_pid_stat(5): pgrp is field 5, tpgid 8.
 */
function isForeground(): boolean {
  const stat = readFileSync('/proc/self/stat', 'latin1');
  const [, , group, , , ofTerminal] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return group === ofTerminal;
}
