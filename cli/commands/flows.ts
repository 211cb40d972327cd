import { type Command, InvalidArgumentError, Option } from 'commander';
import type { FlowsFlags } from '../flows-command.ts';
import { wholeNumber } from '../option-values.ts';
import { ROW_FORMATS } from '../row-formats.ts';
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
      'start, bytes, packets, duration, rtt, …; largest first, with + in front smallest first (default: start)',
    )
    .option(
      '--limit <n>',
      'at most so many; 0: all (default: 50 in a table, else all)',
      wholeNumber(0, Number.MAX_SAFE_INTEGER, 'flows'),
    )
    .option('--offset <n>', 'leave out the first n', wholeNumber(0, Number.MAX_SAFE_INTEGER, 'flows'))
    .option(
      '--before <flow_id>',
      'go on behind this flow of the list, whatever was captured since: the next page',
      wholeNumber(1, Number.MAX_SAFE_INTEGER, 'flow_id'),
    )
    .option(
      '--columns <fields>',
      'show these fields: any of JSON, route_fwd.prefix, bytes, rate, …; `--columns help` lists them',
    )
    .option('--wide', 'more columns, and none left out or cut')
    .option(
      '--by <fields>',
      'add up by fields with commas between: host, src, dst_port, netns, route.prefix, experiment, hour, start:10m, src/24, …',
    )
    .option(
      '--top <n>',
      'the n with most bytes (or what --sort says); with --by, what the others add up to, too',
      wholeNumber(1, Number.MAX_SAFE_INTEGER, 'rows'),
    )
    .option(
      '--explain [flow_id]',
      'everything about one flow: of this flow_id, or the one that the filter before it leaves',
      flowId,
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
    .addOption(new Option('--format <name>', 'how to print (default: table)').choices(ROW_FORMATS))
    .option('--json', 'as --format json')
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

A table fits the terminal: columns are shortened, then left out (docs/flows.md); in a pipe it is whole.

Example:
  $ nstap flows --since 10m 'tcp port 443 and bytes > 1M'
  $ nstap flows --resolve --since 14:00 host web.lab and port https
  $ nstap flows 'netns blue and route type blackhole' --format ndjson
  $ nstap flows --columns start,flow,rate,rtt_us,route_fwd.prefix,route_fwd.gateway
  $ nstap flows --by host --top 10                          # top talkers
  $ nstap flows --by route.prefix,route.verdict --sort flows
  $ nstap flows --by hour --since 1d                        # also start:5m, day
  $ nstap flows --explain 1234                              # or: nstap flows port 443 --explain
  $ nstap flows --experiment mtu-1400 tcp                   # see docs/experiments.md
  $ nstap flows --series --format ndjson port 443 | jq '.series[] | [.at, .bytes_rev * 8 / 10]'   # bit/s`,
    )
    .action(async (filter: string[], flags: FlowsFlags) => {
      const { flowsCommand } = await import('../flows-command.ts');
      await flowsCommand(filter.join(' '), flags);
    });
}

function flowId(text: string): number {
  if (!/^[1-9]\d{0,15}$/.test(text))
    throw new InvalidArgumentError(
      'Expected a flow_id. A filter stands before --explain: nstap flows FILTER --explain',
    );
  return Number(text);
}
