/** Characters of a name, at most; of namespaces as NAME_MAX. */
const NAME_MAX = 100;
const NETNS_MAX = 255;
/** Stars in a pattern, at most: each may multiply the time that a match takes by the length of the name. */
const STARS_MAX = 3;

/** Why a text cannot be the name of an experiment, in words that follow it; or null. `#` stands before a number, as in `web#2`. */
export function whyNoExperimentName(name: string): string | null {
  if (name.length > 0 && name.length <= NAME_MAX && name.trim() === name && !/[#\p{Cc}]/u.test(name))
    return null;
  return `a name has 1 to ${NAME_MAX} characters, none of them # or a control character, and no blank at either end`;
}

/** Why a text cannot limit an experiment to namespaces, or null. It is a name or a pattern of SQLite's GLOB: * ? [a-z]. */
export function whyNoNetnsPattern(pattern: string): string | null {
  if (
    pattern.length > 0 &&
    pattern.length <= NETNS_MAX &&
    !/\p{Cc}/u.test(pattern) &&
    pattern.split('*').length - 1 <= STARS_MAX
  )
    return null;
  return `a namespace is a name or pattern of 1 to ${NETNS_MAX} characters with at most ${STARS_MAX} stars`;
}

/** A name as it is asked for: `web` means all experiments of that name, `web#2` the second of them. */
export function parseExperimentName(text: string): { name: string; number: number | null } {
  const match = /^(.+)#(\d{1,9})$/.exec(text);
  return match === null ? { name: text, number: null } : { name: match[1]!, number: Number(match[2]) };
}
