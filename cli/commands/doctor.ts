import type { Command } from 'commander';
import type { DoctorFlags } from '../doctor-command.ts';

/** `nstap doctor`: what of this host is missing for nstap, and how to get it. */
export function registerDoctor(program: Command): void {
  program
    .command('doctor')
    .description('what the daemon needs of this host: what is there, what is missing, how to get it')
    .option('--db <file>', 'database that the daemon would write (default: see `nstap --help`)')
    .option('--json', 'print a JSON list: check, state (ok, warn, fail), text, advice')
    .addHelpText(
      'after',
      `
It changes nothing. Exit status 1 when the daemon could not work here; a warning alone is no failure.

Example:
  $ sudo nstap doctor
  $ nstap doctor --json | jq -r '.[] | select(.state != "ok") | .advice'`,
    )
    .action(async (flags: DoctorFlags) => {
      const { doctorCommand } = await import('../doctor-command.ts');
      process.exitCode = await doctorCommand(flags);
    });
}
