import type { Command } from 'commander';
import { DAEMON_OPTIONS } from '../../daemon/options/daemon-options.ts';
import type { DaemonCommandFlags } from '../daemon-command.ts';
import { addOptions } from '../option-flags.ts';

/** `nstap daemon`: captures in the foreground until SIGTERM or SIGINT. */
export function registerDaemon(program: Command): void {
  const command = program
    .command('daemon')
    .description('capture in network namespaces and keep their flows, in the foreground; needs root')
    .option(
      '--config <file>',
      'TOML file with the same options, see docs/configuration.md; flags go over it (default: /etc/nstap/nstap.toml, if there)',
    )
    .option('--check', 'check the configuration, print all of it as TOML, and end');
  addOptions(command, DAEMON_OPTIONS);
  command
    .addHelpText(
      'after',
      `
Flags without a value have their opposite, for what the file says: --no-hints, --route-history.

Example:
  $ sudo nstap daemon --netns 'lab-*' --interface 'veth*' --filter 'not port 22' --db /var/lib/nstap/flows.db
  $ sudo nstap daemon --timeout tcp-established=3600,udp=30 --checkpoint 5 --hints --timeseries   # see docs/timeouts.md
  $ sudo nstap daemon --config nstap.toml --check
  $ sudo nstap daemon --retain-age 30d --retain-size 50G   # see docs/retention.md
  $ sudo nstap daemon --netns all --netns '!host' --interface '!veth*'   # containers and named namespaces, see below

Namespaces: "any" is the host and every name of \`ip netns\`; "processes" every namespace that a process is in, but the host's:
containers of Docker, Podman and containerd are called docker:ID and so on, others pid:N:PROGRAM; "all" is both; "newly" is
what comes after the start. What any one chooses is captured, less what one with ! names. They may come and go while the
daemon runs, and so may interfaces. docs/namespaces.md says more.
Logs are JSON lines on stderr, see docs/logs.md. SIGTERM or Ctrl-C writes every flow and ends with 0; a second one ends at
once. SIGHUP reads the file anew without a gap in the capture; what needs a restart is logged. --check ends with 0, with 2
for a mistake in the configuration, and with 1 when the daemon could not be started with it.
The control socket is for root and, where there is one, the group nstap; see docs/control.md.
Packets are parsed by a process of its own that is not root and has no capability.`,
    )
    .action(async (flags: DaemonCommandFlags) => {
      const { daemonCommand } = await import('../daemon-command.ts');
      process.exitCode = await daemonCommand(flags);
    });
}
