import type { Command } from 'commander';
import { describe, expect, test } from 'vitest';
import { registerCompletion } from '../../cli/commands/completion.ts';
import { createProgram } from '../../cli/program.ts';
import { nstap } from './run-cli.ts';

const program = await createProgram();
registerCompletion(program, createProgram);

/** Words of every command, but for the one that shells call. */
function commands(command: Command, before: string[] = []): { words: string[]; command: Command }[] {
  return command.commands
    .filter((child) => child.name() !== 'complete')
    .flatMap((child) => {
      const words = [...before, child.name()];
      return [{ words, command: child }, ...commands(child, words)];
    });
}

const ALL = commands(program).map(({ words, command }) => ({ words, name: words.join(' '), command }));

function helpOf(command: Command): string {
  let text = '';
  command.configureOutput({ writeOut: (part) => (text += part) });
  command.outputHelp();
  return text;
}

describe('--help', () => {
  test('knows every command', () => {
    expect(ALL.length).toBeGreaterThan(15);
    expect(ALL.map(({ name }) => name)).toContain('experiment run');
  });

  test.each(ALL)('of $name has an example that calls it', ({ name, command }) => {
    const [before, example] = helpOf(command).split(/^Examples?:$/m);
    expect(before).toMatch(/^Usage: nstap /);
    expect(example).toMatch(new RegExp(`^  \\$ .*\\bnstap\\b.*\\b${name.split(' ')[0]}\\b`, 'm'));
  });

  test('of the program has one, too', () => {
    expect(helpOf(program)).toMatch(/^Example:\n {2}\$ /m);
  });
});

describe('a slip of the finger', () => {
  test.each(
    ALL.filter(({ command }) => command.options.some(({ long }) => (long?.length ?? 0) > 6)).map(
      ({ words, name, command }) => {
        const long = command.options.find((option) => (option.long?.length ?? 0) > 6)!.long!;
        return { words, name, wrong: long.slice(0, -2) + long.slice(-1) };
      },
    ),
  )('in an option of $name ($wrong) gets a suggestion and ends with 2', async ({ words, wrong }) => {
    const run = await nstap([...words, wrong]);
    expect([run.status, run.stdout]).toEqual([2, '']);
    expect(run.stderr).toMatch(/unknown option '--[\w-]+'\n\(Did you mean .*--/);
  });

  test.each([
    ['flwos', /unknown command 'flwos'\n\(Did you mean flows\?\)/],
    ['experiment strat', /unknown command 'strat'\n\(Did you mean start\?\)/],
    ['route gt', /unknown command 'gt'\n\(Did you mean get\?\)/],
    ['flows --format jsno', /Allowed choices are table, json, ndjson, csv \(did you mean json\?\)\./],
    ['--color alway flows', /\(did you mean always\?\)/],
    ['completion bahs', /\(did you mean bash\?\)/],
  ])('%s', async (words, message) => {
    const run = await nstap(words.split(' '));
    expect([run.status, run.stdout]).toEqual([2, '']);
    expect(run.stderr).toMatch(message);
  });
});
