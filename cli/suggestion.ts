import { closestMatch } from 'leven';

/** At most so much of a word may be other than what is suggested for it: commander's own limit is 0.4 of alike. */
const UNLIKE_MAX = 0.5;

/** " (did you mean bytes?)", or nothing when no known word is near. */
export function didYouMean(word: string, known: Iterable<string>): string {
  const near = closestMatch(word, [...known], {
    maxDistance: Math.max(1, Math.floor(word.length * UNLIKE_MAX)),
  });
  return near === undefined ? '' : ` (did you mean ${near}?)`;
}
