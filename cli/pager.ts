import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { constants } from 'node:os';
import { textWidth } from './format/text-width.ts';
import { printable } from './format/printable.ts';
import { ENDING_SIGNALS } from './interruptible.ts';
import { terminalSize, type Write, writeLines } from './output.ts';
import { mayPage } from './terminal-options.ts';

const DEFAULT = 'less';
/** As git has it: end at once where all fits, colours, and leave the text on the screen. Only where LESS is not set. */
const LESS = 'FRX';
/** Characters for which a shell is needed: those of git (run-command.c, prepare_shell_cmd) but for blanks. */
const SHELL_SIGNS = /[|&;<>()$`\\"'\n*?[#~=%]/;
/** Statuses that a shell has for a command that cannot be run. */
const NOT_RUN = [126, 127];

/**
 * Writes lines to stdout; on a terminal that they do not fit into, through a pager, as git does: `$NSTAP_PAGER`, else `$PAGER`,
 * else less (`cat` or nothing: none). Lines are made as the pager takes them. Who quits it ends the work, and that is no error.
 * Ctrl-C ends the work too, but the pager stays until it is quit; the exit status is then 130.
 * @param lines with their line ends
 * @throws what the lines throw, when the pager has ended; Error for a pager that a shell could not run
 */
export async function pageLines(lines: Iterable<string>): Promise<void> {
  const size = terminalSize();
  const command = pagerCommand(process.env);
  if (size === null || !mayPage() || command === null) return writeLines(lines);
  const rest = lines[Symbol.iterator]();
  const screen: string[] = [];
  // One line is left for the prompt of the shell.
  for (let height = 0; height < size.rows; ) {
    const next = rest.next();
    if (next.done) return writeLines(screen);
    screen.push(next.value);
    height += linesOf(next.value, size.columns);
  }
  const all = joined(screen, rest);
  const pager = await start(command);
  if (pager === null) return writeLines(all);
  await writeInto(pager, command, all);
}

/** The pager's command line; null: none is wanted. @param env the environment */
export function pagerCommand(env: NodeJS.ProcessEnv): string | null {
  const command = (env.NSTAP_PAGER ?? env.PAGER ?? DEFAULT).trim();
  return command === '' || command === 'cat' ? null : command;
}

/** Lines of the screen that a piece of text takes. */
function linesOf(text: string, columns: number): number {
  const parts = text.split('\n');
  if (parts.at(-1) === '') parts.pop();
  return parts.reduce((n, part) => n + Math.max(1, Math.ceil(textWidth(part) / columns)), 0);
}

function* joined(first: readonly string[], rest: Iterator<string>): Iterable<string> {
  try {
    yield* first;
    for (let next = rest.next(); !next.done; next = rest.next()) yield next.value;
  } finally {
    rest.return?.();
  }
}

/** @returns null when there is no such program, said on stderr unless it is the default one */
async function start(command: string): Promise<ChildProcess | null> {
  const env = { ...process.env, LESS: process.env.LESS ?? LESS, LV: process.env.LV ?? '-c' };
  const [file, ...args] = SHELL_SIGNS.test(command) ? ['sh', '-c', command] : command.split(/\s+/);
  const child = spawn(file!, args, { env, stdio: ['pipe', 'inherit', 'inherit'] });
  try {
    await once(child, 'spawn');
    return child;
  } catch (error) {
    if (command !== DEFAULT)
      process.stderr.write(
        `nstap: start the pager ${printable(command)}: ${(error as NodeJS.ErrnoException).code}; printed without it (see PAGER, NSTAP_PAGER)\n`,
      );
    return null;
  }
}

async function writeInto(pager: ChildProcess, command: string, lines: Iterable<string>): Promise<void> {
  const input = pager.stdin!;
  const ended = once(pager, 'close') as Promise<[number | null]>;
  let isGone = false;
  let signalled: (typeof ENDING_SIGNALS)[number] | null = null;
  // An error is told to whoever writes, and again here.
  input.on('error', () => {
    isGone = true;
  });
  const onSignal = (signal: (typeof ENDING_SIGNALS)[number]): void => {
    signalled ??= signal;
    input.destroy();
  };
  for (const signal of ENDING_SIGNALS) process.on(signal, onSignal);
  const write: Write = (text) =>
    new Promise((resolve, reject) => {
      if (input.destroyed) reject(new Error('the pager takes no more'));
      else input.write(text, (error) => (error ? reject(error) : resolve()));
    });
  let isWhole = false;
  let status: number | null;
  try {
    await writeLines(lines, write);
    isWhole = true;
  } catch (error) {
    if (!isGone && !input.destroyed) throw error;
  } finally {
    input.end();
    [status] = await ended;
    for (const signal of ENDING_SIGNALS) process.removeListener(signal, onSignal);
  }
  if (status !== null && NOT_RUN.includes(status))
    throw new Error(
      `start the pager ${command}: the shell ended with ${status}; --no-pager prints without one`,
    );
  if (signalled !== null && !isWhole) process.exitCode = 128 + constants.signals[signalled];
}
