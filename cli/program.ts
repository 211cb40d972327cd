import { Command, Option } from 'commander';
import { version } from '../daemon/version.ts';
import { printable } from './format/printable.ts';
import { suggestion } from '../daemon/options/suggestion.ts';
import { COLOR_CHOICES, setTerminalFlags } from './terminal-options.ts';

type Register = (program: Command) => void;

/**
 * Every command by its name, in the order of `--help`. Its file is loaded when the command is asked for or all are, and loads nothing
 * heavy before its action runs.
 */
const COMMANDS: Readonly<Record<string, () => Promise<Register>>> = {
  daemon: async () => (await import('./commands/daemon.ts')).registerDaemon,
  replay: async () => (await import('./commands/replay.ts')).registerReplay,
  flows: async () => (await import('./commands/flows.ts')).registerFlows,
  tail: async () => (await import('./commands/tail.ts')).registerTail,
  top: async () => (await import('./commands/top.ts')).registerTop,
  export: async () => (await import('./commands/export.ts')).registerExport,
  report: async () => (await import('./commands/report.ts')).registerReport,
  sql: async () => (await import('./commands/sql.ts')).registerSql,
  experiment: async () => (await import('./commands/experiment.ts')).registerExperiment,
  status: async () => (await import('./commands/status.ts')).registerStatus,
  routes: async () => (await import('./commands/routes.ts')).registerRoutes,
  route: async () => (await import('./commands/route.ts')).registerRoute,
  snapshot: async () => (await import('./commands/snapshot.ts')).registerSnapshot,
  netns: async () => (await import('./commands/netns.ts')).registerNetns,
  interfaces: async () => (await import('./commands/interfaces.ts')).registerInterfaces,
  doctor: async () => (await import('./commands/doctor.ts')).registerDoctor,
  demo: async () => (await import('./commands/demo.ts')).registerDemo,
};

/** Options before a command that take no further word and leave it to be run. */
const BEFORE = /^--(no-color|no-pager|color=.*)$/;

/**
 * The command line of nstap, but for the commands that are made from it (completion).
 * @param words what is to be parsed: when they begin with a command, only that one is there. Left out: all are
 */
export async function createProgram(words: readonly string[] = []): Promise<Command> {
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
  for (const register of await asked(words)) register(program);
  pointToHelp(program, 'nstap');
  return program;
}

/** A mistake in a command's words is told with where its own help is. */
function pointToHelp(command: Command, words: string): void {
  command.showHelpAfterError(`(see \`${words} --help\`)`);
  for (const each of command.commands) pointToHelp(each, `${words} ${each.name()}`);
}

function asked(words: readonly string[]): Promise<Register[]> {
  const name = words.find((word) => !BEFORE.test(word)) ?? '';
  const loads = Object.hasOwn(COMMANDS, name) ? [COMMANDS[name]!] : Object.values(COMMANDS);
  return Promise.all(loads.map((load) => load()));
}

/** Commander's message; where a value is none of the choices, with the one that was probably meant. */
function suggested(text: string): string {
  const found = /'([^']*)' is invalid.* Allowed choices are (.*)\.$/m.exec(text);
  return found === null ? text : text.replace(/\.$/m, `${suggestion(found[1]!, found[2]!.split(', '))}.`);
}
