import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { stripVTControlCharacters } from 'node:util';
import { pathOf } from '../tables.ts';

/** How long one command may take. */
const LIMIT_MS = 120_000;
/** Ends what a command prints; no output has it. */
const END = '\x1e';

/** A command that cannot be run to its end, or must not end so. */
export class ShellError extends Error {}

/** What a command printed, on both streams as a terminal shows them, and how it ended. */
export interface Printed {
  lines: string[];
  status: number;
}

/**
 * A bash in a folder of its own, with `nstap`, `sudo` (which only runs its words) and what of the checkout the pages speak of.
 * Variables, directories and background jobs stay from command to command.
 */
export class Shell {
  readonly folder = mkdtempSync(join(tmpdir(), 'nstap-docs-'));
  /** What the command that runs has printed so far: its `$PRINTED`. */
  readonly #printed = join(this.folder, 'printed');
  readonly #bash: ChildProcessWithoutNullStreams;
  #unread = '';
  #wake: () => void = () => undefined;
  #ended = false;

  /** @param inWorld in namespaces of its own (world.sh), which needs root; else with a database in the folder, and no daemon */
  constructor(inWorld: boolean) {
    chmodSync(this.folder, 0o755); // the engine's user has to come through
    const work = join(this.folder, 'work');
    const bin = join(this.folder, 'bin');
    for (const each of [work, bin]) mkdirSync(each);
    for (const each of ['fixtures', 'docs']) symlinkSync(pathOf(each), join(work, each));
    program(join(bin, 'nstap'), `exec '${process.execPath}' '${pathOf('cli/nstap.js')}' "$@"`);
    program(join(bin, 'node'), `exec '${process.execPath}' "$@"`);
    program(join(bin, 'sudo'), 'exec "$@"');
    program(join(bin, 'seen'), seenProgram());
    const own = inWorld
      ? {}
      : { NSTAP_DB: join(work, 'flows.db'), NSTAP_CONTROL: 'none', XDG_STATE_HOME: this.folder };
    const world = ['--mount', '--net', '--uts', '--pid', '--fork', '--kill-child'];
    const bash = ['bash', '--norc', '--noprofile'];
    const command = inWorld ? ['unshare', ...world, pathOf('test/docs/examples/world.sh'), ...bash] : bash;
    this.#bash = spawn(command[0]!, command.slice(1), {
      cwd: work,
      env: {
        PATH: `${bin}${delimiter}${process.env.PATH}`,
        HOME: work,
        TMPDIR: this.folder,
        PRINTED: this.#printed,
        TZ: 'UTC',
        LC_ALL: 'C.UTF-8',
        COLUMNS: '140',
        NO_COLOR: '1',
        NSTAP_PAGER: 'cat',
        // A quarter of the CPU that a start of nstap takes: its sources are compiled once for all pages.
        NODE_COMPILE_CACHE: pathOf('node_modules/.cache/nstap-docs'),
        ...own,
      },
    });
    for (const stream of [this.#bash.stdout, this.#bash.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        this.#unread += text;
        writeFileSync(this.#printed, this.#unread);
        this.#wake();
      });
    }
    this.#bash.on('close', () => {
      this.#ended = true;
      this.#wake();
    });
    this.#bash.stdin.write('exec 2>&1; ended=0\n');
  }

  /**
   * Runs one command to its end, without input.
   * @param columns of a terminal that it gets; null: its output goes into a pipe
   * @throws ShellError when it takes too long or ends the shell
   */
  async run(command: string, columns: number | null = null): Promise<Printed> {
    const word = quoted(
      columns === null
        ? command
        : `COLUMNS= script -qec ${quoted(`stty cols ${columns} rows 50; ${command}`)} /dev/null`,
    );
    writeFileSync(this.#printed, '');
    // The status of the command before is there for `echo $?`.
    this.#bash.stdin.write(
      `{ (exit $ended); eval ${word}; } </dev/null; ended=$?; printf '${END}%d${END}' $ended\n`,
    );
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      this.#wake();
    }, LIMIT_MS);
    let found: RegExpExecArray | null = null;
    try {
      while (found === null) {
        found = new RegExp(`^([^]*?)${END}(\\d+)${END}`).exec(this.#unread);
        if (found !== null) break;
        if (late || this.#ended)
          throw new ShellError(
            `${command}: ${late ? 'takes too long' : 'ended the shell'}; it printed\n${this.#unread}`,
          );
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
    } finally {
      clearTimeout(timer);
    }
    this.#unread = this.#unread.slice(found[0].length);
    const text = stripVTControlCharacters(found[1]!).replaceAll(`${this.folder}/work/`, '').trimEnd();
    return {
      lines: text === '' ? [] : text.split('\n').map((line) => line.trimEnd()),
      status: Number(found[2]),
    };
  }

  /** Ends it, with what was started in its world, and removes the folder. */
  async close(): Promise<void> {
    this.#bash.stdin.end('kill $(jobs -p) 2>/dev/null; wait\n');
    const timer = setTimeout(() => this.#bash.kill('SIGKILL'), 10_000);
    while (!this.#ended)
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    clearTimeout(timer);
    rmSync(this.folder, { recursive: true, force: true });
  }
}

function program(path: string, text: string): void {
  writeFileSync(path, `#!/bin/sh\n${text}\n`, { mode: 0o755 });
}

/**
 * `seen N FILTER` ends as soon as N flows match, with all others as they are by then: a flow that is written at its checkpoint
 * may be in the middle of its connection.
 */
function seenProgram(): string {
  const write = `'${process.execPath}' '${pathOf('test/docs/examples/write-flows.ts')}'`;
  return `until ${write} && [ "$(nstap flows --limit 0 --format ndjson "$2" | wc -l)" -ge "$1" ]; do sleep 0.2; done`;
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
