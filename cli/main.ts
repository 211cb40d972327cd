import { CommanderError } from 'commander';
import { registerCompletion } from './commands/completion.ts';
import { ExitStatus, UsageError } from './errors.ts';
import { printable } from './format/printable.ts';
import { createProgram } from './program.ts';

/** Says why on stderr. @returns the exit status */
function report(error: unknown): number {
  // Commander has printed its own message, or the help.
  if (error instanceof CommanderError) return error.exitCode === 0 ? ExitStatus.Done : ExitStatus.Usage;
  if (isBrokenPipe(error)) return ExitStatus.Done;
  const text = error instanceof Error ? error.message : String(error);
  const shown = process.env.NSTAP_DEBUG && error instanceof Error ? error.stack! : printable(text, '\n');
  process.stderr.write(`nstap: ${shown}\n`);
  return error instanceof UsageError || isMistake(error) ? ExitStatus.Usage : ExitStatus.Failed;
}

function isBrokenPipe(error: unknown): boolean {
  return (error as { code?: unknown })?.code === 'EPIPE';
}

/** In a filter, a selector, or the configuration. Told by its code, so that what throws it is loaded by those commands only that need it. */
function isMistake(error: unknown): boolean {
  const { code } = (error ?? {}) as { code?: unknown };
  return code === 'PCAP_FILTER' || code === 'SELECTOR' || code === 'CONFIG';
}

async function main(): Promise<void> {
  // `nstap flows | head`: whoever read has seen enough.
  process.stdout.on('error', (error) => process.exit(report(error)));
  process.stderr.on('error', () => process.exit(ExitStatus.Failed));
  process.on('SIGINT', () => {
    // A command that drains on Ctrl-C has its own listener.
    if (process.listenerCount('SIGINT') === 1) process.exit(ExitStatus.Interrupted);
  });
  try {
    const program = await createProgram(process.argv.slice(2));
    registerCompletion(program, createProgram);
    await program.parseAsync();
  } catch (error) {
    process.exitCode = report(error);
  }
}

await main();
