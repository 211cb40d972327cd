import type { Command } from 'commander';
import { createProgram } from '../../../cli/program.ts';

const program = await createProgram();

/** What ends a command of the shell. */
const ENDS = new Set(['|', '&&', '||', ';', '&', '>', '<', '2>']);
/** Commands that are put in front of another one, with what of their own may follow. */
const BEFORE = new Set(['sudo', 'npx', 'exec']);

/**
 * What is wrong with the calls of nstap in these lines: a command or option that it does not have.
 * Blanks within quotes count as part of a word; of variables and substitutions nothing is known.
 */
export function wrongCalls(lines: readonly string[]): string[] {
  const wrong: string[] = [];
  for (const words of commandsOf(lines.join('\n').replaceAll('\\\n', ' '))) {
    while (BEFORE.has(words[0] ?? '')) words.shift();
    if (words[0] === 'nstap') wrong.push(...wrongWords(words.slice(1)));
  }
  return wrong;
}

function wrongWords(words: readonly string[]): string[] {
  let command: Command = program;
  const wrong: string[] = [];
  for (const [i, word] of words.entries()) {
    if (word === '--') break;
    if (word.startsWith('--')) {
      const name = word.split('=')[0];
      const known = [...command.options, ...(command.parent?.options ?? [])];
      if (name !== '--help' && !known.some(({ long }) => long === name))
        wrong.push(`${command.name()}: no option ${name}`);
      continue;
    }
    if (command.commands.length === 0) continue;
    const next = command.commands.find((each) => each.name() === word);
    if (next !== undefined) command = next;
    else if (word !== 'completion' || i > 0) wrong.push(`${command.name()}: no command ${word}`);
    if (next === undefined) break;
  }
  return wrong;
}

/** Words of each command, without comments. */
function commandsOf(text: string): string[][] {
  const commands: string[][] = [];
  for (const line of text.split('\n')) {
    let words: string[] = [];
    commands.push(words);
    for (const [word] of line.matchAll(/(?:'[^']*'|"[^"]*"|[^\s'"])+/g)) {
      if (word.startsWith('#')) break;
      if (!ENDS.has(word)) {
        words.push(word.replace(/;$/, ''));
        if (!word.endsWith(';')) continue;
      }
      words = [];
      commands.push(words);
    }
  }
  return commands;
}
