import { textWidth } from './text-width.ts';

/**
 * A line in as many as it takes, broken between words; colours have no width.
 * @param width  columns of the terminal, or null for no limit
 * @param indent columns before what goes on in the lines after the first
 */
export function wrapLine(line: string, width: number | null, indent: number): string[] {
  if (width === null || textWidth(line) <= width) return [line];
  const lines: string[] = [];
  let current = '';
  // Blanks that a line begins with, or that are behind its label, stay.
  for (const word of line.split(/(?<=\S) (?=\S)/)) {
    if (current !== '' && textWidth(current) + 1 + textWidth(word) > width) {
      lines.push(current);
      current = ' '.repeat(indent) + word;
    } else current += (current === '' ? '' : ' ') + word;
  }
  return [...lines, current];
}
