import type { Command } from 'commander';
import type { DoctorFlags } from '../doctor-command.ts';

/** `nstap doctor`: what of this host is missing for nstap, and how to get it. */
export function registerDoctor(program: Command): void {
  program
    .command('doctor')
    .description('what the daemon needs of this host: what is there, what is missing, how to get it')
    .option('--db <file>', 'database that the daemon would write (default: see `nstap --help`)')
    .option(
      '--control <socket>',
      'control socket of the daemon that is looked for (default: see `nstap --help`)',
    )
    .option('--json', 'print a JSON list: check, state (ok, warn, fail), text, advice')
    .addHelpText(
      'after',
      `
Looks at: Node, capabilities, the kernel's packet ring, namespaces, libpcap, the engine's user, Landlock, the database and the room
for it, descriptors, memory, the group nstap, folders and their modes, whether the database can be read, the clock, the daemon, the
terminal. It changes nothing. Exit status 1 when the daemon could not work here; a warning alone is no failure.

Example:
  $ sudo nstap doctor
  $ nstap doctor --json | jq -r '.[] | select(.state != "ok") | .advice'`,
    )
    .action(async (flags: DoctorFlags) => {
      const { doctorCommand } = await import('../doctor-command.ts');
      process.exitCode = await doctorCommand(flags);
    });
}
