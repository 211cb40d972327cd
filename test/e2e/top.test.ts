import { chownSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { DaemonLab } from '../daemon/daemon-lab.ts';
import { labMissing } from '../kernel/lab.ts';
import { UdpSocket } from '../kernel/traffic.ts';
import { nstap } from '../cli/run-cli.ts';
import { MAIN } from '../support/nstap.ts';
import { Terminal, terminalMissing } from '../support/terminal.ts';

const missing = labMissing() ?? terminalMissing('stty');
const NOBODY = 65534;

/** Runs `nstap top` with what the terminal was before and is afterwards kept in files, and its process number in another. */
const RUN = `cd "$1"; stty -g >before; sh -c 'echo $$ >pid; exec "$@"' sh "$2" "$3" top --control "$4"; s=$?; stty -g >after; exit $s`;

describe.skipIf(missing !== null)(`nstap top${missing ? ` (${missing})` : ''}`, () => {
  const lab = new DaemonLab('top');
  let a = '';
  let control = '';
  let isSending = true;
  let sending: Promise<void>;
  let terminal: Terminal | undefined;
  let folders = 0;

  function startDaemon(): ReturnType<DaemonLab['daemon']>['d'] {
    return lab.daemon({ netns: [a], interfaces: ['v0'], control, ringMib: 16 }, 'real').d;
  }

  beforeAll(async () => {
    a = lab.add('a');
    const b = lab.add('b');
    lab.veth(a, 'v0', '10.9.0.1/24', b, 'v0', '10.9.0.2/24');
    mkdirSync(join(lab.dir, 'run'));
    chownSync(join(lab.dir, 'run'), NOBODY, NOBODY);
    control = join(lab.dir, 'run', 'control.sock');
    await startDaemon().opened(1);
    sending = (async () => {
      using udp = new UdpSocket(lab, a, 4);
      while (isSending) {
        for (let port = 8001; port <= 8040; port++) udp.send('10.9.0.2', port, 10 * (port - 8000));
        await sleep(50);
      }
    })();
  });
  afterEach(() => {
    terminal?.close();
    terminal = undefined;
  });
  afterAll(async () => {
    isSending = false;
    await sending;
    await lab.endDaemon();
    lab.close();
  });

  interface Running {
    t: Terminal;
    /** What the files of RUN say. */
    read(name: string): string;
  }

  function start(options: { width?: number; height?: number; env?: Record<string, string> } = {}): Running {
    const dir = join(lab.dir, `t${folders++}`);
    mkdirSync(dir);
    const { width = 120, height = 30, env = {} } = options;
    const t = Terminal.start(['sh', '-c', RUN, 'sh', dir, process.execPath, MAIN, control], {
      width,
      height,
      env: { LC_ALL: 'C.UTF-8', ...env },
    });
    terminal = t;
    return { t, read: (name) => readFileSync(join(dir, name), 'utf8').trim() };
  }

  /** The terminal is as it was. */
  function expectRestored({ t, read }: Running): void {
    expect(t.isAlternate).toBe(false);
    expect(t.isCursorShown).toBe(true);
    expect(read('after')).toBe(read('before'));
  }

  test('ranks, filters as one types, sorts, shows details, follows the size of the terminal, and leaves it as it was', async () => {
    const running = start();
    const { t } = running;
    // The largest sender is first, once there are rates.
    await t.waitFor(/> udp +10\.9\.0\.1:\d+ → 10\.9\.0\.2:8040 .*kB\/s/);
    expect(t.isAlternate).toBe(true);
    expect(t.isCursorShown).toBe(false);
    await t.waitFor(/LOSSES .*kernel \d/);

    t.type('/port in [ 8003 8004 ] and ');
    await t.waitFor(/at \d+: /);
    t.type('udp');
    await t.waitFor('Enter keeps it');
    t.press('Enter');
    const filtered = await t.waitFor('(2 flows)');
    expect(filtered.filter((line) => /10\.9\.0\.2:80\d\d/.test(line))).toHaveLength(2);
    expect(filtered[5]).toContain('10.9.0.2:8004');

    t.type('r');
    await t.waitUntil('the least is first', (screen) => screen[5]!.includes('10.9.0.2:8003'));
    t.type('s');
    await t.waitFor('SENT▼');

    t.press('Down', 'Enter');
    await t.waitFor(/route of what 10\.9\.0\.1 sends/);
    await t.waitFor(/verdict +send/);
    t.press('Escape');

    t.resize(50, 12);
    await t.waitUntil('it is small', (screen) => screen.length === 12 && /FLOW/.test(screen[4]!));
    t.resize(30, 5);
    await t.waitFor('nstap top needs 40 by');
    t.resize(200, 40);
    await t.waitUntil('it is wide', (screen) => screen.length === 40 && /RECEIVED/.test(screen[4]!));

    t.type('3');
    await t.waitFor(new RegExp(`^> ${a}`, 'm'));
    t.type('4');
    await t.waitFor(/send +10\.9\.0\.0\/24/);
    t.press('q');
    expect(await t.waitForEnd()).toBe(0);
    expectRestored(running);
  });

  test.each([
    ['Ctrl-C', 130, 'SIGINT'],
    ['SIGTERM', 143, 'SIGTERM'],
    ['SIGHUP', 129, 'SIGHUP'],
  ] as const)('%s ends it with %d, and the terminal is as it was', async (name, wanted, signal) => {
    const running = start();
    await running.t.waitFor('10.9.0.2:8040');
    if (name === 'Ctrl-C') running.t.press('C-c');
    else process.kill(Number(running.read('pid')), signal);
    expect(await running.t.waitForEnd()).toBe(wanted);
    expectRestored(running);
  });

  test('an error that nobody expected ends it with 1 and says what, and the terminal is as it was', async () => {
    const boom = `process.on("SIGUSR2",()=>{setTimeout(()=>{throw%20new%20Error("boom")})})`;
    const running = start({
      env: { NODE_OPTIONS: `--import=data:text/javascript,${boom.replaceAll('"', '%22')}` },
    });
    await running.t.waitFor('10.9.0.2:8040');
    process.kill(Number(running.read('pid')), 'SIGUSR2');
    expect(await running.t.waitForEnd()).toBe(1);
    expect(running.t.screen().join('\n')).toContain('nstap: boom');
    expectRestored(running);
  });

  test('a daemon that goes is told and found again, and q works meanwhile', async () => {
    const running = start();
    await running.t.waitFor('10.9.0.2:8040');
    await lab.endDaemon();
    await running.t.waitFor('the daemon has gone; trying again');
    await startDaemon().opened(1);
    await running.t.waitUntil('it is back', ([first]) => /up \d+s/.test(first!) && !first!.includes('gone'));
    await running.t.waitFor(/10\.9\.0\.2:8040 .*kB\/s/);
    await lab.endDaemon();
    await running.t.waitFor('the daemon has gone; trying again');
    running.t.press('q');
    expect(await running.t.waitForEnd()).toBe(0);
    expectRestored(running);
    await startDaemon().opened(1);
  });

  test('NO_COLOR and a locale without UTF-8 are honoured', async () => {
    const { t } = start({ width: 160, env: { NO_COLOR: '1', LC_ALL: 'C' } });
    await t.waitFor(/-> 10\.9\.0\.2:8040 .*#####/);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: no colour, no other style, nothing beyond ASCII
    expect(t.coloredScreen().join('\n')).toMatch(/^[\x0a\x20-\x7e]*$/);
    t.press('q');
    expect(await t.waitForEnd()).toBe(0);
  });

  test('without a terminal it prints a snapshot, or says what to use', async () => {
    const refused = await nstap(['top', '--control', control]);
    expect(refused).toMatchObject({ status: 2, stdout: '' });
    expect(refused.stderr).toMatch(/needs a terminal.*--once.*nstap flows/);

    const once = await nstap(['top', '--control', control, '--once', '--limit', '3', 'udp']);
    expect(once).toMatchObject({ status: 0, stderr: '' });
    const lines = once.stdout.trimEnd().split('\n');
    expect(lines[2]).toMatch(/^LOSSES .*kernel \d/);
    expect(lines[4]).toMatch(/^PROTO +FLOW +STATE +RATE/);
    expect(lines).toHaveLength(8);
    expect(lines[5]).toContain('10.9.0.2:8040');

    const json = JSON.parse(
      (await nstap(['top', '--control', control, '--json', '--view', 'talkers'])).stdout,
    );
    expect(json).toMatchObject({
      view: 'talkers',
      filter: null,
      losses: { kernel_drops: expect.any(Number), undecoded: 0 },
      daemon: { control },
    });
    expect(json.rows[0]).toMatchObject({
      netns: a,
      interface: 'v0',
      address: expect.stringMatching(/^10\.9/),
    });
    expect(json.rows[0].bytes_per_s).toBeGreaterThan(0);
  });

  test('a mistake in the filter, a view or a column is told before anything else', async () => {
    expect((await nstap(['top', 'tcp and'])).stderr).toMatch(/^nstap: filter: .*\n {2}tcp and\n {9}\^\n$/);
    expect((await nstap(['top', 'experiment x'])).stderr).toMatch(/"experiment" cannot be asked here/);
    expect((await nstap(['top', '--view', 'x'])).stderr).toMatch(/one of flows, talkers, namespaces, routes/);
    expect((await nstap(['top', '--view', 'talkers', '--sort', 'start'])).stderr).toMatch(
      /can be sorted by flows, rate/,
    );
    const none = await nstap(['top', '--once', '--control', '/nowhere/control.sock']);
    expect(none.status).toBe(1);
    expect(none.stderr).toMatch(/^nstap: connect \/nowhere\/control\.sock: ENOENT/);
  });
});
