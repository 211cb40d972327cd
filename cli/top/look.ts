import type { RouteVerdict } from '../../storage/route-decision.ts';
import { stdoutColors } from '../output.ts';
import { cutTo, textWidth } from '../format/text-width.ts';

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

/** A text in exactly `width` columns: with blanks, or cut, which "…" ("~" without Unicode) shows. */
export function inColumns(text: string, width: number, align: 'left' | 'right', isUnicode: boolean): string {
  if (width <= 0) return '';
  const own = textWidth(text);
  const shown = own <= width ? text : `${cutTo(text, width - 1)}${isUnicode ? '…' : '~'}`;
  const blanks = ' '.repeat(Math.max(0, width - textWidth(shown)));
  return align === 'right' ? blanks + shown : shown + blanks;
}
