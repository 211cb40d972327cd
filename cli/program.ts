import { Command } from 'commander';
import { version } from '../daemon/version.ts';
import { printable } from './format/columns.ts';
import { registerDaemon } from './commands/daemon.ts';
import { registerDemo } from './commands/demo.ts';
import { registerDoctor } from './commands/doctor.ts';
import { registerExperiment } from './commands/experiment.ts';
import { registerFlows } from './commands/flows.ts';
import { registerInterfaces } from './commands/interfaces.ts';
import { registerNetns } from './commands/netns.ts';
import { registerReplay } from './commands/replay.ts';
import { registerRoute } from './commands/route.ts';
import { registerRoutes } from './commands/routes.ts';
import { registerSnapshot } from './commands/snapshot.ts';
import { registerSql } from './commands/sql.ts';
import { registerStatus } from './commands/status.ts';
import { registerTop } from './commands/top.ts';

/** Every command, in the order of `--help`. A command's file loads nothing heavy before its action runs. */
const COMMANDS = [
  registerDaemon,
  registerReplay,
  registerFlows,
  registerTop,
  registerSql,
  registerExperiment,
  registerStatus,
  registerRoutes,
  registerRoute,
  registerSnapshot,
  registerNetns,
  registerInterfaces,
  registerDoctor,
  registerDemo,
];

/** The command line of nstap, but for the commands that are made from it (completion). */
export function createProgram(): Command {
  const program = new Command('nstap')
    .description('flows in Linux network namespaces, with the route decision of the kernel on each')
    .version(version(), '-V, --version')
    .option('--no-color', 'no colours; NO_COLOR in the environment and a pipe do the same')
    .showHelpAfterError('(see `nstap --help`)')
    .addHelpText(
      'after',
      `
Database without --db: $NSTAP_DB, else /var/lib/nstap/flows.db for root, else $XDG_STATE_HOME/nstap/flows.db.
Control socket without --control: $NSTAP_CONTROL, else /run/nstap/control.sock for root, else $XDG_RUNTIME_DIR/nstap/control.sock.

Example:
  $ sudo nstap daemon --netns 'lab-*'
  $ nstap flows --since 10m 'tcp port 443'`,
    )
    .configureOutput({
      outputError: (text, write) => write(printable(text.replace(/^error: /, 'nstap: '), '\n')),
    })
    // Inherited by the commands: without it commander ends the process with 1 on wrong usage.
    .exitOverride();
  for (const register of COMMANDS) register(program);
  return program;
}
