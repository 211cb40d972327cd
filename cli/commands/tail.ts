import { type Command, Option } from 'commander';
import type { TailFlags } from '../tail/tail-options.ts';
import { wholeNumber } from '../option-values.ts';
import { resolveOption } from '../resolve-option.ts';
import { tzOption } from '../time-option.ts';

type Given = Omit<TailFlags, 't' | 'x' | 'X'>;

/** `nstap tail`: live packets of a running daemon. */
export function registerTail(program: Command): void {
  const times = { t: 0, x: 0, X: 0 };
  const command = program
    .command('tail')
    .description('live packets in the manner of tcpdump, with namespace, direction and route')
    .argument('[filter...]', 'expression as for `nstap flows`, asked of each packet; see below')
    .option('--control <socket>', 'control socket of the daemon (default: see `nstap --help`)')
    .option('--netns <name>', 'only of this namespace: a name, a pattern, or "host"')
    .option('-i, --interface <name>', 'only of interfaces with this name, or whose name matches this pattern')
    .option(
      '-c, --count <n>',
      'end after so many packets',
      wholeNumber(1, Number.MAX_SAFE_INTEGER, 'packets'),
    )
    .option('-w, --write <file>', 'write a pcapng file instead of lines; "-" is stdout')
    .option('--print', 'with -w: print lines as well')
    .option(
      '-s, --snaplen <n>',
      'octets of each packet, at most; 0: all, up to 65,535 (default: 256, with -w all)',
      wholeNumber(0, 65_535, 'octets'),
    )
    .addOption(new Option('--format <name>', 'how to print').choices(['text', 'ndjson']))
    .addOption(new Option('--json', 'print one JSON array').conflicts('format'))
    .option(
      '-t',
      'time: -t none, -tt seconds, -ttt since the one before, -tttt with date, -ttttt since the first',
    )
    .addOption(tzOption('zone of the times'))
    .addOption(resolveOption())
    .option('--nano', 'times in nanoseconds')
    .option('-e, --link', 'with the link header: addresses, EtherType, VLAN tags')
    .option('-q, --quiet', 'less of TCP and UDP')
    .option('-v, --verbose', 'all that is known of the route decision')
    .option('-x', 'with the octets in hex; -xx with those of the link header')
    .option('-X', 'as -x, and in ASCII; -XX with those of the link header')
    .option('--no-route', 'without the route decision')
    .addOption(new Option('-n').hideHelp())
    .addOption(new Option('-l').hideHelp())
    .addOption(new Option('-U').hideHelp())
    .addHelpText(
      'after',
      `
Asks a running daemon (\`nstap daemon\`); numbers stay numbers (-n), each packet is printed at once (-l, -U). A line:
  TIME NETNS/IF In|Out|B|M|P IP SRC.PORT > DST.PORT: …, length N, -> TABLE PREFIX via GATEWAY dev NAME
What is dropped is red on a terminal. The filter is asked in the daemon before anything is left out: a rare packet is seen at any
rate. When more match than can be shown, stderr says how many are not; shown + skipped = matched, always. Exit status 0 after
-c packets, 130 after Ctrl-C, both with a summary on stderr; 1 when the daemon ends.

Filter: as of \`nstap flows --help\`, but for what only a whole flow has (state, packets, duration, retransmits, experiment,
route changed, …). bytes is the length on the wire, src the sender. docs/tail.md tells more.

Example:
  $ nstap tail netns red and tcp port 443
  $ nstap tail route verdict drop                       # what is dropped, and why
  $ nstap tail -c 100 --format ndjson udp port 53
  $ nstap tail --netns 'lab-*' -w - | wireshark -k -i -  # the route decision is in the packet comments
  $ nstap tail -w out.pcapng 'net 10.0.0.0/8'`,
    )
    .action(async (words: string[], flags: Given) => {
      const { tailCommand } = await import('../tail-command.ts');
      process.exitCode = await tailCommand(words.join(' '), { ...flags, ...times });
    });
  // As in tcpdump these count, which options of commander do not.
  for (const letter of ['t', 'x', 'X'] as const) command.on(`option:${letter}`, () => times[letter]++);
}
