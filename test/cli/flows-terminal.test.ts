import stringWidth from 'string-width';
import { beforeAll, describe, expect, test } from 'vitest';
import { FlowWriter } from '../../storage/writer.ts';
import { batchOf, captureInfo, decision, TEST_RUN } from '../storage/records.ts';
import { MAIN } from '../support/nstap.ts';
import { Terminal, terminalMissing, type TerminalOptions } from '../support/terminal.ts';
import { nstap } from './run-cli.ts';
import { SAMPLE_START, sampleDb } from './sample-db.ts';

const missing = terminalMissing();
const LONG = '研究室-namespace-with-a-name-that-goes-on-and-on';
let sample = '';
let long = '';
beforeAll(() => {
  const made = sampleDb();
  sample = made.path;
  long = `${made.path}-long`;
  const writer = new FlowWriter(long, TEST_RUN);
  const channel = writer.channel();
  const ipv6 = (last: number): number[] => [
    0x20,
    1,
    0x0d,
    0xb8,
    0x12,
    0x34,
    0x56,
    0x78,
    0x9a,
    0xbc,
    0xde,
    0xf0,
    1,
    2,
    3,
    last,
  ];
  writer.write([
    [channel, { type: 'capture', info: captureInfo(0, { netns: LONG, interface: 'eth0' }) }],
    [
      channel,
      {
        type: 'decisions',
        base: 0,
        list: [decision({ gateway: '2001:db8::1', prefix: '2001:db8:1234::/48' })],
      },
    ],
    [
      channel,
      {
        type: 'batch',
        batch: batchOf(
          {
            seq: 0,
            version: 6,
            src: ipv6(1),
            dst: ipv6(2),
            ports: [40_000, 443],
            route: [0, -1],
            start: [SAMPLE_START, 0],
          },
          { seq: 1, start: [SAMPLE_START + 86_400, 0] },
        ),
      },
    ],
  ]);
  writer.close();
  return made.remove;
});

function flows(db: string, words: string[], options: TerminalOptions = {}): Terminal {
  return Terminal.start([process.execPath, MAIN, 'flows', '--db', db, '--no-pager', ...words], {
    height: 30,
    ...options,
  });
}

async function screen(db: string, words: string[], options: TerminalOptions): Promise<string[]> {
  using terminal = flows(db, words, options);
  expect(await terminal.waitForEnd()).toBe(0);
  return terminal.screen();
}

const titles = (lines: string[]): string => lines[0]!.replace(/ +/g, ' ');

describe.skipIf(missing !== null)(`a table of flows in a terminal (${missing ?? 'needs tmux'})`, () => {
  test.each([
    [60, 'PROTO FLOW ROUTE'],
    [80, 'START PROTO FLOW NETNS/IF ROUTE'],
    [100, 'START PROTO FLOW STATE BYTES NETNS/IF ROUTE'],
    [140, 'START DURATION PROTO FLOW STATE PACKETS BYTES NETNS/IF ROUTE'],
    [200, 'START DURATION PROTO FLOW STATE PACKETS BYTES NETNS/IF ROUTE'],
  ])('of %i columns has what fits, a line a flow', async (width, expected) => {
    const lines = await screen(sample, [], { width });
    expect(lines).toHaveLength(7);
    expect(titles(lines)).toBe(expected);
    expect(lines[6]).toContain('10.1.0.2:40000 -> 10.2.0.2:443');
    for (const line of lines) expect(stringWidth(line)).toBeLessThanOrEqual(width);
  });

  test('shortens the time before the route, and shows both whole where there is room', async () => {
    expect((await screen(sample, [], { width: 100 }))[6]).toMatch(
      /^22:13:20 .* 10\.2\.0\.0\/24 via [0-9.]*…$/,
    );
    expect((await screen(sample, [], { width: 200 }))[6]).toMatch(
      /^2023-11-14 22:13:20\.123 .* 10\.2\.0\.0\/24 via 10\.1\.0\.254 dev veth0$/,
    );
  });

  test('shortens long names and addresses: never a port, an interface, or more than a line', async () => {
    for (const width of [40, 80, 100, 140]) {
      const lines = await screen(long, [], { width });
      expect(lines, String(width)).toHaveLength(3);
      for (const line of lines) expect(stringWidth(line)).toBeLessThanOrEqual(width);
    }
    const [, plain, ipv6] = await screen(long, [], { width: 100 });
    expect(ipv6).toMatch(/ \[2\w*…\w+\]:40000 -> \[2\w*…\w+\]:443 /);
    expect(ipv6).toMatch(/ 研.*…[a-z-]+\/eth0 /);
    // Of two days, so that the time of day does not tell.
    expect(plain).toMatch(/^11-15 22:13 /);
    const whole = await screen(long, [], { width: 300 });
    expect(whole[2]).toContain(`${LONG}/eth0`);
  });

  test('is coloured by state and route', async () => {
    using terminal = flows(sample, [], { width: 140 });
    await terminal.waitForEnd();
    const lines = terminal.coloredScreen();
    const of = (text: string): string => lines.find((line) => line.includes(text))!;
    expect(lines[0]).toContain('\u001b[1mSTART');
    expect(of('10.2.0.2:443')).toContain('\u001b[32mSF');
    expect(of('blackhole')).toContain('\u001b[31mS0');
    expect(of('blackhole')).toContain('\u001b[31mblackhole 10.66.0.0/16 (drop)');
    expect(of('10.2.0.2:443')).not.toContain('\u001b[31m');
  });

  test('has no colour with NO_COLOR, --no-color, --color never or a dumb terminal; --color always is stronger', async () => {
    for (const [words, env, hasColor] of [
      [[], { NO_COLOR: '1' }, false],
      [['--no-color'], {}, false],
      [['--color', 'never'], {}, false],
      [[], { TERM: 'dumb' }, false],
      [['--color', 'always'], { NO_COLOR: '1' }, true],
      [['--color', 'auto'], {}, true],
    ] as const) {
      using terminal = flows(sample, [...words], { width: 140, env });
      await terminal.waitForEnd();
      expect(terminal.coloredScreen().join('').includes('\u001b['), JSON.stringify([words, env])).toBe(
        hasColor,
      );
    }
  });

  test('takes the colours of --color always into a pipe, and none otherwise', async () => {
    const piped = await nstap(['flows', '--db', sample, '--color', 'always']);
    expect(piped.stdout).toContain('\u001b[31mS0\u001b[39m');
    expect((await nstap(['flows', '--db', sample])).stdout).not.toContain('\u001b');
  });

  test('of chosen columns keeps all of them, and shortens those', async () => {
    const words = ['--columns', 'start,flow,bytes,rate,route_fwd.prefix,route_fwd.gateway,interface'];
    for (const width of [80, 100]) {
      const lines = await screen(long, words, { width });
      expect(lines[0]!.trim().split(/ {2,}/)).toHaveLength(7);
      for (const line of lines) expect(stringWidth(line)).toBeLessThanOrEqual(width);
    }
  });

  test('--wide leaves nothing out', async () => {
    const { stdout } = await nstap(['flows', '--db', sample, '--wide']);
    expect(titles(stdout.split('\n'))).toBe(
      'START DURATION PROTO FLOW STATE PACKETS BYTES NETNS/IF ROUTE ROUTE BACK FLOW_ID RATE RTT_US RETRANSMITS HISTORY END_REASON EXPERIMENT COMMUNITY_ID',
    );
    using terminal = flows(sample, ['--wide'], { width: 80 });
    await terminal.waitForEnd();
    expect(terminal.screen().join('')).toContain('1:JeNmMAPgVwBkKHBa2fAYLq8gM00=');
  });
});
