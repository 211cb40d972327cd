import { type Command, Option } from 'commander';
import type { RouteGetFlags } from '../route-command.ts';
import { wholeNumber } from '../option-values.ts';
import { addrsOption, atOption, hexNumber, historyDbOption } from '../route-options.ts';
import { tzOption } from '../time-option.ts';

/** `nstap route get DST`: the kernel's decision for one packet, explained. */
export function registerRoute(program: Command): void {
  const route = program
    .command('route')
    .description('ask which way a packet goes, and why')
    .addHelpText(
      'after',
      `
Example:
  $ nstap route get 10.2.3.4 --netns lab-r --from 10.1.0.2 --iif eth0`,
    );
  route
    .command('get')
    .description('the route decision for one packet, step by step')
    .argument('[dst]', 'destination address; left out with --batch')
    .option(
      '--netns <name>',
      'namespace: a name of `ip netns`, a path, pid:N, docker:ID (see `nstap netns`), or host',
      'host',
    )
    .option('--from <address>', 'source address')
    .option('--iif <dev>', 'interface that the packet comes in on; without it the host itself sends')
    .option('--oif <dev>', 'device that the sending socket is bound to')
    .option('--tos <n>', 'TOS octet, decimal or 0x', hexNumber(0xff))
    .option('--dscp <n>', 'DSCP, in place of the TOS octet', hexNumber(0x3f))
    .option('--mark <n>', 'firewall mark, decimal or 0x; unknown when left out', hexNumber(0xffffffff))
    .option('--uid <n>', 'owner of the sending socket, for rules with uidrange', hexNumber(0xffffffff))
    .option('--ipproto <name>', 'protocol by name or number, for rules that select by it')
    .option('--sport <port>', 'source port', wholeNumber(0, 65535, 'port'))
    .option('--dport <port>', 'destination port', wholeNumber(0, 65535, 'port'))
    .option(
      '--routes <file>',
      'text of `ip route show table all`, or its -j JSON, instead of the live kernel',
    )
    .option(
      '--rules <file>',
      'text of `ip rule`, or its -j JSON (default: the rules every namespace starts with)',
    )
    .addOption(addrsOption())
    .addOption(new Option('--snapshot <file>', 'file of `nstap snapshot save`').conflicts('routes'))
    .addOption(atOption())
    .addOption(tzOption())
    .addOption(historyDbOption())
    .option(
      '--batch <file>',
      'one JSON query a line (dst, from, iif, oif, tos or dscp, mark, uid, ipproto, sport, dport); - is stdin',
    )
    .option('--verify', 'ask the kernel too, and mark where it disagrees')
    .option('--json', 'print one JSON object')
    .addHelpText(
      'after',
      `
Example:
  $ nstap route get 10.2.3.4 --netns lab-r --from 10.1.0.5 --iif eth0
  $ nstap route get 8.8.8.8 --routes routes.txt
  $ nstap route get 8.8.8.8 --netns lab-r --at 10m   # what the kernel would have done ten minutes ago
  $ echo '{"dst":"8.8.8.8"}' | nstap route get --batch - --verify`,
    )
    .action(async (dst: string | undefined, flags: RouteGetFlags) => {
      const { routeGetCommand } = await import('../route-command.ts');
      process.exitCode = await routeGetCommand(dst, flags);
    });
}
