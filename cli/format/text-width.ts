import stringWidth from 'string-width';

const ASCII = /^[\x20-\x7e]*$/;
const ELLIPSIS = '…';

/** Columns of a terminal that a text takes: two for a wide character (東), none for a mark on the one before. */
export function textWidth(text: string): number {
  return ASCII.test(text) ? text.length : stringWidth(text);
}

/** The text, or its beginning with `…` behind it when it is wider than `width`; at least one column. */
export function cutEnd(text: string, width: number): string {
  if (textWidth(text) <= width) return text;
  return `${beginning(characters(text), width - 1)}${ELLIPSIS}`;
}

/** As `cutEnd`, but what is left out is in the middle: of names and addresses both ends tell them apart. */
export function cutMiddle(text: string, width: number): string {
  if (textWidth(text) <= width) return text;
  const all = characters(text);
  const tail = beginning(all.toReversed(), Math.floor((width - 1) / 2), (done, next) => next + done);
  return `${beginning(all, width - 1 - textWidth(tail))}${ELLIPSIS}${tail}`;
}

/** Blanks that fill the text up to a width. */
export function padding(text: string, width: number): string {
  return ' '.repeat(Math.max(0, width - textWidth(text)));
}

/** As much of the text as fits, and nothing to show that it was cut. */
export function cutTo(text: string, width: number): string {
  return ASCII.test(text) ? text.slice(0, Math.max(0, width)) : beginning(characters(text), width);
}

/** What a reader takes for one character, marks and joined pictures with it. */
function characters(text: string): string[] {
  if (ASCII.test(text)) return [...text];
  return Array.from(new Intl.Segmenter().segment(text), ({ segment }) => segment);
}

/** As many of the characters as fit, from the first on. */
function beginning(
  all: readonly string[],
  width: number,
  join: (done: string, next: string) => string = (done, next) => done + next,
): string {
  let taken = '';
  let used = 0;
  for (const character of all) {
    used += textWidth(character);
    if (used > width) break;
    taken = join(taken, character);
  }
  return taken;
}
