import type { Command } from 'commander';
import { atOption, historyDbOption } from '../route-options.ts';
import { tzOption } from '../time-option.ts';
import type { SnapshotSaveFlags } from '../snapshot-command.ts';

/** `nstap snapshot save FILE`: what the kernel knows about routing in a namespace, into a file. */
export function registerSnapshot(program: Command): void {
  const snapshot = program
    .command('snapshot')
    .description('keep the routing of a namespace in a file, for later questions and replays')
    .addHelpText(
      'after',
      `
Example:
  $ sudo nstap snapshot save --netns lab-r before.json`,
    );
  snapshot
    .command('save')
    .description('write rules, routes, interfaces, addresses and sysctls of a namespace to a file')
    .argument('<file>', 'file to write, .gz or .zst for a compressed one; - is stdout')
    .option(
      '--netns <name>',
      'namespace: a name of `ip netns`, a path, pid:N, docker:ID (see `nstap netns`), or host',
      'host',
    )
    .addOption(atOption())
    .addOption(tzOption())
    .addOption(historyDbOption())
    .addHelpText(
      'after',
      `
A file of that name is replaced when the new one is whole. \`nstap routes --snapshot FILE\` shows what is in it.

Example:
  $ sudo nstap snapshot save --netns lab-r before.json
  $ nstap route get 10.2.3.4 --snapshot before.json
  $ nstap snapshot save --netns lab-r --at yesterday before.json   # of the daemon's history
  $ nstap replay --snapshot before.json --compare after.json capture.pcapng`,
    )
    .action(async (file: string, flags: SnapshotSaveFlags) => {
      const { snapshotSaveCommand } = await import('../snapshot-command.ts');
      process.exitCode = await snapshotSaveCommand(file, flags);
    });
}
