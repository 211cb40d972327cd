import { type Command, Option } from 'commander';
import {
  AUDIT_RATE_DEFAULT,
  AUDIT_RATE_MAX,
  BACKENDS,
  CHECKPOINT_DEFAULT,
  LOG_LEVELS,
  RING_MIB_DEFAULT,
  RING_MIB_MAX,
  SNAPLEN_DEFAULT,
  SNAPLEN_MIN,
} from '../../daemon/config.ts';
import {
  NETNS_SELECTORS,
  parseInterfaceSelectors,
  parseNetnsSelectors,
} from '../../daemon/netns/selector.ts';
import type { DaemonCommandFlags } from '../daemon-command.ts';
import { addMeteringOptions } from '../metering-options.ts';
import { collectSelectors, wholeNumber } from '../option-values.ts';

/** `nstap daemon`: captures in the foreground until SIGTERM or SIGINT. */
export function registerDaemon(program: Command): void {
  const command = program
    .command('daemon')
    .description('capture in network namespaces and keep their flows, in the foreground; needs root')
    .option(
      '--netns <selector>',
      `namespaces to capture in, may be repeated: ${NETNS_SELECTORS} (default: any)`,
      collectSelectors(parseNetnsSelectors),
      [],
    )
    .option(
      '--interface <pattern>',
      'interfaces by name or pattern, ! before one leaves it out; may be repeated (default: all)',
      collectSelectors(parseInterfaceSelectors),
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
    );
  addMeteringOptions(command, String(CHECKPOINT_DEFAULT));
  command
    .option(
      '--audit-rate <n>',
      `route decisions a second and namespace that the kernel is asked for as well; 0: none (default: ${AUDIT_RATE_DEFAULT})`,
      wholeNumber(0, AUDIT_RATE_MAX, 'decisions'),
    )
    .option('--no-route-history', 'do not keep how the tables were over time, for `nstap routes --at`')
    .option('--control <socket>', 'socket for clients, or "none" (default: see `nstap --help`)')
    .addOption(
      new Option('--log-level <level>', 'least level that is logged').choices(LOG_LEVELS).default('info'),
    )
    .addHelpText(
      'after',
      `
Example:
  $ sudo nstap daemon --netns 'lab-*' --interface 'veth*' --filter 'not port 22' --db /var/lib/nstap/flows.db
  $ sudo nstap daemon --timeout tcp-established=3600,udp=30 --checkpoint 5 --hints --timeseries   # see docs/timeouts.md

  $ sudo nstap daemon --netns all --netns '!host' --interface '!veth*'   # containers and named namespaces, see below

Namespaces: "any" is the host and every name of \`ip netns\`; "processes" every namespace that a process is in, but the host's:
containers of Docker, Podman and containerd are called docker:ID and so on, others pid:N:PROGRAM; "all" is both; "newly" is
what comes after the start. What any one chooses is captured, less what one with ! names. They may come and go while the
daemon runs, and so may interfaces. docs/namespaces.md says more.
Logs are JSON lines on stderr. SIGTERM or Ctrl-C writes every flow and ends with 0; a second one ends at once.
The control socket is for root and, where there is one, the group nstap; see docs/control.md.
Packets are parsed by a process of its own that is not root and has no capability.`,
    )
    .action(async (flags: DaemonCommandFlags) => {
      const { daemonCommand } = await import('../daemon-command.ts');
      process.exitCode = await daemonCommand(flags);
    });
}
