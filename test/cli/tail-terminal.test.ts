import { afterEach, describe, expect, it } from 'vitest';
import { TestServer } from '../control/test-server.ts';
import { until } from '../kernel/lab.ts';
import { frame } from '../support/frames.ts';
import { MAIN } from '../support/nstap.ts';
import { Terminal, terminalMissing } from '../support/terminal.ts';
import { decision, livePacket } from './tail/packets.ts';

const missing = terminalMissing();
const udp = frame({ proto: 'udp', dport: 53, payload: 10 });
const open: Disposable[] = [];

afterEach(() => {
  for (const each of open.splice(0)) each[Symbol.dispose]();
});

/** A tail in a terminal, of a daemon that gives what the test wants. */
async function watched(words: string[], env: Record<string, string> = {}) {
  const server = new TestServer();
  server.backend.captures = [{ netns: 'red', interface: 'eth0', received: 0, kernelDrops: 0 }];
  const command = [process.execPath, MAIN, 'tail', '--control', server.path, '-t', ...words];
  const terminal = Terminal.start(command, { width: 120, height: 30, env });
  open.push(terminal, server);
  await terminal.waitFor('listening on');
  await until('it watches', () => server.backend.feeds.length === 1);
  const feed = server.backend.feeds[0]!;
  feed.routes.push(decision(), decision({ type: 'blackhole', verdict: 'drop' }));
  return { terminal, feed };
}

describe.skipIf(missing !== null)(`nstap tail in a terminal${missing ? ` (${missing})` : ''}`, () => {
  it('prints what is dropped in red, and after Ctrl-C the summary on a line of its own', async () => {
    const { terminal, feed } = await watched([]);
    feed.give([livePacket(udp, { routeIndex: 1 }), livePacket(udp, { routeIndex: 2 })]);
    await terminal.waitFor('(drop)');
    const [forwarded, dropped] = terminal.coloredScreen().filter((line) => line.includes('IP 10.0.0.1'));
    expect(forwarded).toContain('[2m-> main 10.2.0.0/16 via 10.0.0.1 dev eth0');
    expect(forwarded).not.toContain('[31m');
    // tmux tells the colour in a way of its own.
    expect(dropped).toMatch(/\[31m.*red\/eth0 In {2}IP 10\.0\.0\.1\.1000 > 10\.0\.0\.2\.53/);
    terminal.press('C-c');
    expect(await terminal.waitForEnd()).toBe(130);
    const screen = terminal.screen();
    const at = screen.indexOf('2 packets shown');
    expect(screen[at - 1]).toBe('^C');
    expect(screen.slice(at)).toEqual([
      '2 packets shown',
      '2 packets matched',
      '0 packets skipped',
      '0 packets dropped by kernel',
    ]);
  });

  it('has no colours with NO_COLOR', async () => {
    const { terminal, feed } = await watched(['-c', '1'], { NO_COLOR: '1' });
    feed.give([livePacket(udp, { routeIndex: 2 })]);
    expect(await terminal.waitForEnd()).toBe(0);
    expect(terminal.coloredScreen().join('')).not.toContain('\x1b[');
  });

  it('stops at once at Ctrl-C in a flood, and counts what was not shown', async () => {
    const { terminal, feed } = await watched([]);
    const flood = setInterval(() => feed.give(Array.from({ length: 900 }, () => livePacket(udp))), 5);
    try {
      await terminal.waitFor(/packets not shown/);
      terminal.press('C-c');
      expect(await terminal.waitForEnd()).toBe(130);
    } finally {
      clearInterval(flood);
    }
    const text = terminal.screen().join('\n');
    const count = (what: string): number =>
      Number(new RegExp(`^([\\d,]+) packets ${what}`, 'm').exec(text)![1]!.replaceAll(',', ''));
    expect(count('shown') + count('skipped')).toBe(count('matched'));
    expect(count('skipped')).toBeGreaterThan(0);
  });

  it('writes no capture file to a terminal', async () => {
    const command = [process.execPath, MAIN, 'tail', '--control', '/nowhere', '-w', '-'];
    const terminal = Terminal.start(command, { width: 120 });
    open.push(terminal);
    expect(await terminal.waitForEnd()).toBe(2);
    expect(terminal.screen().join('\n')).toContain('-w - writes binary data, and stdout is a terminal');
  });
});
