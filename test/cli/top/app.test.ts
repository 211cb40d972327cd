import { render } from 'ink-testing-library';
import { createElement as h } from 'react';
import { afterEach, describe, expect, test } from 'vitest';
import { TopApp } from '../../../cli/top/app.ts';
import { TopStore } from '../../../cli/top/store.ts';
import { until } from '../../kernel/lab.ts';
import { answered, begun, flow, NOW_MS, PLAIN, ranking } from './scene.ts';

const open: { unmount(): void }[] = [];
afterEach(() => {
  for (const each of open.splice(0)) each.unmount();
});

/** The screen of some flows, in a terminal that is none. */
function start() {
  const flows = [flow(1, 3000), flow(2, 2000), flow(3, 1000)];
  const store = new TopStore(answered(begun(), ranking({ flows })));
  const commands: string[] = [];
  const app = render(
    h(TopApp, {
      store,
      look: PLAIN,
      command: (command) => commands.push(command),
      attach: () => {},
      now: () => NOW_MS,
    }),
  );
  open.push(app);
  return { store, commands, ...app };
}

describe('the screen', () => {
  test('shows the state, and each change of it', async () => {
    const { lastFrame, store } = start();
    await until('flows are shown', () => lastFrame()!.includes('> tcp    10.0.0.1:1 '));
    store.act({ type: 'move', lines: 2 });
    await until('the cursor moves', () => lastFrame()!.includes('> tcp    10.0.0.1:3 '));
  });

  test.each([
    ['Down', '\x1b[B', '> tcp    10.0.0.1:2 '],
    ['j', 'j', '> tcp    10.0.0.1:2 '],
    ['End', '\x1b[F', '> tcp    10.0.0.1:3 '],
    ['Page down', '\x1b[6~', '> tcp    10.0.0.1:3 '],
    ['G', 'G', '> tcp    10.0.0.1:3 '],
    ['2', '2', 'ADDRESS'],
    ['Tab', '\t', 'ADDRESS'],
    ['Shift-Tab', '\x1b[Z', 'VERDICT'],
    ['Enter', '\r', 'last packet'],
    ['?', '?', 'sort by the next column'],
    ['h', 'h', 'sort by the next column'],
    ['p', 'p', 'PAUSED'],
    ['space', ' ', 'PAUSED'],
    ['r', 'r', 'RATE▲'],
    ['+', '+', 'every 2 s'],
    ['/', '/', 'Enter keeps it'],
    ['several keys at once', 'jj\r', '10.0.0.1:3 → 10.0.0.2:443\n'],
  ])('%s', async (_name, keys, wanted) => {
    const { lastFrame, stdin } = start();
    await until('flows are shown', () => lastFrame()!.includes('> tcp    10.0.0.1:1 '));
    stdin.write(keys);
    await until(wanted, () => lastFrame()!.includes(wanted));
  });

  test('Esc goes back to the table', async () => {
    const { lastFrame, stdin } = start();
    stdin.write('\r');
    await until('details', () => lastFrame()!.includes('last packet'));
    stdin.write('\x1b');
    await until('the table', () => lastFrame()!.includes('> tcp    10.0.0.1:1 '));
  });

  test('a filter is in force while it is typed, a mistake is told, and Esc shows all', async () => {
    const { lastFrame, stdin, store } = start();
    await until('flows are shown', () => lastFrame()!.includes('> tcp    10.0.0.1:1 '));
    stdin.write('/tcp');
    await until('it is in force', () => store.state().filter.text === 'tcp');
    stdin.write(' and prot');
    await until('the mistake is told', () => /at 9: .*(expected|mean)/i.test(lastFrame()!));
    expect(store.state().filter).toMatchObject({ text: 'tcp ' });
    stdin.write('\x7f\x7f\x7f\x7fport 44');
    await until('it is right again', () => store.state().filter.text === 'tcp and port 44');
    stdin.write('\x1b[D\x1b[D\x15udp port ');
    await until('the line can be edited', () => store.state().filter.text === 'udp port 44');
    stdin.write('\r');
    await until('it is kept', () => lastFrame()!.includes('filter: udp port 44 (3 flows)'));
    stdin.write('q');
    stdin.write('/');
    await until('it is edited again', () => store.state().editing !== null);
    stdin.write('\x1b');
    await until('all are shown', () => store.state().filter.json === '' && store.state().editing === null);
  });

  test('what is pasted is text of the filter, and nothing else', async () => {
    const { stdin, store, commands, lastFrame } = start();
    await until('flows are shown', () => lastFrame()!.includes('> tcp    10.0.0.1:1 '));
    stdin.write('\x1b[200~qqq\x1b[201~');
    stdin.write('/');
    await until('it is edited', () => store.state().editing !== null);
    stdin.write('\x1b[200~tcp\nport 80\x1b[201~');
    await until('it is in the line', () => store.state().editing?.text === 'tcp port 80');
    expect(commands).toEqual([]);
  });

  test.each([
    ['q', 'q', 'quit'],
    ['Ctrl-C', '\x03', 'interrupt'],
    ['Ctrl-Z', '\x1a', 'stop'],
    ['Ctrl-L', '\x0c', 'redraw'],
  ])('%s is a command', async (_name, keys, wanted) => {
    const { stdin, commands, lastFrame } = start();
    await until('flows are shown', () => lastFrame()!.includes('> tcp    10.0.0.1:1 '));
    stdin.write(keys);
    await until(wanted, () => commands.includes(wanted));
  });

  test('Ctrl-C ends it also while a filter is typed, and q is then a letter', async () => {
    const { stdin, commands, store, lastFrame } = start();
    await until('flows are shown', () => lastFrame()!.includes('> tcp    10.0.0.1:1 '));
    stdin.write('/q');
    await until('it is in the line', () => store.state().editing?.text === 'q');
    expect(commands).toEqual([]);
    stdin.write('\x03');
    await until('it ends', () => commands.includes('interrupt'));
  });
});
