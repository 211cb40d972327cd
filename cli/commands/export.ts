import { type Command, Option } from 'commander';
import { METERING_OPTIONS } from '../../daemon/options/metering-options.ts';
import type { CarveFlags } from '../carve-command.ts';
import { UsageError } from '../errors.ts';
import { EXPORT_FORMATS, PARQUET_CODECS } from '../export/formats.ts';
import type { ExportFlags } from '../export-command.ts';
import { addOptions } from '../option-flags.ts';
import { resolveOption } from '../resolve-option.ts';
import { addrsOption } from '../route-options.ts';
import { tzOption } from '../time-option.ts';

/** Of the options of metering those that say which packets are one flow. */
const CARVE_METERING = METERING_OPTIONS.filter(({ flag }) =>
  ['--idle-timeout', '--timeout', '--max-flows', '--tunnels'].includes(flag),
);
/** Flags that only one of the two uses has, as commander names them. */
const OF_FLOWS = [
  'db',
  'since',
  'until',
  'tz',
  'experiment',
  'lastExperiment',
  'format',
  'output',
  'compress',
  'extra',
];
const OF_CARVING = [
  'write',
  'routes',
  'rules',
  'addrs',
  'snapshot',
  'netns',
  'idleTimeout',
  'timeout',
  'maxFlows',
  'tunnels',
];

/** `nstap export`: flows for other programs, and the packets of flows. */
export function registerExport(program: Command): void {
  const command = program
    .command('export')
    .description(
      'write flows as csv, ndjson, Parquet or a Zeek conn.log; or the packets of flows, with --carve',
    )
    .argument('[filter...]', 'which flows, see `nstap flows --help`; with --carve capture files')
    .option('--db <file>', 'database to read (default: see `nstap --help`)')
    .addOption(
      new Option('--format <name>', "how to write (default: by FILE's name, else csv)").choices(
        Object.keys(EXPORT_FORMATS),
      ),
    )
    .option(
      '-o, --output <file>',
      'where to, whole or not at all; FILE.gz and FILE.zst are compressed; - is stdout (default: -)',
    )
    .addOption(
      new Option('--compress <codec>', 'compression within Parquet (default: snappy)').choices(
        Object.keys(PARQUET_CODECS),
      ),
    )
    .option(
      '--extra',
      'with --format zeek: community id, netns, interface, route, … in columns behind those of Zeek',
    )
    .option('--since <time>', 'flows alive at or after this time')
    .option('--until <time>', 'flows that started before this time')
    .addOption(tzOption('zone of times without one'))
    .addOption(resolveOption())
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
      '--carve <filter>',
      'write the packets of the flows that match, out of the capture files that are named',
    )
    .option('-w, --write <file>', 'with --carve: the pcapng file to write; - is stdout')
    .option(
      '--routes <file>',
      'with --carve: routes to decide with, as for `nstap replay`; each packet then says its decision',
    )
    .option('--rules <file>', 'with --carve: text of `ip rule`')
    .addOption(addrsOption())
    .option(
      '--snapshot <file>',
      'with --carve: file of `nstap snapshot save`, instead of --routes, --rules and --addrs',
    )
    .option('--netns <name>', 'with --carve: namespace name, for filters that ask for it');
  addOptions(command, CARVE_METERING);
  command
    .option('--json', 'print a summary as one JSON object')
    .addHelpText(
      'after',
      `
Example:
  $ nstap export --since 1d -o flows.parquet                     # docs/export.md has the columns
  $ nstap export 'tcp and bytes > 1M' -o big.csv.gz
  $ nstap export --experiment mtu-1400 --format ndjson | jq .conn_state
  $ nstap export -o conn.log && zeek-cut id.orig_h id.resp_h < conn.log
  $ nstap export --format zeek --extra -o conn.log.gz
  $ nstap export --carve 'state S0 or retransmits > 10' -w trouble.pcapng capture.pcap.gz
  $ nstap export --carve 'route verdict drop' --routes routes.txt -w dropped.pcapng *.pcap`,
    )
    .action(async (words: string[], flags: ExportFlags & CarveFlags) => {
      const isCarving = flags.carve !== undefined;
      const foreign = Object.keys(flags).find((name) => (isCarving ? OF_FLOWS : OF_CARVING).includes(name));
      if (foreign !== undefined) {
        const flag = `--${foreign.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
        throw new UsageError(
          isCarving
            ? `${flag} is for flows of a database; --carve reads capture files (give times and the like in the filter)`
            : `${flag} needs --carve FILTER and capture files`,
        );
      }
      if (isCarving) {
        const { carveCommand } = await import('../carve-command.ts');
        process.exitCode = await carveCommand(words, flags);
      } else {
        const { exportCommand } = await import('../export-command.ts');
        process.exitCode = await exportCommand(words.join(' '), flags);
      }
    });
}
