import type { Command } from 'commander';
import { wholeNumber } from '../option-values.ts';
import { resolveOption } from '../resolve-option.ts';
import type { TopFlags } from '../top-command.ts';

/** `nstap top`: the living flows of a running daemon, full-screen. */
export function registerTop(program: Command): void {
  program
    .command('top')
    .description('living flows, talkers, namespaces and routes of a running daemon, full-screen')
    .argument('[filter...]', 'only flows that this filter matches, as in `nstap flows`')
    .addOption(resolveOption())
    .option('--view <view>', 'flows, talkers, namespaces or routes', 'flows')
    .option(
      '--sort <column>',
      'rate, sent, received, window (10 s), pps, bytes, packets, start or flows; by view',
      'rate',
    )
    .option('--reverse', 'the least first')
    .option(
      '--interval <seconds>',
      'between two pictures, and what rates are of',
      wholeNumber(1, 10, 'seconds'),
      1,
    )
    .option('--batch, --once', 'print one snapshot as a table, as `top -b -n 1` does')
    .option('--json', 'print one snapshot as a JSON object')
    .option('--limit <n>', 'rows of a snapshot (default: 50)', wholeNumber(1, 500, 'rows'))
    .option('--control <socket>', 'control socket of the daemon (default: see `nstap --help`)')
    .addHelpText(
      'after',
      `
Keys: 1 2 3 4 or Tab views, arrows or j k and Page up and down move, Enter details, s < > sort, r reverse, / filter as you
type, p pause, + - interval, ? help, q quit. Rates are of frame octets, over the interval and over ten seconds; the daemon
ranks all of its flows, of which the first ones are sent. What was lost always stands above: red while it rises, and where.
See docs/top.md. Exit status 130 after Ctrl-C; 1 when no daemon answers at the start.

Keys of --json: time view filter interval_s window_s matched_flows bytes_per_s packets_per_s row_count
  rows[]   bytes_per_s bytes_per_s_10s packets_per_s, and by view: a flow as in docs/flow-fields.md; netns interface address
           flows bytes packets …; the route decision
  losses   what was lost since the captures began      daemon   as in \`nstap status --json\`

Example:
  $ sudo nstap top
  $ sudo nstap top --view talkers --sort sent net 10.0.0.0/8
  $ nstap top --json route verdict drop | jq '.rows[] | [.src, .dst, .bytes_per_s]'`,
    )
    .action(async (words: string[], flags: TopFlags) => {
      const { topCommand } = await import('../top-command.ts');
      process.exitCode = await topCommand(words, flags);
    });
}
