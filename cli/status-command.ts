import { setTimeout as sleep } from 'node:timers/promises';
import { daemonStatus, isSameFile } from './daemon-status.ts';
import { defaultDb } from './default-db.ts';
import { ExitStatus, UsageError } from './errors.ts';
import { formatStatus } from './format/status.ts';
import { Interruption } from './interruption.ts';
import { stdoutColors, terminalWidth, writeLines } from './output.ts';
import { askRunningDaemon } from './running-daemon.ts';
import { readStatus, type Status } from './status.ts';

/** Flags of `nstap status` as they were given. */
export interface StatusFlags {
  db?: string;
  control?: string;
  json?: boolean;
  /** Seconds between two looks. */
  watch?: number;
}

/** Another screen, as programs that fill the terminal use it, and back. xterm's control sequences, "Alternate Screen" */
const OTHER_SCREEN = '\u001b[?1049h';
const OWN_SCREEN = '\u001b[?1049l';
const HOME = '\u001b[H';
const CLEAR_LINE = '\u001b[K';
const CLEAR_BELOW = '\u001b[J';

/**
 * Runs `nstap status`: what the database says, and beside it what the daemon says that writes it.
 * @returns exit status
 * @throws StorageError, also when no run is in the database; ControlError when the daemon that `--control` names cannot be asked;
 *         UsageError
 */
export async function statusCommand(flags: StatusFlags): Promise<number> {
  const status = await currentStatus(flags);
  if (flags.watch !== undefined) return watch(status, flags, flags.watch * 1000);
  await writeLines([flags.json ? jsonLine(status) : text(status)]);
  return ExitStatus.Done;
}

async function currentStatus(flags: StatusFlags): Promise<Status> {
  const asked = await askRunningDaemon(flags.control, daemonStatus);
  const path = flags.db ?? asked?.database ?? defaultDb();
  const daemon = asked !== null && isSameFile(asked.database, path) ? asked.daemon : null;
  return { ...readStatus(path), daemon };
}

function text(status: Status): string {
  return formatStatus(status, terminalWidth(), stdoutColors());
}

function jsonLine(status: Status): string {
  return `${JSON.stringify(status)}\n`;
}

/** Looks again and again until Ctrl-C. What goes wrong meanwhile (no daemon, a database in work) is shown, and may pass. */
async function watch(first: Status, flags: StatusFlags, pauseMs: number): Promise<number> {
  const isScreen = flags.json !== true;
  if (isScreen && process.stdout.isTTY !== true)
    throw new UsageError('--watch needs a terminal, or --json: then it prints one object a line');
  const restore = (): unknown => isScreen && process.stdout.write(OWN_SCREEN);
  const interruption = new Interruption(restore, 'nothing');
  const { signal } = interruption;
  let shown = isScreen ? text(first) : jsonLine(first);
  try {
    if (isScreen) await writeLines([OTHER_SCREEN]);
    while (!signal.aborted) {
      await writeLines([isScreen ? screenOf(shown) : shown]);
      // A signal ends the pause; that is all it can throw.
      await sleep(pauseMs, undefined, { signal }).catch(() => {});
      if (signal.aborted) break;
      shown = await look(flags);
    }
    interruption.ending(true);
    return ExitStatus.Interrupted;
  } finally {
    restore();
    interruption.close();
  }
}

async function look(flags: StatusFlags): Promise<string> {
  try {
    const status = await currentStatus(flags);
    return flags.json ? jsonLine(status) : text(status);
  } catch (error) {
    if (flags.json) throw error;
    return `${(error as Error).message}\n`;
  }
}

/** What fits, over what is there: without a moment in which nothing is. */
function screenOf(shown: string): string {
  const lines = shown.trimEnd().split('\n').slice(0, process.stdout.rows);
  return `${HOME}${lines.map((line) => line + CLEAR_LINE).join('\n')}${CLEAR_BELOW}`;
}
