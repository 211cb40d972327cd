import { readdirSync } from 'node:fs';
import { Argument, type Command, type Option } from 'commander';

const SHELLS = ['bash', 'zsh', 'fish'] as const;

/** Words that stand for a namespace beside those of ip-netns(8). */
const NETNS_WORDS = ['host', 'any'];
const RUN_NETNS = '/run/netns';

/**
 * `nstap completion SHELL` prints what a shell has to load; that asks `nstap complete -- WORDS…` at each Tab, a command
 * which `--help` does not list.
 * @param create makes the command line anew: what is completed is read from it
 */
export function registerCompletion(program: Command, create: () => Promise<Command>): void {
  program
    .command('completion')
    .description('print what a shell needs to complete the words of nstap')
    .addArgument(new Argument('<shell>', 'your shell').choices(SHELLS))
    .addHelpText(
      'after',
      `
Example:
  $ source <(nstap completion bash)                                  # this shell; in ~/.bashrc: every one
  $ nstap completion bash | sudo tee /etc/bash_completion.d/nstap    # every user's
  $ nstap completion zsh > ~/.zfunc/_nstap                           # with fpath+=(~/.zfunc) before compinit
  $ nstap completion fish > ~/.config/fish/completions/nstap.fish`,
    )
    .action(async (shell: string) => {
      const { default: tab } = await import('@bomb.sh/tab');
      tab.setup('nstap', 'nstap', shell);
    });
  program
    .command('complete', { hidden: true })
    .argument('[words...]')
    .action(async (words: string[]) => {
      const { default: describe } = await import('@bomb.sh/tab/commander');
      const program = await create();
      const tree = describe(program);
      const word = words.at(-1) ?? '';
      for (const command of commandsOf(program)) {
        const described = tree.commands.get(command.path);
        for (const option of command.options) {
          const known = described?.options.get(option.name());
          const values = option.argChoices === undefined ? valuesOf(option.flags, word) : null;
          if (known !== undefined && values !== null)
            known.handler = (add) => values().forEach((value) => void add(value, ''));
        }
        for (const argument of command.arguments) {
          const known = described?.arguments.get(argument.name());
          if (known !== undefined && argument.name() === 'file')
            known.handler = (add) => files(word).forEach((value) => void add(value, ''));
        }
      }
      tree.parse(words);
    });
}

interface CommandWords {
  /** As it is typed after `nstap`. */
  path: string;
  options: readonly Option[];
  arguments: readonly Argument[];
}

function commandsOf(command: Command, before: string[] = []): CommandWords[] {
  return command.commands.flatMap((child) => {
    const path = [...before, child.name()];
    const here = { path: path.join(' '), options: child.options, arguments: child.registeredArguments };
    return [here, ...commandsOf(child, path)];
  });
}

/** What completes the value of an option, by the name of that value in its flags; null: nothing does. */
function valuesOf(flags: string, word: string): (() => string[]) | null {
  if (flags.startsWith('--netns ')) return namespaces;
  return flags.endsWith(' <file>') ? () => files(word.replace(/^--[a-z-]+=/, '')) : null;
}

/** Files and folders that begin as `word` does; a folder ends with a slash. A folder that cannot be read has none. */
function files(word: string): string[] {
  const folder = word.slice(0, word.lastIndexOf('/') + 1);
  try {
    return readdirSync(folder === '' ? '.' : folder, { withFileTypes: true })
      .filter(({ name }) => !name.startsWith('.') || word.startsWith(`${folder}.`))
      .map((entry) => `${folder}${entry.name}${entry.isDirectory() ? '/' : ''}`)
      .filter((path) => path.startsWith(word));
  } catch {
    return [];
  }
}

/** What exists now; no namespace has been named yet when there is no folder. */
function namespaces(): string[] {
  try {
    return [...NETNS_WORDS, ...readdirSync(RUN_NETNS)];
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return NETNS_WORDS;
    throw error;
  }
}
