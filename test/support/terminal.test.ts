import { expect, test } from 'vitest';
import { Terminal, terminalMissing } from './terminal.ts';

const missing = terminalMissing();

test.skipIf(missing !== null)(
  `a terminal shows what a program prints, and takes keys (${missing ?? ''})`,
  async () => {
    using terminal = Terminal.start(['cat'], { width: 40, height: 10 });
    terminal.type('hé; "a" $b');
    terminal.press('Enter');
    expect(await terminal.waitUntil('its echo', (screen) => screen.length === 2)).toEqual([
      'hé; "a" $b',
      'hé; "a" $b',
    ]);
    expect(terminal.isAlternate).toBe(false);
    terminal.press('C-c');
    expect(await terminal.waitForEnd()).toBe(130);
    expect(terminal.screen()[0]).toBe('hé; "a" $b');
  },
);

test.skipIf(missing !== null)(
  `a terminal has the size, the colours and the environment asked for (${missing ?? ''})`,
  async () => {
    const script =
      'trap "stty size" WINCH; stty size; printf "\\033[31m%s\\033[m\\n" "$WORD"; while :; do sleep 0.05; done';
    using terminal = Terminal.start(['sh', '-c', script], {
      width: 101,
      height: 31,
      env: { WORD: 'red one' },
    });
    expect(await terminal.waitFor('red one')).toEqual(['31 101', 'red one']);
    expect(terminal.coloredScreen()[1]).toContain('\u001b[31mred one');
    terminal.resize(60, 20);
    await terminal.waitFor('20 60');
  },
);

test.skipIf(missing !== null)(
  `a terminal keeps the status and what scrolled away (${missing ?? ''})`,
  async () => {
    using terminal = Terminal.start(['sh', '-c', 'seq 100; exit 3'], { height: 10 });
    expect(await terminal.waitForEnd()).toBe(3);
    expect(terminal.scrollback()).toEqual(Array.from({ length: 100 }, (_, i) => String(i + 1)));
    terminal.close();
    terminal.close();
  },
);
