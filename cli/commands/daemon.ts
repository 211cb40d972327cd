import { type Command, Option } from 'commander';
import {
  ACTIVE_TIMEOUT_DEFAULT,
  AUDIT_RATE_DEFAULT,
  AUDIT_RATE_MAX,
  BACKENDS,
  LOG_LEVELS,
  MAX_FLOWS_DEFAULT,
  RING_MIB_DEFAULT,
  RING_MIB_MAX,
  SNAPLEN_DEFAULT,
  SNAPLEN_MIN,
} from '../../daemon/config.ts';
import type { DaemonCommandFlags } from '../daemon-command.ts';
import { collect, MAX_FLOWS_LIMIT, tunnelsOption, wholeNumber } from '../option-values.ts';

/** `nstap daemon`: captures in the foreground until SIGTERM or SIGINT. */
export function registerDaemon(program: Command): void {
  program
    .command('daemon')
    .description('capture in network namespaces and keep their flows, in the foreground; needs root')
    .option(
      '--netns <selector>',
      'namespace: a name, a pattern, a path, "host", or "any" (host and all of `ip netns`); may be repeated (default: any)',
      collect,
      [],
    )
    .option(
      '--interface <pattern>',
      'interfaces by name or pattern; may be repeated (default: all)',
      collect,
      [],
    )
    .option('--filter <expr>', 'only packets that this tcpdump expression matches')
    .option('--db <file>', 'database to write to (default: see `nstap --help`)')
    .addOption(
      new Option(
        '--backend <name>',
        "ring, the kernel's own; or libpcap, slower and with two capabilities kept, for devices without a ring",
      )
        .choices(BACKENDS)
        .default('ring'),
    )
    .option(
      '--user <name>',
      'user that parses packets and writes the database (default: nstap, else nobody, else the owner of its folder)',
    )
    .option(
      '--ring-mib <n>',
      `ring of an interface in MiB (default: ${RING_MIB_DEFAULT})`,
      wholeNumber(2, RING_MIB_MAX, 'MiB'),
    )
    .option(
      '--ring-total-mib <n>',
      'bound on all rings together; interfaces beyond it get smaller ones (default: a quarter of memory)',
      wholeNumber(1, 1 << 20, 'MiB'),
    )
    .option(
      '--snaplen <n>',
      `octets captured of a packet; 256 are enough for flows (default: ${SNAPLEN_DEFAULT})`,
      wholeNumber(SNAPLEN_MIN, SNAPLEN_DEFAULT, 'octets'),
    )
    .option(
      '--idle-timeout <sec>',
      'a flow without packets ends after this time (default: TCP 300, others 60)',
      wholeNumber(1, 86_400, 'seconds'),
    )
    .option(
      '--active-timeout <sec>',
      `a flow that goes on is written this often (default: ${ACTIVE_TIMEOUT_DEFAULT})`,
      wholeNumber(1, 86_400, 'seconds'),
    )
    .option(
      '--max-flows <n>',
      `bound on flows held in memory at once (default: ${MAX_FLOWS_DEFAULT})`,
      wholeNumber(1, MAX_FLOWS_LIMIT, 'flows'),
    )
    .addOption(tunnelsOption())
    .option(
      '--audit-rate <n>',
      `route decisions a second and namespace that the kernel is asked for as well; 0: none (default: ${AUDIT_RATE_DEFAULT})`,
      wholeNumber(0, AUDIT_RATE_MAX, 'decisions'),
    )
    .option('--no-route-history', 'do not keep how the tables were over time, for `nstap routes --at`')
    .addOption(
      new Option('--log-level <level>', 'least level that is logged').choices(LOG_LEVELS).default('info'),
    )
    .addHelpText(
      'after',
      `
Example:
  $ sudo nstap daemon --netns 'lab-*' --interface 'veth*' --filter 'not port 22' --db /var/lib/nstap/flows.db

Logs are JSON lines on stderr. SIGTERM or Ctrl-C writes every flow and ends with 0; a second one ends at once.
Packets are parsed by a process of its own that is not root and has no capability.`,
    )
    .action(async (flags: DaemonCommandFlags) => {
      const { daemonCommand } = await import('../daemon-command.ts');
      process.exitCode = await daemonCommand(flags);
    });
}
