import type { Command } from 'commander';
import type { InterfacesFlags } from '../interfaces-command.ts';

/** `nstap interfaces`: which interfaces are captured, and why one is not. */
export function registerInterfaces(program: Command): void {
  program
    .command('interfaces')
    .description(
      'interfaces of all namespaces with peers and counters, whether the daemon captures them, and why not',
    )
    .option('--netns <name>', 'only those of this namespace')
    .option('--control <socket>', 'control socket of the daemon, or "none": only the kernel is asked')
    .option('--json', 'print one JSON array')
    .addHelpText(
      'after',
      `
What the daemon says comes first; interfaces of namespaces that it does not look into are read from the kernel, which needs
root for those of others. Exit status 1 when neither shows any.

Keys of --json, all always there:
  netns netns_id interface if_index up
  captured      true, false, or null: no daemon was asked
  reason        why it is not captured, else null
  packets kernel_drops received bytes duplicates decoded undecoded flows   of its capture, else null
  kind oper_state mtu mac addresses master peer lower info                 as in \`nstap netns --json\`, see docs/namespaces.md
  rx_packets rx_bytes rx_dropped tx_packets tx_bytes tx_dropped            as the kernel counts since the interface was made

Example:
  $ sudo nstap interfaces
  $ nstap interfaces --json | jq -r '.[] | select(.captured == false) | [.netns, .interface, .reason] | @tsv'`,
    )
    .action(async (flags: InterfacesFlags) => {
      const { interfacesCommand } = await import('../interfaces-command.ts');
      process.exitCode = await interfacesCommand(flags);
    });
}
