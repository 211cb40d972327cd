import { afterAll, describe, expect, test } from 'vitest';
import { pagerCommand } from '../../cli/pager.ts';
import { MAIN } from '../support/nstap.ts';
import { Terminal, terminalMissing, type TerminalOptions } from '../support/terminal.ts';
import { largeDb } from './large-db.ts';

const missing = terminalMissing('less');
const FLOWS = 3000;
const db = largeDb(FLOWS, (seq) => ({ start: [1_700_000_000 + seq, 0], end: [1_700_000_001 + seq, 0] }));
afterAll(() => db.remove());

/** `nstap flows WORDS` in a terminal of its own. */
function flows(words: string[], options: TerminalOptions = {}): Terminal {
  return Terminal.start([process.execPath, MAIN, 'flows', '--db', db.path, ...words], {
    width: 100,
    height: 20,
    ...options,
  });
}

describe.skipIf(missing !== null)(`the pager (${missing ?? 'needs tmux and less'})`, () => {
  test('is not there for what fits', async () => {
    using terminal = flows(['--limit', '5']);
    expect(await terminal.waitForEnd()).toBe(0);
    expect(terminal.screen()).toHaveLength(7);
    expect(terminal.screen().at(-1)).toBe(
      'nstap: 5 flows, and there are more; the next page: --before 2996; all: --limit 0',
    );
  });

  test('shows the first screen of what does not fit, goes to the end, and is quit with status 0', async () => {
    using terminal = flows(['--limit', '0']);
    const first = await terminal.waitFor(/^:$/m);
    expect(first[0]).toMatch(/^START +DURATION +PROTO/);
    expect(first).toHaveLength(20);
    terminal.press('G');
    await terminal.waitFor('(END)');
    expect(terminal.screen().at(-2)).toContain('22:13:20');
    terminal.press('q');
    expect(await terminal.waitForEnd()).toBe(0);
  });

  test.each([['routes'], ['netns', 'host'], ['interfaces'], ['sql', '--schema']])(
    'is that of nstap %s, too',
    async (...words) => {
      using terminal = Terminal.start([process.execPath, MAIN, ...words], {
        width: 200,
        height: 2,
        env: { NSTAP_PAGER: 'wc -l', NSTAP_CONTROL: 'none' },
      });
      expect(await terminal.waitForEnd()).toBe(0);
      expect(terminal.screen().join('\n')).toMatch(/^\d+$/m);
    },
  );

  test('keeps the colours', async () => {
    using terminal = flows(['--limit', '0']);
    await terminal.waitFor(/^:$/m);
    expect(terminal.coloredScreen()[0]).toContain('\u001b[1mSTART');
    expect(terminal.screen().join('')).not.toContain('ESC');
  });

  test('that is quit early ends the query, with status 0 and no word', async () => {
    using terminal = flows(['--format', 'ndjson']);
    await terminal.waitFor(/^:$/m);
    terminal.press('q');
    expect(await terminal.waitForEnd()).toBe(0);
    expect(terminal.screen().join('\n')).not.toContain('nstap:');
  });

  test('stays when Ctrl-C ends the query, and the status is 130', async () => {
    using terminal = flows(['--format', 'ndjson']);
    await terminal.waitFor(/^:$/m);
    terminal.press('C-c');
    terminal.press('g');
    await terminal.waitFor(/:$/m);
    terminal.press('q');
    expect(await terminal.waitForEnd()).toBe(130);
  });

  test('is $NSTAP_PAGER before $PAGER, which a shell reads where it must', async () => {
    using terminal = flows(['--limit', '0'], {
      env: { NSTAP_PAGER: 'head -n 2 | sed s/tcp/TCP/', PAGER: 'false' },
    });
    expect(await terminal.waitForEnd()).toBe(0);
    expect(terminal.screen()[1]).toContain('TCP');
    using plain = flows(['--limit', '0'], { env: { PAGER: 'tail -n 1' } });
    expect(await plain.waitForEnd()).toBe(0);
    expect(plain.screen()).toHaveLength(1);
  });

  test('that is missing is said to be, and the flows come without it', async () => {
    using terminal = flows(['--limit', '30'], { env: { PAGER: 'no-such-pager -x' } });
    expect(await terminal.waitForEnd()).toBe(0);
    const lines = terminal.scrollback();
    expect(lines[0]).toContain('nstap: start the pager no-such-pager -x: ENOENT; printed without it');
    expect(lines.filter((line) => line.includes('tcp'))).toHaveLength(30);
    using shell = flows(['--limit', '30'], { env: { PAGER: 'no-such-pager | cat; exit 127' } });
    expect(await shell.waitForEnd()).toBe(1);
    expect(shell.screen().join('')).toContain('--no-pager prints without one');
  });

  test('is left out by --no-pager, and by PAGER=cat', async () => {
    for (const [words, env] of [
      [['--no-pager'], {}],
      [[], { PAGER: 'cat' }],
    ] as const) {
      using terminal = flows(['--limit', '30', ...words], { env });
      expect(await terminal.waitForEnd()).toBe(0);
      expect(terminal.scrollback().filter((line) => line.includes('tcp'))).toHaveLength(30);
    }
  });
});

test('less is the pager where the environment names none', () => {
  expect(pagerCommand({})).toBe('less');
  expect(pagerCommand({ PAGER: 'more' })).toBe('more');
  expect(pagerCommand({ NSTAP_PAGER: 'less -S', PAGER: 'more' })).toBe('less -S');
  expect(pagerCommand({ NSTAP_PAGER: '', PAGER: 'more' })).toBe(null);
  expect(pagerCommand({ PAGER: 'cat' })).toBe(null);
});
