import { type ChildProcess, spawn } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { ControlError } from '../daemon/control/errors.ts';
import { withResource } from '../daemon/kernel/dispose.ts';
import { listNetns, openNetns, withNetns } from '../daemon/kernel/netns.ts';
import { openForReading } from '../storage/database.ts';
import { StorageError } from '../storage/errors.ts';
import { sumExperiments } from '../storage/experiment-sums.ts';
import type { Experiment } from '../storage/experiments.ts';
import { nowNs } from '../storage/time.ts';
import { asCallingUser } from './calling-user.ts';
import { CommandRunner } from './command-runner.ts';
import type { ExperimentRunFlags } from './experiment-command.ts';
import { markExperiment, type Marked, type WritingDaemon, writingDaemon } from './experiment-marks.ts';
import { flowsCommand } from './flows-command.ts';
import { printable } from './format/columns.ts';
import { counted } from './format/count.ts';
import { durationNs } from './format/experiment-list.ts';
import { shortDuration } from './format/time.ts';
import { askRunningDaemon } from './running-daemon.ts';

/** The end of an experiment is tried to be marked for so long, while the daemon is started anew or the database is locked. */
const STOP_PATIENCE_MS = 20_000;
const STOP_RETRY_MS = 500;
/** What a daemon says, or does, that is ending or in trouble. */
const PASSING: readonly string[] = [
  'CONTROL_CLOSED',
  'CONTROL_STOPPING',
  'CONTROL_TIMEOUT',
  'CONTROL_BUSY',
  'CONTROL_FAILED',
];

const tell = (line: string): void => void process.stderr.write(`nstap: ${line}\n`);

/**
 * Runs `nstap experiment run`: marks the time in which a command runs, and shows the flows of it.
 * @param words the command and its arguments
 * @returns exit status of the command
 * @throws when the namespace cannot be entered or the experiment cannot be started; then the command has not run
 */
export async function experimentRunCommand(
  name: string,
  words: string[],
  flags: ExperimentRunFlags,
): Promise<number> {
  const netnsId = flags.netns === undefined ? null : enterable(flags.netns);
  const daemon = await writingDaemon(flags);
  const netns = flags.netns === undefined ? null : knownName(flags.netns, netnsId, daemon);
  warn(daemon, netns);
  // Whoever cannot be asked now is not asked, and told of, three times.
  const place = daemon === null ? { ...flags, control: 'none' } : flags;
  const runner = new CommandRunner();
  try {
    const started = await markExperiment(place, {
      type: 'start',
      name,
      netns: flags.allNetns ? null : netns,
    });
    let status: number;
    try {
      status = await runner.run(() => start(words, flags.netns));
    } catch (error) {
      await stopAtLast(place, started, runner.impatience);
      throw error;
    }
    await conclude(place, started, daemon !== null, runner.impatience);
    return status;
  } finally {
    runner.close();
  }
}

/** Checks that a namespace is there and may be entered, before anything is marked. @returns its identity @throws SyscallError */
function enterable(name: string): string {
  return withResource(openNetns(name), (netns) => {
    withNetns(netns, () => {});
    return netns.id;
  });
}

/** The name that flows of a namespace have, which may have been given as a path. */
function knownName(name: string, netnsId: string | null, daemon: WritingDaemon | null): string {
  const captured = daemon?.captures.find((capture) => capture.netnsId === netnsId)?.netns;
  return captured ?? listNetns().find(({ id }) => id === netnsId)?.name ?? name;
}

function warn(daemon: WritingDaemon | null, netns: string | null): void {
  if (daemon === null)
    tell(
      'no daemon that can be asked writes this database: what the command sends may not be captured (`nstap daemon`)',
    );
  else if (!daemon.captures.some((capture) => netns === null || capture.netns === netns))
    tell(
      `the daemon captures nothing${netns === null ? '' : ` in ${printable(netns)}`}: \`nstap interfaces\` says why`,
    );
}

/** Starts a command with this process's terminal. setns(2) moves the calling thread, and the child inherits from it. */
function start(words: readonly string[], netns: string | undefined): ChildProcess {
  const { words: all, env } = asCallingUser(words);
  const [command, ...args] = all;
  const started = (): ChildProcess => spawn(command!, args, { stdio: 'inherit', env });
  return netns === undefined
    ? started()
    : withResource(openNetns(netns), (handle) => withNetns(handle, started));
}

/** Ends the experiment and shows its flows. What fails here is told: the status is that of the command. */
async function conclude(
  flags: ExperimentRunFlags,
  started: Marked,
  isCaptured: boolean,
  impatience: AbortSignal,
): Promise<void> {
  const { database } = started;
  try {
    const experiment = await stopAtLast(flags, started, impatience);
    if (isCaptured) await writeFlows(flags.control, impatience);
    if (!flags.quiet) await show(experiment, database);
  } catch (error) {
    tell((error as Error).message);
  }
}

/** Marks the end, also when the daemon that marked the start is gone, or just being started anew. */
async function stopAtLast(
  { control }: ExperimentRunFlags,
  { experiment, database }: Marked,
  impatience: AbortSignal,
): Promise<Experiment> {
  const change = { type: 'stop', name: experiment.name, id: experiment.id } as const;
  const endMs = performance.now() + STOP_PATIENCE_MS;
  let asked = control;
  for (;;) {
    try {
      return (await markExperiment({ db: database, control: asked }, change)).experiment;
    } catch (error) {
      const isGone = error instanceof ControlError && error.code === 'CONTROL_NO_DAEMON';
      // Named by the user, but not there any more: then the database is written here.
      if (isGone && asked !== 'none') asked = 'none';
      else if (!isPassing(error) || impatience.aborted || performance.now() > endMs) throw error;
      else await sleep(STOP_RETRY_MS);
    }
  }
}

function isPassing(error: unknown): boolean {
  if (error instanceof ControlError) return PASSING.includes(error.code);
  return error instanceof StorageError && error.isTransient;
}

/** Has the daemon write what it has of flows that still live. A signal ends the waiting. */
async function writeFlows(control: string | undefined, impatience: AbortSignal): Promise<void> {
  try {
    await askRunningDaemon(control, async (client) => {
      const close = (): void => client.close();
      if (impatience.aborted) close();
      impatience.addEventListener('abort', close);
      try {
        await client.checkpoint();
      } finally {
        impatience.removeEventListener('abort', close);
      }
    });
  } catch (error) {
    if (!(error instanceof ControlError)) throw error;
    tell(`flows that still live may be missing, or be shown as they were: ${error.message}`);
  }
}

async function show(experiment: Experiment, database: string): Promise<void> {
  const name = `${experiment.name}#${experiment.number}`;
  const flows = flowsOf(experiment, database);
  const took = shortDuration(durationNs(experiment, nowNs()));
  tell(
    `experiment ${printable(name)}: ${counted(flows, 'flow')} in ${took} (\`nstap flows --experiment '${printable(name)}'\`)`,
  );
  if (flows > 0) await flowsCommand('', { db: database, experiment: name, format: 'table', pager: false });
}

function flowsOf(experiment: Experiment, database: string): number {
  const db = openForReading(database);
  try {
    return sumExperiments(db, [experiment])[0]!.flows;
  } finally {
    db.close();
  }
}
