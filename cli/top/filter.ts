import { encodeFilter, FilterJsonError } from '../../storage/filter-json.ts';
import { inapplicable } from '../../storage/filter-scope.ts';
import { UsageError } from '../errors.ts';
import { parseFilter } from '../filter/parse.ts';

/** A filter that was read without a mistake. */
export interface TopFilter {
  /** As it was typed. */
  text: string;
  /** As the daemon is told; '': all flows. */
  json: string;
}

/** What is wrong with what was typed. */
export interface FilterMistake {
  /** One line. */
  message: string;
  /** Characters before the place, or null where there is no single one. */
  at: number | null;
}

/** Reads a filter. @returns the mistake where there is one */
export function readTopFilter(text: string): TopFilter | FilterMistake {
  try {
    const node = parseFilter(text);
    if (node === null) return { text, json: '' };
    const [first] = inapplicable(node, 'rankedFlow');
    if (first !== undefined) return { message: first.message, at: null };
    return { text, json: encodeFilter(node) };
  } catch (error) {
    if (error instanceof FilterJsonError) return { message: error.message, at: null };
    if (error instanceof UsageError) return mistakeOf(error.message);
    throw error;
  }
}

/** "filter: what is wrong", the expression, and a caret below the place. */
function mistakeOf(message: string): FilterMistake {
  const [what, expression, caret] = message.split('\n');
  const at = caret === undefined ? -1 : caret.indexOf('^');
  const isWhole = expression !== undefined && !expression.includes('…');
  // There is one line: what helps most comes first.
  const shown = what!.replace(/^filter: /, '').replace(/^(.*); (did you mean .*\?)$/, '$2 $1');
  return { message: shown, at: at >= 2 && isWhole ? at - 2 : null };
}
