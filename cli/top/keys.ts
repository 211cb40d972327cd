import type { Key } from 'ink';
import { readTopFilter } from './filter.ts';
import { type Editing, type TopAction, type TopState, VIEWS } from './model.ts';

/** What a key asks for that changes more than the state. */
export type TopCommand = 'quit' | 'interrupt' | 'stop' | 'redraw';

/**
 * Keys that were read at once, one by one: whoever types fast, or over a slow line, presses several between two reads, which Ink
 * gives as one text.
 */
export function keysOf(input: string, key: Key): [string, Key][] {
  const characters = [...input];
  if (characters.length < 2 || key.ctrl || key.meta) return [[input, key]];
  return characters.map((each) => {
    switch (each) {
      case '\r':
      case '\n':
        return ['', { ...key, return: true }];
      case '\t':
        return ['', { ...key, tab: true }];
      case '\b':
      case '\x7f':
        return ['', { ...key, backspace: true }];
      default:
        // Ctrl with a letter is that letter less 96.
        return each < ' '
          ? [String.fromCharCode(each.charCodeAt(0) + 96), { ...key, ctrl: true }]
          : [each, key];
    }
  });
}

/** What a key means in a state; null: nothing. */
export function meaningOf(state: TopState, input: string, key: Key): TopAction | TopCommand | null {
  if (key.ctrl) {
    if (input === 'c') return 'interrupt';
    if (input === 'z') return 'stop';
    if (input === 'l') return 'redraw';
  }
  if (state.editing !== null) return editingMeaning(state.editing, input, key);
  if (key.ctrl || key.meta) return moveOf(key);
  if (key.escape) return { type: 'close' };
  if (key.tab) return { type: 'next-view', step: key.shift ? -1 : 1 };
  if (key.return) return state.details === null && !state.isHelp ? { type: 'open' } : { type: 'close' };
  return moveOf(key) ?? letterMeaning(input);
}

function moveOf(key: Key): TopAction | null {
  if (key.upArrow) return { type: 'move', lines: -1 };
  if (key.downArrow) return { type: 'move', lines: 1 };
  if (key.pageUp) return { type: 'page', pages: -1 };
  if (key.pageDown) return { type: 'page', pages: 1 };
  if (key.home) return { type: 'first' };
  if (key.end) return { type: 'last' };
  if (key.leftArrow) return { type: 'sort', step: -1 };
  if (key.rightArrow) return { type: 'sort', step: 1 };
  return null;
}

function letterMeaning(input: string): TopAction | TopCommand | null {
  switch (input) {
    case 'q':
      return 'quit';
    case 'k':
      return { type: 'move', lines: -1 };
    case 'j':
      return { type: 'move', lines: 1 };
    case 'g':
      return { type: 'first' };
    case 'G':
      return { type: 'last' };
    case 's':
    case '>':
      return { type: 'sort', step: 1 };
    case '<':
      return { type: 'sort', step: -1 };
    case 'r':
      return { type: 'reverse' };
    case '/':
      return { type: 'edit' };
    case 'p':
    case ' ':
      return { type: 'pause' };
    case '+':
    case '=':
      return { type: 'interval', step: 1 };
    case '-':
      return { type: 'interval', step: -1 };
    case '?':
    case 'h':
      return { type: 'help' };
  }
  const view = /^[1-9]$/.test(input) ? VIEWS[Number(input) - 1] : undefined;
  return view === undefined ? null : { type: 'view', view };
}

function editingMeaning({ text, cursor }: Editing, input: string, key: Key): TopAction | null {
  if (key.return) return { type: 'keep-filter' };
  if (key.escape) return { type: 'clear-filter' };
  const before = text.slice(0, cursor);
  const after = text.slice(cursor);
  if (key.leftArrow) return typed(text, cursor - 1);
  if (key.rightArrow) return typed(text, cursor + 1);
  if (key.home || (key.ctrl && input === 'a')) return typed(text, 0);
  if (key.end || (key.ctrl && input === 'e')) return typed(text, text.length);
  // Most terminals send what Ink calls "delete" for the key that rubs out what is before the cursor.
  if (key.backspace || key.delete) return typed(before.slice(0, -1) + after, cursor - 1);
  if (key.ctrl && input === 'u') return typed(after, 0);
  if (key.ctrl && input === 'w') {
    const kept = before.replace(/\S*\s*$/, '');
    return typed(kept + after, kept.length);
  }
  if (key.ctrl || key.meta || key.tab || input === '') return null;
  return insert({ text, cursor }, input);
}

/** Text typed or pasted at the cursor. Line ends become blanks, as in a filter on the command line. */
export function insert({ text, cursor }: Pick<Editing, 'text' | 'cursor'>, added: string): TopAction {
  const line = added.replace(/[\r\n\t]+/g, ' ').replace(/\p{Cc}/gu, '');
  return typed(text.slice(0, cursor) + line + text.slice(cursor), cursor + line.length);
}

function typed(text: string, cursor: number): TopAction {
  return {
    type: 'typed',
    text,
    cursor: Math.min(Math.max(cursor, 0), text.length),
    read: readTopFilter(text),
  };
}
