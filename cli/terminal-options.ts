/** What `--color` takes. */
export const COLOR_CHOICES = ['auto', 'always', 'never'] as const;
export type ColorChoice = (typeof COLOR_CHOICES)[number];

/** Options of the program that are about the terminal, whatever the command. */
export interface TerminalFlags {
  /** false: `--no-color` */
  color?: ColorChoice | boolean;
  /** false: `--no-pager` */
  pager?: boolean;
}

let flags: TerminalFlags = {};

/** Takes the options as they were given; to be called before a command runs. */
export function setTerminalFlags(given: TerminalFlags): void {
  flags = given;
}

/** What was asked for on the command line; `auto` leaves it to the environment. */
export function colorChoice(): ColorChoice {
  if (flags.color === false) return 'never';
  return flags.color === undefined || flags.color === true ? 'auto' : flags.color;
}

/** False with `--no-pager`. */
export function mayPage(): boolean {
  return flags.pager !== false;
}
