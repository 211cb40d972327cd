import type { Command, Option } from 'commander';

/** Sections that no command's help has. Paragraphs of plain text. */
const SECTIONS: readonly (readonly [string, readonly (readonly [string, string])[]])[] = [
  [
    'EXIT STATUS',
    [
      ['0', 'done'],
      ['1', 'failed; the reason is on standard error'],
      ['2', 'wrong usage: an option, an argument, a filter, a key of the configuration'],
      ['130', 'interrupted by Ctrl-C'],
    ],
  ],
  [
    'SIGNALS',
    [
      ['SIGTERM, SIGINT', 'nstap daemon writes every flow and ends with 0; a second one ends it at once'],
      ['SIGHUP', 'nstap daemon reads its configuration again'],
    ],
  ],
  [
    'ENVIRONMENT',
    [
      ['NSTAP_DB', 'the database where no --db is given'],
      ['XDG_STATE_HOME', 'where the database of users other than root is'],
      ['XDG_CACHE_HOME', 'where compiled modules are kept, by default in /var/cache for root'],
      ['NODE_DISABLE_COMPILE_CACHE', 'set to 1, none are kept'],
      ['NO_COLOR', 'no colours, whatever it is set to; --color comes before it'],
      ['NSTAP_PAGER, PAGER', 'what shows long lists on a terminal (default: less); cat or nothing: no pager'],
      ['LESS', 'options of less (default here, as in git: FRX)'],
      ['NSTAP_DEBUG', 'errors with their stack'],
    ],
  ],
  [
    'FILES',
    [
      ['/etc/nstap/nstap.toml', 'configuration of nstap daemon, where it exists'],
      ['/var/lib/nstap/flows.db', "the daemon's database"],
      ['/var/cache/nstap, ~/.cache/nstap', 'compiled modules of root, of others; may be removed'],
      ['/run/nstap/control.sock', "the daemon's control socket"],
      ['/run/netns', 'names of network namespaces, see ip-netns(8)'],
    ],
  ],
];

const SEE_ALSO = 'ip-netns(8), ip-route(8), ip-rule(8), tcpdump(8), pcap-filter(7), packet(7), namespaces(7)';

/**
 * The manual page nstap(8) in the language of man(7), from the same words as `--help`.
 * @param program the command line
 * @param version shown in the footer
 */
export function manPage(program: Command, version: string): string {
  const lines = [
    `.TH NSTAP 8 "" "nstap ${version}" "System Administration"`,
    '.SH NAME',
    `nstap \\- ${roff(program.description())}`,
    '.SH SYNOPSIS',
    '.B nstap',
    '.I COMMAND',
    '[\\fIOPTION\\fR]... [\\fIARGUMENT\\fR]...',
    '.SH COMMANDS',
    ...visible(program).flatMap((command) => commandLines(command, 'nstap')),
  ];
  for (const [title, entries] of SECTIONS) {
    lines.push(`.SH ${title}`);
    for (const [term, text] of entries) lines.push('.TP', `.B ${roff(term)}`, roff(text));
  }
  lines.push('.SH SEE ALSO', roff(SEE_ALSO));
  return `${lines.join('\n')}\n`;
}

function commandLines(command: Command, parent: string): string[] {
  const path = `${parent} ${command.name()}`;
  const children = visible(command);
  const usage = command.usage();
  const lines = [`.SS ${roff(`${path} ${usage}`.trim())}`, roff(command.description())];
  for (const argument of command.registeredArguments)
    if (argument.description) lines.push('.TP', `.I ${roff(argument.name())}`, roff(argument.description));
  for (const option of command.options) if (!option.hidden) lines.push(...optionLines(option));
  const more = textAfter(command);
  if (more !== '') lines.push('.PP', '.nf', ...more.split('\n').map(roff), '.fi');
  return [...lines, ...children.flatMap((child) => commandLines(child, path))];
}

function optionLines(option: Option): string[] {
  const choices = option.argChoices === undefined ? '' : ` (${option.argChoices.join(', ')})`;
  const value: unknown = option.defaultValue;
  const known = typeof value === 'string' || typeof value === 'number';
  const byDefault = known && !option.description.includes('default') ? ` (default: ${value})` : '';
  return ['.TP', `.B ${roff(option.flags)}`, roff(`${option.description}${choices}${byDefault}`)];
}

function visible(command: Command): readonly Command[] {
  return command
    .createHelp()
    .visibleCommands(command)
    .filter((child) => child.name() !== 'help');
}

/** What addHelpText('after', …) put behind the help: commander shows it only when it prints. */
function textAfter(command: Command): string {
  let text = '';
  command.configureOutput({
    writeOut: (part) => {
      text += part;
    },
    getOutHasColors: () => false,
  });
  command.outputHelp();
  return text.slice(command.helpInformation().length).trim();
}

/** A line of text: hyphens that can be copied, no line that looks like a request. groff_man_style(7) */
function roff(text: string): string {
  const line = text
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replaceAll("'", '\\(aq')
    .replaceAll('`', '\\(ga')
    .replace(
      /[^\x20-\x7e]/gu,
      (c) => `\\[u${c.codePointAt(0)!.toString(16).toUpperCase().padStart(4, '0')}]`,
    );
  return /^[.]/.test(line) ? `\\&${line}` : line;
}
