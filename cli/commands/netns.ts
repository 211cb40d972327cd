import type { Command } from 'commander';

/** `nstap netns`: the namespaces of this host and what is in them. */
export function registerNetns(program: Command): void {
  program
    .command('netns')
    .description('network namespaces with their interfaces, addresses and veth peers')
    .option('--json', 'print one JSON array')
    .addHelpText(
      'after',
      `
Example:
  $ sudo nstap netns

Shows the namespace this program runs in ("host") and those of \`ip netns\`. Entering others needs root.`,
    )
    .action(async (flags: { json?: boolean }) => {
      const { netnsCommand } = await import('../netns-command.ts');
      process.exitCode = await netnsCommand(flags.json === true);
    });
}
