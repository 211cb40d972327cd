import { type Command, Option } from 'commander';
import type { FlowsFlags } from '../flows-command.ts';
import { wholeNumber } from '../option-values.ts';
import { ROW_FORMATS } from '../output.ts';
import { tzOption } from '../time-option.ts';

/** `nstap flows`: queries the database. */
export function registerFlows(program: Command): void {
  program
    .command('flows')
    .description('show flows of the database, newest first, or add them up')
    .argument('[filter...]', 'expression in the manner of tcpdump; see below')
    .option('--db <file>', 'database to read (default: see `nstap --help`)')
    .option('--since <time>', 'flows alive at or after this time')
    .option('--until <time>', 'flows that started before this time')
    .addOption(tzOption())
    .option('--resolve', 'look up names: of hosts and services in the filter, of addresses for the table')
    .option(
      '--sort <field>',
      'start, bytes, packets, duration, …; largest first, with + in front smallest first',
    )
    .option(
      '--limit <n>',
      'at most so many; 0: all (default: 50 in a table, else all)',
      wholeNumber(0, Number.MAX_SAFE_INTEGER, 'flows'),
    )
    .option(
      '--by <fields>',
      'add up by fields with commas between: host, src, dst, dst_port, protocol, netns, …',
    )
    .option(
      '--experiment <name>',
      'only flows of this experiment: NAME, or NAME#2 for the second of that name',
    )
    .addOption(
      new Option('--last-experiment', 'only flows of the experiment that was started last').conflicts(
        'experiment',
      ),
    )
    .option(
      '--route-changed',
      'only flows whose route decision changed while they lived; the table shows how',
    )
    .option(
      '--series',
      'with each flow its packets and octets for every 10 s, as kept with --timeseries; needs --format json or ndjson',
    )
    .addOption(new Option('--format <name>', 'how to print').choices(ROW_FORMATS).default('table', 'table'))
    .addHelpText(
      'after',
      `
Times: 10m or -10m or 1h30m (ago), 14:00, today, yesterday 14:00, 2026-11-23 14:00, RFC 3339, seconds since the epoch; see docs/times.md.
Without an offset they are of the zone of --tz, and so are those of the table; JSON and CSV have UTC.

Filter:
  [src|dst] host A    [src|dst] net N/LEN    [src|dst] port P    tcp udp icmp icmp6 sctp    proto NAME    ip ip6
  netns NAME    if NAME    vlan [ID]    state SF    flags SA    experiment NAME
  bytes packets retransmits > 1M (k M G)    duration > 5s (ns us ms s m h d)    pps bps bpp > 1k
  flow ID    community-id 1:…=    tunnel [TYPE | any | none | id N | outer N]
  route type|verdict|rule|table|prefix|gateway|dev|stage|observed|confidence VALUE
  route changed
  and or not ( )    = != > >= < <=    in [ A B ]    values in quotes when they have blanks or signs in them

Example:
  $ nstap flows --since 10m 'tcp port 443 and bytes > 1M'
  $ nstap flows --resolve --since 14:00 host web.lab and port https
  $ nstap flows 'netns blue and route type blackhole' --format ndjson
  $ nstap flows --by host --limit 10          # top talkers
  $ nstap flows --experiment mtu-1400 tcp     # see docs/experiments.md
  $ nstap flows --series --format ndjson port 443 | jq '.series[] | [.at, .bytes_rev * 8 / 10]'   # bit/s`,
    )
    .action(async (filter: string[], flags: FlowsFlags) => {
      const { flowsCommand } = await import('../flows-command.ts');
      await flowsCommand(filter.join(' '), flags);
    });
}
