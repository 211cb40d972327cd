import { type Command, Option } from 'commander';
import { METERING_OPTIONS } from '../../daemon/options/metering-options.ts';
import { addOptions } from '../option-flags.ts';
import { wholeNumber } from '../option-values.ts';
import type { ReplayFlags } from '../replay-command.ts';
import { addrsOption } from '../route-options.ts';

/** Meter threads of one replay. */
const THREADS_MAX = 16;

/** `nstap replay FILE…`: savefiles through the same path as live packets, into the database. */
export function registerReplay(program: Command): void {
  const command = program
    .command('replay')
    .description('read pcap and pcapng files into the database, through the same path as live packets')
    .argument('<file...>', 'pcap or pcapng, also gzip or zstd of them; - is stdin')
    .option('--db <file>', 'database to write to (default: see `nstap --help`)')
    .option(
      '--routes <file>',
      'text of `ip route show table all`, or its -j JSON: tag flows with these routes',
    )
    .option(
      '--rules <file>',
      'text of `ip rule`, or its -j JSON (default: the three rules every namespace starts with)',
    )
    .addOption(addrsOption())
    .option(
      '--snapshot <file>',
      'file of `nstap snapshot save` (routes, rules, interfaces, sysctls), instead of --routes, --rules and --addrs',
    )
    .option(
      '--compare <file>',
      'second snapshot, or text of `ip route`: show the flows that would go another way with it',
    )
    .option('--netns <name>', 'namespace name to store with the flows')
    .option('--filter <expr>', 'only packets that this tcpdump expression matches');
  addOptions(command, METERING_OPTIONS, { '--checkpoint': '0; 10 where a file is -' });
  command
    .addOption(
      new Option(
        '--threads <n>',
        'threads that read and meter; flows and counts do not depend on it. Pipes and compressed files take one (default: as many as help)',
      ).argParser(wholeNumber(1, THREADS_MAX, 'threads')),
    )
    .option('--json', 'print the totals as one JSON object')
    .addHelpText(
      'after',
      `
Example:
  $ nstap replay --db /tmp/x.db --routes routes.txt --addrs addr.txt capture.pcapng
  $ zcat big.pcap.gz | nstap replay --db /tmp/x.db --filter 'tcp port 443' -
  $ nstap replay --db /tmp/x.db --tunnels both overlay.pcap
  $ nstap replay --db /tmp/x.db --hints --timeseries --timeout udp=30 capture.pcap   # see docs/timeouts.md
  $ nstap replay --snapshot before.json --compare after.json yesterday.pcap   # see docs/snapshots.md
  $ nstap flows --db /tmp/x.db`,
    )
    .action(async (files: string[], flags: ReplayFlags) => {
      const { replayCommand } = await import('../replay-command.ts');
      process.exitCode = await replayCommand(files, flags);
    });
}
