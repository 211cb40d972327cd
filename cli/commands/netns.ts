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

Shows the namespace this program runs in ("host"), those of \`ip netns\`, and those that processes are in: containers by
their id (docker:0123456789ab), others as pid:N:PROGRAM. \`nstap daemon --netns all\` captures in these. Entering others needs root.`,
    )
    .action(async (flags: { json?: boolean }) => {
      const { netnsCommand } = await import('../netns-command.ts');
      process.exitCode = await netnsCommand(flags.json === true);
    });
}
