import { closestMatch } from 'leven';

/** At most so much of a word may be other than what is suggested for it: commander's own limit is 0.4 of alike. */
const UNLIKE_MAX = 0.5;

/**
 * The known word that was probably meant by one that is not known; none when no word is near.
 * @param slipsMax letters that may be other, missing or too many; left out: half of them
 */
export function nearest(
  word: string,
  known: Iterable<string>,
  slipsMax = Math.max(1, Math.floor(word.length * UNLIKE_MAX)),
): string[] {
  const near = closestMatch(word, [...known], { maxDistance: slipsMax });
  return near === undefined ? [] : [near];
}

/** "; did you mean bytes or packets?", to be put behind what is wrong; nothing when nothing was meant. */
export function didYouMean(meant: readonly string[]): string {
  return meant.length === 0 ? '' : `; ${question(meant)}`;
}

/** " (did you mean bytes?)", to be put within a sentence; nothing when no known word is near. */
export function suggestion(word: string, known: Iterable<string>): string {
  const meant = nearest(word, known);
  return meant.length === 0 ? '' : ` (${question(meant)})`;
}

function question(meant: readonly string[]): string {
  return `did you mean ${meant.join(' or ')}?`;
}
