import stringWidth from 'string-width';
import type { RouteVerdict } from '../../storage/route-decision.ts';
import { stdoutColors } from '../output.ts';

export type Colors = ReturnType<typeof stdoutColors>;

/** How the screen is drawn: what the terminal can, and what its user wants. */
export interface Look {
  colors: Colors;
  /** Bars, arrows and lines beyond ASCII. */
  isUnicode: boolean;
}

/** As the environment says: NO_COLOR, and the character set of the locale. */
export function lookOf(env: NodeJS.ProcessEnv = process.env): Look {
  const locale = env.LC_ALL || env.LC_CTYPE || env.LANG || '';
  return { colors: stdoutColors(), isUnicode: /utf-?8/i.test(locale) };
}

/** The colour of what becomes of packets. */
export function verdictColor(colors: Colors, verdict: RouteVerdict | null): (text: string) => string {
  switch (verdict) {
    case 'drop':
      return colors.red;
    case 'forward':
      return colors.cyan;
    case 'deliver':
      return colors.green;
    default:
      return (text) => text;
  }
}

/** Columns that a text takes. */
export function textWidth(text: string): number {
  return isPlain(text) ? text.length : stringWidth(text);
}

/** A text in exactly `width` columns: with blanks, or cut, which "…" ("~" without Unicode) shows. */
export function inColumns(text: string, width: number, align: 'left' | 'right', isUnicode: boolean): string {
  if (width <= 0) return '';
  const own = textWidth(text);
  const shown = own <= width ? text : `${cutTo(text, width - 1)}${isUnicode ? '…' : '~'}`;
  const blanks = ' '.repeat(Math.max(0, width - textWidth(shown)));
  return align === 'right' ? blanks + shown : shown + blanks;
}

function cutTo(text: string, width: number): string {
  if (isPlain(text)) return text.slice(0, width);
  let cut = '';
  let used = 0;
  for (const character of text) {
    used += stringWidth(character);
    if (used > width) break;
    cut += character;
  }
  return cut;
}

/** One column for each character. */
function isPlain(text: string): boolean {
  return /^[\x20-\x7e]*$/.test(text);
}
