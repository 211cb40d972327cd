import { type Command, Option } from 'commander';
import { addrsOption, atOption, historyDbOption } from '../route-options.ts';
import type { RoutesFlags } from '../routes-command.ts';

/** `nstap routes`: rules and routes of a namespace, by table. */
export function registerRoutes(program: Command): void {
  program
    .command('routes')
    .description('rules and routes of a namespace, grouped by table')
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
    .addOption(historyDbOption())
    .option('--json', 'print a snapshot, which --snapshot reads')
    .addHelpText(
      'after',
      `
Example:
  $ nstap routes --netns lab-r
  $ nstap routes --snapshot before.json.zst
  $ nstap routes --netns lab-r --at 10m       # as they were ten minutes ago, if the daemon ran; see docs/route-history.md
  $ nstap routes --at 2026-11-23T10:00:00Z --db /tmp/x.db`,
    )
    .action(async (flags: RoutesFlags) => {
      const { routesCommand } = await import('../routes-command.ts');
      process.exitCode = await routesCommand(flags);
    });
}
