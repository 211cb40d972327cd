import { Command, Option } from 'commander';
import { version } from '../daemon/version.ts';
import { printable } from './format/printable.ts';
import { registerDaemon } from './commands/daemon.ts';
import { registerDemo } from './commands/demo.ts';
import { registerDoctor } from './commands/doctor.ts';
import { registerExperiment } from './commands/experiment.ts';
import { registerExport } from './commands/export.ts';
import { registerFlows } from './commands/flows.ts';
import { registerInterfaces } from './commands/interfaces.ts';
import { registerNetns } from './commands/netns.ts';
import { registerReplay } from './commands/replay.ts';
import { registerReport } from './commands/report.ts';
import { registerRoute } from './commands/route.ts';
import { registerRoutes } from './commands/routes.ts';
import { registerSnapshot } from './commands/snapshot.ts';
import { registerSql } from './commands/sql.ts';
import { registerStatus } from './commands/status.ts';
import { registerTail } from './commands/tail.ts';
import { registerTop } from './commands/top.ts';
import { didYouMean } from './suggestion.ts';
import { COLOR_CHOICES, setTerminalFlags } from './terminal-options.ts';

/** Every command, in the order of `--help`. A command's file loads nothing heavy before its action runs. */
const COMMANDS = [
  registerDaemon,
  registerReplay,
  registerFlows,
  registerTail,
  registerTop,
  registerExport,
  registerReport,
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
    .addOption(
      new Option(
        '--color <when>',
        'colours: auto is on a terminal, unless NO_COLOR is set (default: auto)',
      ).choices(COLOR_CHOICES),
    )
    .option('--no-color', 'as --color never')
    .option('--no-pager', 'long lists straight to the terminal, not through $NSTAP_PAGER, $PAGER or less')
    .hook('preAction', (program) => setTerminalFlags(program.opts()))
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
      outputError: (text, write) => write(printable(suggested(text.replace(/^error: /, 'nstap: ')), '\n')),
    })
    // Inherited by the commands: without it commander ends the process with 1 on wrong usage.
    .exitOverride();
  for (const register of COMMANDS) register(program);
  return program;
}

/** Commander's message; where a value is none of the choices, with the one that was probably meant. */
function suggested(text: string): string {
  const found = /'([^']*)' is invalid.* Allowed choices are (.*)\.$/m.exec(text);
  return found === null ? text : text.replace(/\.$/m, `${didYouMean(found[1]!, found[2]!.split(', '))}.`);
}
