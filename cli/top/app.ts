import { Box, type Key, Text, useApp, useInput, usePaste, useWindowSize } from 'ink';
import { createElement as h, type ReactNode, useEffect, useSyncExternalStore } from 'react';
import { insert, keysOf, meaningOf, type TopCommand } from './keys.ts';
import type { Look } from './look.ts';
import { screenLines, tableHeight } from './screen.ts';
import type { TopStore } from './store.ts';

/** Gives the terminal back while `during` goes on, and draws everything anew then. */
export type Suspend = (during: () => Promise<void>) => Promise<void>;

export interface TopAppProps {
  store: TopStore;
  look: Look;
  /** What a key asks for beyond the screen; `quit` and `interrupt` end it. */
  command(command: TopCommand): void;
  /** Called once with the way to give the terminal back for a while. */
  attach(suspend: Suspend): void;
  /** Milliseconds since the epoch. */
  now?: () => number;
}

/** The screen of `nstap top`, and its keys. */
export function TopApp({ store, look, command, attach, now = Date.now }: TopAppProps): ReactNode {
  const state = useSyncExternalStore(store.subscribe, store.state);
  const { columns, rows } = useWindowSize();
  const { suspendTerminal } = useApp();
  useEffect(() => attach(suspendTerminal), [attach, suspendTerminal]);
  useEffect(() => {
    store.act({ type: 'resize', height: tableHeight(rows) });
  }, [store, rows]);
  const press = (input: string, key: Key): void => {
    const meaning = meaningOf(store.state(), input, key);
    if (meaning === null) return;
    if (typeof meaning === 'string') command(meaning);
    else store.act(meaning);
  };
  useInput((input, key) => {
    for (const [each, own] of keysOf(input, key)) press(each, own);
  });
  usePaste((text) => {
    const { editing } = store.state();
    // Nobody pastes commands.
    if (editing !== null) store.act(insert(editing, text));
  });
  const lines = screenLines(state, columns, rows, look, now());
  return h(
    Box,
    { flexDirection: 'column', width: columns, height: rows },
    // A line is a line, whatever it says: what stands in it was cut to the width.
    ...lines.map((line, i) => h(Text, { key: i, wrap: 'truncate' }, line === '' ? ' ' : line)),
  );
}
