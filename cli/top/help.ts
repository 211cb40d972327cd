/** Keys and what they do; a line without the second part is a title. */
export const HELP: readonly (readonly [string, string])[] = [
  ['Views', ''],
  ['1 2 3 4, Tab', 'flows, talkers, namespaces, routes'],
  ['Rows', ''],
  ['up down k j', 'one row; Page up, Page down; Home g, End G'],
  ['Enter', 'all that is known of the row; Esc goes back'],
  ['s > <', 'sort by the next column, or the one before'],
  ['r', 'the least first, or the most'],
  ['/', 'filter, in force while it is typed (docs/filters.md)'],
  ['', 'Enter keeps it, Esc shows all flows again'],
  ['Picture', ''],
  ['p, space', 'pause, and go on'],
  ['+ -', 'longer and shorter intervals, which rates are of'],
  ['Ctrl-L', 'draw anew'],
  ['? h', 'this help'],
  ['q', 'quit; Ctrl-C too; Ctrl-Z stops, `fg` goes on'],
];
