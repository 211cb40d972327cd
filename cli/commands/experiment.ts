import { type Command, InvalidArgumentError } from 'commander';
import { whyNoExperimentName, whyNoNetnsPattern } from '../../storage/experiment-name.ts';
import type { ExperimentFlags, ExperimentRunFlags } from '../experiment-command.ts';
import { tzOption } from '../time-option.ts';

const DB = 'database (default: that of the daemon that runs, else see `nstap --help`)';
const CONTROL = 'control socket of the daemon, or "none": it is not asked';
const NETNS = 'only flows of namespaces with this name, or that match this pattern';

/** `nstap experiment start|stop|list|run`: marks spans of time, and shows their flows. */
export function registerExperiment(program: Command): void {
  const experiment = program
    .command('experiment')
    .description('mark what happens from start to stop, or while a command runs, and find its flows again')
    .addHelpText(
      'after',
      `
Example:
  $ nstap experiment run mtu-1400 --netns lab-a -- curl http://10.2.0.2/
  $ nstap experiment list
  $ nstap flows --by experiment`,
    );
  experiment
    .command('start')
    .description('mark a time from now on')
    .argument('<name>', 'what to call it; a name may be used again later', experimentName)
    .option('--netns <selector>', NETNS, netnsPattern)
    .option('--db <file>', DB)
    .option('--control <socket>', CONTROL)
    .addHelpText(
      'after',
      `
Experiments may overlap and be within each other; of one name only one goes on at a time. They go on when the daemon or the host is
started anew. Flows belong to each one in whose time they were alive: docs/experiments.md.

Example:
  $ nstap experiment start mtu-1400 --netns 'lab-*'
  $ nstap experiment stop mtu-1400
  $ nstap flows --experiment mtu-1400`,
    )
    .action(async (name: string, flags: ExperimentFlags) => {
      const { experimentStartCommand } = await import('../experiment-command.ts');
      process.exitCode = await experimentStartCommand(name, flags);
    });
  experiment
    .command('stop')
    .description('end it now')
    .argument('[name]', 'which one (default: the one that was started last)', experimentName)
    .option('--db <file>', DB)
    .option('--control <socket>', CONTROL)
    .addHelpText(
      'after',
      `
Example:
  $ nstap experiment stop`,
    )
    .action(async (name: string | undefined, flags: ExperimentFlags) => {
      const { experimentStopCommand } = await import('../experiment-command.ts');
      process.exitCode = await experimentStopCommand(name ?? null, flags);
    });
  experiment
    .command('list')
    .description('experiments, oldest first, with what their flows add up to')
    .option('--db <file>', DB)
    .option('--control <socket>', CONTROL)
    .option('--json', 'print one JSON array')
    .addOption(tzOption())
    .addHelpText(
      'after',
      `
Of a name that was used several times, web#2 is the second; \`flows --experiment\` takes web (all of them) and web#2.

Keys of --json, all always there:
  experiment_id name number      number: 1 for the first of that name, 2 for the second
  netns                          what it is limited to, or null
  started ended running          ended is null while it runs
  duration_s                     until now while it runs
  flows packets bytes            of flows that were alive in it, all of their packets

Example:
  $ nstap experiment list
  $ nstap experiment list --json | jq -r '.[] | select(.running) | .name'`,
    )
    .action(async (flags: ExperimentFlags) => {
      const { experimentListCommand } = await import('../experiment-command.ts');
      process.exitCode = await experimentListCommand(flags);
    });
  experiment
    .command('run')
    .description('mark the time in which a command runs, and show its flows')
    .argument('<name>', 'what to call it', experimentName)
    .argument('<command...>', 'the command and its arguments, behind --')
    .option(
      '--netns <name>',
      'run it in this namespace (a name of `ip netns`, a path, or host), and mark only flows of that',
    )
    .option('--all-netns', 'with --netns: mark the flows of all namespaces')
    .option('--quiet', 'do not show the flows')
    .option('--db <file>', DB)
    .option('--control <socket>', CONTROL)
    .addHelpText(
      'after',
      `
The command has this terminal, and runs as you: under sudo not as root (write \`-- sudo COMMAND\` for that). Entering a namespace
needs root. /etc/netns/NAME is not mounted over /etc, as \`ip netns exec\` does.
The exit status is that of the command, 128 and the number of a signal that ended it, 127 when there is none such.

Example:
  $ sudo nstap experiment run ping --netns lab-a -- ping -c 3 10.0.0.2
  $ nstap experiment run build -- npm install`,
    )
    .action(async (name: string, words: string[], flags: ExperimentRunFlags) => {
      const { experimentRunCommand } = await import('../experiment-run.ts');
      process.exitCode = await experimentRunCommand(name, words, flags);
    });
}

function experimentName(text: string): string {
  return checked(text, whyNoExperimentName(text));
}

function netnsPattern(text: string): string {
  return checked(text, whyNoNetnsPattern(text));
}

function checked(text: string, reason: string | null): string {
  if (reason !== null) throw new InvalidArgumentError(`Expected something else: ${reason}.`);
  return text;
}
