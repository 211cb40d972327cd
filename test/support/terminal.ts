import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { hasProgram } from './processes.ts';

/** How long a screen may take to show what is waited for. */
const LIMIT_MS = 30_000;
const PAUSE_MS = 20;

/** Tastes of whoever runs the tests, which must not decide how a screen looks. */
const TASTES = ['NO_COLOR', 'FORCE_COLOR', 'CI', 'PAGER', 'NSTAP_PAGER', 'LESS', 'LESSOPEN', 'COLORTERM'];

const ENDED = 'nstap-ended ';
/**
 * Runs a command, then makes how it ended the terminal's title and stays. Of a pane whose process ends at once, tmux 3.3 now and
 * then loses the status, or the output; a title comes behind all output. A trap is not handed down to the command.
 */
const KEEP_STATUS = `trap : INT QUIT; "$@"; printf '\\033]2;${ENDED}%s\\033\\\\' $?; exec sleep 2147483647`;

/** Why tests in a terminal cannot run here, or null. @param tools programs that a test needs beside `tmux` */
export function terminalMissing(...tools: string[]): string | null {
  const missing = ['tmux', ...tools].filter((tool) => !hasProgram(tool));
  return missing.length === 0 ? null : `needs ${missing.join(' and ')}`;
}

export interface TerminalOptions {
  width?: number;
  height?: number;
  /** Over the environment of this process, of which variables of taste (NO_COLOR, PAGER, …) are taken out. */
  env?: Readonly<Record<string, string>>;
  cwd?: string;
}

/**
 * A program in a terminal of its own: a pane of a tmux server that nobody else uses. Its screen stays after the program has
 * ended, until `close`.
 */
export class Terminal {
  readonly #folder = mkdtempSync(join(tmpdir(), 'nstap-terminal-'));
  readonly #socket = join(this.#folder, 'tmux');

  private constructor(command: readonly string[], options: TerminalOptions) {
    const { width = 80, height = 24, env = {}, cwd } = options;
    this.#tmux(
      ...['start-server', ';', 'set', '-g', 'status', 'off', ';'],
      ...['set', '-g', 'default-terminal', 'screen-256color', ';', 'set', '-g', 'escape-time', '0', ';'],
      ...['set', '-g', 'history-limit', '50000', ';'],
      ...['new-session', '-d', '-x', String(width), '-y', String(height)],
      ...(cwd === undefined ? [] : ['-c', cwd]),
      // Not by `new-session -e`, over which tmux has a TERM of its own.
      ...['--', 'sh', '-c', KEEP_STATUS, 'sh', 'env'],
      ...Object.entries(env).map(([name, value]) => `${name}=${value}`),
      ...command,
    );
  }

  /**
   * Starts a program in a terminal of 80 by 24, or as the options say.
   * @param command the program and its arguments; no shell reads them
   */
  static start(command: readonly string[], options: TerminalOptions = {}): Terminal {
    return new Terminal(command, options);
  }

  /** Types text as it is. */
  type(text: string): void {
    this.#tmux('send-keys', '-t', ':', '-l', '--', text);
  }

  /** Presses keys by their names in tmux(1): `Enter`, `C-c`, `Up`, `Escape`, `q`. */
  press(...keys: string[]): void {
    this.#tmux('send-keys', '-t', ':', '--', ...keys);
  }

  /** The lines of the screen as text, without blanks at their ends. */
  screen(): string[] {
    return lines(this.#capture());
  }

  /** As `screen`, with what has scrolled out of it above. */
  scrollback(): string[] {
    return lines(this.#capture('-S', '-'));
  }

  /** As `screen`, with the colours as escape sequences, in the form that tmux gives them. */
  coloredScreen(): string[] {
    return lines(this.#capture('-e'));
  }

  /** True while the terminal shows its second screen, as a program that fills it (less, vi) asks for. */
  get isAlternate(): boolean {
    return this.#ask('alternate_on') === '1';
  }

  /** False while a program hides the cursor. */
  get isCursorShown(): boolean {
    return this.#ask('cursor_flag') === '1';
  }

  resize(width: number, height: number): void {
    this.#tmux('resize-window', '-t', ':', '-x', String(width), '-y', String(height));
  }

  /** Waits until the screen shows this. @returns its lines @throws Error that has the screen, when it takes too long */
  async waitFor(what: string | RegExp): Promise<string[]> {
    return this.waitUntil(String(what), (screen) => {
      const text = screen.join('\n');
      return typeof what === 'string' ? text.includes(what) : what.test(text);
    });
  }

  /** As `waitFor`, until `condition` holds of the screen's lines. @param what for the error */
  async waitUntil(what: string, condition: (screen: string[]) => boolean): Promise<string[]> {
    const end = performance.now() + LIMIT_MS;
    for (;;) {
      const screen = this.screen();
      if (condition(screen)) return screen;
      if (performance.now() > end) throw new Error(`never seen: ${what}; the screen:\n${screen.join('\n')}`);
      await sleep(PAUSE_MS);
    }
  }

  /** Waits until the program has ended. @returns its exit status; 128 and the number of the signal that ended it */
  async waitForEnd(): Promise<number> {
    let title = '';
    await this.waitUntil('the end of the program', () => {
      title = this.#ask('pane_title');
      return title.startsWith(ENDED);
    });
    return Number(title.slice(ENDED.length));
  }

  /** Ends the program (SIGHUP, as a terminal that is closed) and removes the terminal. Idempotent. */
  close(): void {
    try {
      this.#tmux('kill-server');
    } catch {
      // Closed before.
    }
    rmSync(this.#folder, { recursive: true, force: true });
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #capture(...options: string[]): string {
    return this.#tmux('capture-pane', '-t', ':', '-p', ...options);
  }

  #ask(variable: string): string {
    return this.#tmux('display-message', '-t', ':', '-p', `#{${variable}}`).trim();
  }

  #tmux(...words: string[]): string {
    const env: NodeJS.ProcessEnv = { ...process.env, LC_ALL: 'C.UTF-8' };
    for (const name of ['TMUX', ...TASTES]) delete env[name];
    return execFileSync('tmux', ['-u', '-f', '/dev/null', '-S', this.#socket, ...words], {
      encoding: 'utf8',
      env,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
  }
}

/** @param text of a screen: with a line end after each line, and blank lines below what is written */
function lines(text: string): string[] {
  return text
    .trimEnd()
    .split('\n')
    .map((line) => line.trimEnd());
}
