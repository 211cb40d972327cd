import type { Command } from 'commander';
import type { NetnsFlags } from '../netns-command.ts';

/** `nstap netns`: the namespaces of this host and what is in them. */
export function registerNetns(program: Command): void {
  program
    .command('netns')
    .description(
      'network namespaces as a tree: interfaces, addresses, peers across namespaces, what is captured',
    )
    .argument(
      '[selector...]',
      'only these: a name, a pattern, docker:ID, pid:N, …, as `nstap daemon --netns` takes them',
    )
    .option('--control <socket>', 'control socket of the daemon, or "none": only the kernel is asked')
    .option('--json', 'print one JSON array')
    .addHelpText(
      'after',
      `
Shows the namespace this program runs in ("host"), those of \`ip netns\`, and those that processes are in: containers by
their id (docker:0123456789ab), others as pid:N:PROGRAM. Ports stand below their bridge, bond or VRF; the other end of a
veth pair is named with its namespace, as the kernel knows it now. Where a daemon runs, what it captures is marked.
Entering other namespaces needs root; without it stderr says what could not be seen. Exit status 1 when nothing could be read.
docs/namespaces.md has the keys of --json.

Example:
  $ sudo nstap netns
  $ sudo nstap netns 'lab-*' '!lab-old'
  $ sudo nstap netns --json | jq -r '.[] | .name as $n | .interfaces[] | select(.peer) | "\\($n)/\\(.name) \\(.peer.netns)/\\(.peer.interface)"'`,
    )
    .action(async (selectors: string[], flags: NetnsFlags) => {
      const { netnsCommand } = await import('../netns-command.ts');
      process.exitCode = await netnsCommand(selectors, flags);
    });
}
