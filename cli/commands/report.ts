import { type Command, Option } from 'commander';
import type { ReportFlags } from '../report-command.ts';
import { resolveOption } from '../resolve-option.ts';
import { tzOption } from '../time-option.ts';

/** `nstap report`: one HTML page about the flows of an experiment or a time. */
export function registerReport(program: Command): void {
  program
    .command('report')
    .description(
      'make one HTML page about flows: traffic over time, talkers, routes, losses; it needs no network',
    )
    .argument('[filter...]', 'which flows, see `nstap flows --help`')
    .option('--db <file>', 'database to read (default: see `nstap --help`)')
    .option('-o, --output <file>', 'where to, whole or not at all; - is stdout (default: -)')
    .option('--title <text>', 'title of the page (default: the name of the experiment)')
    .option('--since <time>', 'flows alive at or after this time')
    .option('--until <time>', 'flows that started before this time')
    .addOption(tzOption('zone of times without one'))
    .addOption(resolveOption())
    .option('--experiment <name>', 'flows of this experiment: NAME, or NAME#2 for the second of that name')
    .addOption(
      new Option('--last-experiment', 'flows of the experiment that was started last').conflicts(
        'experiment',
      ),
    )
    .option('--json', 'the figures as one JSON object instead of a page')
    .addHelpText(
      'after',
      `
Example:
  $ nstap report --experiment mtu-1400 -o mtu-1400.html
  $ nstap report --since 1d --title 'The last day' -o day.html
  $ nstap report --last-experiment 'netns blue and tcp' -o blue.html
  $ nstap report --since 1h --json | jq '.routes[] | select(.verdict == "drop")'`,
    )
    .action(async (words: string[], flags: ReportFlags) => {
      const { reportCommand } = await import('../report-command.ts');
      process.exitCode = await reportCommand(words.join(' '), flags);
    });
}
