import { type Command, Option } from 'commander';
import { USE_SORTS } from '../format/use-sorts.ts';
import { addrsOption, atOption } from '../route-options.ts';
import { tzOption } from '../time-option.ts';
import type { RoutesFlags } from '../routes-command.ts';

/** `nstap routes`: rules and routes of a namespace, by table. */
export function registerRoutes(program: Command): void {
  program
    .command('routes')
    .description(
      'rules and routes of a namespace as `ip` prints them, grouped by table, and how much each was used',
    )
    .option(
      '--netns <name>',
      'namespace: a name of `ip netns`, a path, pid:N, docker:ID (see `nstap netns`), or host',
      'host',
    )
    .option(
      '--routes <file>',
      'text of `ip route show table all`, or its -j JSON, instead of the live kernel',
    )
    .option('--rules <file>', 'text of `ip rule`, or its -j JSON')
    .addOption(addrsOption())
    .addOption(new Option('--snapshot <file>', 'file of `nstap snapshot save`').conflicts('routes'))
    .addOption(atOption())
    .addOption(tzOption())
    .option(
      '--counters',
      'how many flows and octets each route and rule carried (default: on a terminal, of the last hour)',
    )
    .option('--no-counters', 'the text of `ip rule` and `ip route` alone')
    .option('--since <time>', 'count flows alive at or after this time')
    .option('--until <time>', 'count flows that started before this time')
    .option(
      '--experiment <name>',
      'count flows of this experiment: NAME, or NAME#2 for the second of that name',
    )
    .addOption(
      new Option('--last-experiment', 'count flows of the experiment that was started last').conflicts(
        'experiment',
      ),
    )
    .addOption(new Option('--sort <field>', 'most used first, within a table').choices(USE_SORTS))
    .option(
      '--db <file>',
      'database with the flows, and with the history for --at (default: see `nstap --help`)',
    )
    .option('--json', 'print a snapshot, which --snapshot reads; with counters if they are asked for')
    .addHelpText(
      'after',
      `
Counters are comments behind the lines: flows, octets of frames, where in the kernel's path (output, forward, input), and in which
direction of the flow (fwd: packets of the originator). They join the flows of the database to the tables as they are now, or
were at --at. What flows used that is not in the tables any more is listed below them, and so is what no route had a part in.
In a pipe there are no counters unless one of their flags is given: there the output is what it always was. docs/routes.md

Example:
  $ nstap routes --netns lab-r
  $ nstap routes --netns lab-r --since 10m --sort bytes
  $ nstap routes --netns lab-r --experiment failover --json | jq '.routes[] | select(.use.flows == 0) | .prefix'
  $ nstap routes --snapshot before.json.zst
  $ nstap routes --netns lab-r --at 10m       # as they were ten minutes ago, if the daemon ran; see docs/route-history.md
  $ nstap routes --at 2026-11-23T10:00:00Z --db /tmp/x.db`,
    )
    .action(async (flags: RoutesFlags) => {
      const { routesCommand } = await import('../routes-command.ts');
      process.exitCode = await routesCommand(flags);
    });
}
