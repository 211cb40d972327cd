import { Command, CommanderError } from 'commander';
import { version } from '../daemon/version.ts';
import { registerDaemon } from './commands/daemon.ts';
import { registerDemo } from './commands/demo.ts';
import { registerFlows } from './commands/flows.ts';
import { registerNetns } from './commands/netns.ts';
import { registerReplay } from './commands/replay.ts';
import { registerRoute } from './commands/route.ts';
import { registerRoutes } from './commands/routes.ts';
import { registerSnapshot } from './commands/snapshot.ts';
import { registerStatus } from './commands/status.ts';
import { ExitStatus, UsageError } from './errors.ts';

/** Every command, in the order of `--help`. A command's file loads nothing heavy before its action runs. */
const COMMANDS = [
  registerDaemon,
  registerReplay,
  registerFlows,
  registerStatus,
  registerRoutes,
  registerRoute,
  registerSnapshot,
  registerNetns,
  registerDemo,
];

function createProgram(): Command {
  const program = new Command('nstap')
    .description('flows in Linux network namespaces, with the route decision of the kernel on each')
    .version(version(), '-V, --version')
    .option('--no-color', 'no colours; NO_COLOR in the environment and a pipe do the same')
    .showHelpAfterError('(see `nstap --help`)')
    .addHelpText(
      'after',
      `
Database without --db: $NSTAP_DB, else /var/lib/nstap/flows.db for root, else $XDG_STATE_HOME/nstap/flows.db.

Example:
  $ sudo nstap daemon --netns 'lab-*'
  $ nstap flows --since 10m 'tcp port 443'`,
    )
    .configureOutput({ outputError: (text, write) => write(text.replace(/^error: /, 'nstap: ')) })
    // Inherited by the commands: without it commander ends the process with 1 on wrong usage.
    .exitOverride();
  for (const register of COMMANDS) register(program);
  return program;
}

/** Says why on stderr. @returns the exit status */
function report(error: unknown): number {
  // Commander has printed its own message, or the help.
  if (error instanceof CommanderError) return error.exitCode === 0 ? ExitStatus.Done : ExitStatus.Usage;
  if (isBrokenPipe(error)) return ExitStatus.Done;
  const text = error instanceof Error ? error.message : String(error);
  process.stderr.write(`nstap: ${process.env.NSTAP_DEBUG && error instanceof Error ? error.stack : text}\n`);
  return error instanceof UsageError || isFilterMistake(error) ? ExitStatus.Usage : ExitStatus.Failed;
}

function isBrokenPipe(error: unknown): boolean {
  return (error as { code?: unknown })?.code === 'EPIPE';
}

/** Told by its code, so that libpcap's binding is loaded by those commands only that need it. */
function isFilterMistake(error: unknown): boolean {
  return (error as { code?: unknown })?.code === 'PCAP_FILTER';
}

async function main(): Promise<void> {
  // `nstap flows | head`: whoever read has seen enough.
  process.stdout.on('error', (error) => process.exit(report(error)));
  process.stderr.on('error', () => process.exit(ExitStatus.Failed));
  process.on('SIGINT', () => {
    // A command that drains on Ctrl-C has its own listener.
    if (process.listenerCount('SIGINT') === 1) process.exit(ExitStatus.Interrupted);
  });
  try {
    await createProgram().parseAsync();
  } catch (error) {
    process.exitCode = report(error);
  }
}

await main();
