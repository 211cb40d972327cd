import type { Command } from 'commander';

/** `nstap demo`: a lab of namespaces, real traffic in it, and its flows with their route decisions. */
export function registerDemo(program: Command): void {
  program
    .command('demo')
    .description('build a lab of namespaces, capture real traffic in it, show its flows, remove everything')
    .addHelpText(
      'after',
      `
Example:
  $ sudo nstap demo

Takes some ten seconds. Without root it replays a bundled capture instead.`,
    )
    .action(async () => {
      const { demoCommand } = await import('../demo-command.ts');
      process.exitCode = await demoCommand();
    });
}
