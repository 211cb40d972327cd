import { globRegExp } from '../netns/glob.ts';
import { type NetnsTerm, parseNetnsSelectors, SelectorError } from '../netns/selector.ts';
import { ControlError } from './errors.ts';
import type { Selection } from './messages.ts';

/** Characters of a name or pattern, at most: NAME_MAX, which bounds the names of ip-netns(8) too. */
const SELECTOR_MAX = 255;
/** No path: whoever uses the socket, or has taken over the engine, cannot make the supervisor open a file of its choice. */
const SELECTOR = /^[^/\s\p{C}]+$/u;

/** Stars in a pattern, at most: each may multiply the time that a match takes by the length of the name. */
const STARS_MAX = 3;

/**
 * Whether a name or pattern can be used in a selection: 1 to 255 characters without a slash, a blank or a control
 * character, at most three stars, not beginning with `!`, which means the contrary elsewhere.
 */
export function isSelector(text: string): boolean {
  if (text.length > SELECTOR_MAX || !SELECTOR.test(text) || text.startsWith('!')) return false;
  if (text.split('*').length - 1 > STARS_MAX) return false;
  try {
    globRegExp(text);
    return true;
  } catch (error) {
    // A range that runs backwards, [z-a].
    if (error instanceof SyntaxError) return false;
    throw error;
  }
}

/**
 * As `isSelector`, of namespaces: read as `--netns` reads it, it is "host", "any", a name or a pattern. The other words of
 * that option (all, processes, newly, pid:N) are no names, by which clients select, and would match nothing.
 */
export function isNetnsSelector(text: string): boolean {
  if (!isSelector(text)) return false;
  try {
    return parseNetnsSelectors([text]).include.every(({ term }) => isNamed(term));
  } catch (error) {
    if (error instanceof SelectorError) return false;
    throw error;
  }
}

function isNamed(term: NetnsTerm): boolean {
  if (term.kind === 'pid') return term.name !== null;
  return term.kind === 'host' || term.kind === 'any' || term.kind === 'name';
}

/**
 * Checks what a client selects.
 * @param isOpen '' is allowed, for any
 * @throws ControlError CONTROL_BAD_REQUEST
 */
export function checkSelection(selection: Selection, isOpen = false): void {
  for (const key of ['netns', 'interface'] as const) {
    const text = selection[key];
    if (isOpen && text === '') continue;
    if (key === 'netns' ? isNetnsSelector(text) : isSelector(text)) continue;
    const other = key === 'netns' ? '; processes, all, newly and pid:N are not taken here' : '';
    throw new ControlError(
      'CONTROL_BAD_REQUEST',
      `${key} ${JSON.stringify(text.slice(0, 64))}: a name or pattern of 1 to ${SELECTOR_MAX} characters is wanted, without a slash, blanks, or more than ${STARS_MAX} stars${other}`,
    );
  }
}

/** True for an interface of a namespace that is selected. */
export type Selects = (place: Selection) => boolean;

/** What a selection selects; '' and, for namespaces, "any" are all. Its patterns are compiled here, and not for each place. */
export function selectsOf({ netns, interface: name }: Selection): Selects {
  const ofNetns = netns === '' || netns === 'any' ? null : globRegExp(netns);
  const ofName = name === '' ? null : globRegExp(name);
  return (place) =>
    (ofNetns === null || netns === place.netns || ofNetns.test(place.netns)) &&
    (ofName === null || name === place.interface || ofName.test(place.interface));
}
