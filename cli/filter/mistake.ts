import { UsageError } from '../errors.ts';

/** A longer expression is shown around the mistake only. */
const SHOWN_MAX = 400;
const SHOWN_BEFORE = 60;
const SHOWN_AFTER = 40;

/** The error for a mistake: what is wrong, the expression, a caret under the place. @param at index into the expression */
export function mistakeAt(expression: string, at: number, what: string): UsageError {
  let shown = expression;
  let caret = at;
  if (expression.length > SHOWN_MAX) {
    const from = Math.max(0, at - SHOWN_BEFORE);
    const to = at + SHOWN_AFTER;
    const before = from > 0 ? '…' : '';
    shown = `${before}${expression.slice(from, to)}${to < expression.length ? '…' : ''}`;
    caret = at - from + before.length;
  }
  // A tab or line break would move the caret away from its place.
  return new UsageError(`filter: ${what}\n  ${shown.replace(/\s/g, ' ')}\n  ${' '.repeat(caret)}^`);
}
