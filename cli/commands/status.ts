import { type Command, Option } from 'commander';
import { wholeNumber } from '../option-values.ts';
import type { StatusFlags } from '../status-command.ts';

/** `nstap status`: the daemon that is running, what it captured, and what was lost. */
export function registerStatus(program: Command): void {
  program
    .command('status')
    .description('the run that is going on, or the latest one: what it captured, and what was lost')
    .option('--db <file>', 'database to read (default: see `nstap --help`)')
    .option('--control <socket>', 'control socket of the daemon, or "none": only the database is read')
    .option('--json', 'print one JSON object')
    .addOption(
      new Option('--watch [seconds]', 'again and again, until Ctrl-C; with --json one object a line')
        .preset('2')
        .argParser(wholeNumber(1, 86_400, 'seconds')),
    )
    .addHelpText(
      'after',
      `
The line "law" is what nstap stands for: all that the kernel received was decoded, was undecodable, or was dropped and counted.
Read from the database, where counters of a running daemon are about a second old; a daemon that runs is asked as well, and its
database is the default then. What is lost is red on a terminal, and listed in the last lines with what helps. RECEIVED is what
the kernel counted after the filter, its drops included; FLOWS are those in the flow table now, CPU/PKT is of the capture
thread. Exit status 1 when there is no database, or nothing in it, or the daemon that --control names does not answer.

Keys of --json, all always there:
  database
  run         run_id kind version pid host command_line started ended state (running, ended, gone, unknown)
              flows records clamped_times queue_waiting queue_size (batches for the database) capture_cpu_ns
  retention   partitions octets from dropped_partitions dropped_flows dropped_octets
  captures[]  netns netns_id interface source file filter ended received packets bytes decoded undecoded unaccounted
              truncated fragments tunnelled tunnel_undecoded kernel_drops duplicates shed_records shed_route_changes
              evicted_flows untracked_flows shed_hints alive_flows cpu_ns
  gaps[]      netns interface from to reason: not captured in that time, as the engine before had ended
  namespaces[] netns netns_id
              mirror {resyncs reloads applied interrupted shed_updates}  audit {asked agreed disagreed unasked}, or null
  totals      the counts of captures, mirrors and audits added up
  balanced    true: packets = decoded + undecoded in every capture
  daemon      null, or of the daemon that writes this database, now:
              control version pid engine_pid uptime_s engine_uptime_s engine_restarts engine_cpu_s engine_rss_bytes
              storage_trouble flows max_flows queued_batches max_queued_batches clients max_clients refused_clients
              skipped_packets skipped_flows
              captures[] netns netns_id interface received kernel_drops duplicates packets bytes decoded undecoded

Example:
  $ nstap status
  $ nstap status --watch 5
  $ nstap status --json | jq -e '.run.state == "running" and .totals.kernel_drops == 0'`,
    )
    .action(async (flags: StatusFlags) => {
      const { statusCommand } = await import('../status-command.ts');
      process.exitCode = await statusCommand(flags);
    });
}
