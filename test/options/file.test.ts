import { chmodSync, chownSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, test } from 'vitest';
import { type DaemonOptions, defaultOptions } from '../../daemon/config.ts';
import { DAEMON_OPTIONS } from '../../daemon/options/daemon-options.ts';
import { ConfigError } from '../../daemon/options/errors.ts';
import { parseConfig, readConfigFile } from '../../daemon/options/file.ts';
import { parseListenAddress } from '../../daemon/options/listen-address.ts';
import { formatConfig } from '../../daemon/options/print.ts';
import { planReload } from '../../daemon/options/reload.ts';
import { flagsOverFile, resolveOptions } from '../../daemon/options/resolve.ts';
import { fieldOf } from '../../daemon/options/spec.ts';
import { formatTomlValue, parseToml } from '../../daemon/options/toml.ts';

const MEMORY = 2 ** 33;
const resolve = (text: string): DaemonOptions => resolveOptions(parseConfig(text, 'f.toml'), '/d.db', MEMORY);

function mistakesOf(text: string): readonly string[] {
  try {
    parseConfig(text, 'f.toml');
  } catch (error) {
    if (error instanceof ConfigError) return error.mistakes;
    throw error;
  }
  return [];
}

/** Every option other than its default. */
const OTHER = `
[capture]
netns = ["a", "b-*"]
interfaces = "veth*"
filter = 'udp and not port "domain"'
backend = "libpcap"
ring-mib = 64
ring-total-mib = 100
snaplen = 256
[flow]
timeouts = { udp = 7, tcp-closed = 2 }
checkpoint = 5
max-flows = 1_000
tunnels = "both"
hints = true
payload = 16
timeseries = true
[routes]
audit-rate = 0
history = false
[storage]
db = "/x/y.db"
retain-age = "30d"
retain-size = "50G"
retain-free = "off"
[engine]
user = "1:2"
[log]
level = "debug"
[metrics]
listen = "9464"

[control]
socket = "/run/x.sock"
`;

/** What cannot be together with the others. */
const FANNED = '[capture]\nfanout = 2';

describe('a configuration file', () => {
  test('says every option, and what it does not say is the default', () => {
    const options = resolve(OTHER);
    expect(options).toMatchObject({
      netns: ['a', 'b-*'],
      interfaces: ['veth*'],
      filter: 'udp and not port "domain"',
      backend: 'libpcap',
      ringMib: 64,
      ringTotalMib: 100,
      snapLen: 256,
      checkpointSec: 5,
      maxFlows: 1000,
      tunnels: 'both',
      hints: true,
      payloadOctets: 16,
      timeseries: true,
      auditRate: 0,
      routeHistory: false,
      db: '/x/y.db',
      user: '1:2',
      logLevel: 'debug',
      metrics: '127.0.0.1:9464',
    });
    const defaults = defaultOptions('/d.db', MEMORY);
    expect(options.timeouts).toEqual({ ...defaults.timeouts, udp: 7, tcpClosed: 2 });
    expect(resolve('')).toEqual(defaults);
    expect(resolve('[capture]\nfilter = "  "').filter).toBeNull();
  });

  test('printed and read again is the same', () => {
    for (const text of ['', OTHER, '[flow]\nidle-timeout = 9', '[flow.timeouts]\nudp = 4']) {
      const options = resolve(text);
      expect(resolve(formatConfig(options))).toEqual(options);
    }
  });

  test('tells every mistake with its line, key, value, what is allowed and what was meant', () => {
    const text = [
      'ring-mib = 3',
      '[capture]',
      'interfaces = ["lo", 3]',
      'ring-mib = 5000',
      'snapln = 5',
      'filter = 1',
      'level = "warn"',
      '[captur]',
      '[zzzzzzzz]',
      '[flow]',
      'hints = "yes"',
      'timeouts = { udp = 0, tpc-closed = 3 }',
      '[flow.nothing-like-it]',
      '[log]',
      'level = "loud"',
      '[metrics]',
      'listen = "localhost:1"',
    ].join('\n');
    expect(mistakesOf(text)).toEqual([
      'f.toml:1: ring-mib: must be in a table: it is capture.ring-mib',
      'f.toml:3: capture.interfaces = ["lo", 3]: must be a string or an array of strings, none of them empty',
      'f.toml:4: capture.ring-mib = 5000: must be a whole number of MiB from 2 to 1024',
      'f.toml:5: capture.snapln: unknown key; did you mean capture.snaplen?',
      'f.toml:6: capture.filter = 1: must be a tcpdump expression',
      'f.toml:7: capture.level: unknown key; did you mean log.level?',
      'f.toml:8: [captur]: unknown table; did you mean [capture]?',
      'f.toml:9: [zzzzzzzz]: unknown table; tables are capture, flow, routes, storage, engine, log, metrics, control',
      'f.toml:11: flow.hints = "yes": must be true or false',
      'f.toml:12: flow.timeouts.tpc-closed: unknown state; did you mean flow.timeouts.tcp-closed?',
      'f.toml:12: flow.timeouts.udp = 0: must be a whole number of seconds from 1 to 86400',
      'f.toml:13: flow.nothing-like-it: unknown key; keys of [flow] are idle-timeout, timeouts, checkpoint, max-flows, tunnels, hints, payload, timeseries',
      'f.toml:15: log.level = "loud": must be one of "trace", "debug", "info", "warn", "error", "fatal"',
      'f.toml:17: metrics.listen = "localhost:1": must be "PORT" of 127.0.0.1, "ADDR:PORT" or "[ADDR6]:PORT"',
    ]);
  });

  test.each([
    ['[capture\nx = 1', /^f\.toml:\d: not TOML: /],
    ['a = 1\na = 2', /^f\.toml:2: not TOML: /],
    ['capture = 3', /^f\.toml:1: capture = 3: is a table, written \[capture\]$/],
    ['[[capture]]\nfilter = "udp"', /^f\.toml:1: capture = \[\{.*\}\]: is a table, written \[capture\]$/],
    ['[flow]\ncheckpoint = 1.5', /^f\.toml:2: flow\.checkpoint = 1\.5: must be a whole number/],
    ['[log]\nlevel = 2020-01-01', /^f\.toml:2: log\.level = 2020-01-01T00.*: must be one of/],
    ['[capture]\nnetns = ["a", "!"]', /^f\.toml:2: capture\.netns = \["a", "!"\]: ./],
    ['[flow]\ntimeouts = 3', /^f\.toml:2: flow\.timeouts = 3: must be a table of states/],
  ])('%j is one mistake', (text, expected) => {
    const mistakes = mistakesOf(text);
    expect(mistakes).toHaveLength(1);
    expect(mistakes[0]).toMatch(expected);
  });

  test('whatever it is made of, there are options or mistakes with a line', () => {
    const names = DAEMON_OPTIONS.flatMap(({ key }) => (key === null ? [] : [key, key.split('.')[0]!]));
    const name = fc.oneof(
      fc.constantFrom(...names, ...names.map((n) => `${n}x`), '__proto__', 'constructor.prototype', '""'),
      fc.string().map((text) => formatTomlValue(text)),
    );
    const value = fc.oneof(
      fc.constantFrom('1', '-1', '1e9', 'inf', 'nan', 'true', '[]', '{}', '[[]]', '1979-05-27', "'''\n'''"),
      fc.string().map((text) => formatTomlValue(text)),
      fc.string(),
    );
    const line = fc.oneof(
      fc.tuple(name, value).map(([k, v]) => `${k} = ${v}`),
      name.map((n) => `[${n}]`),
      fc.string(),
    );
    let [good, bad] = [0, 0];
    fc.assert(
      fc.property(fc.array(line, { size: 'max', maxLength: 12 }), (lines) => {
        const mistakes = mistakesOf(lines.join('\n'));
        for (const mistake of mistakes) expect(mistake).toMatch(/^f\.toml:\d+: ./);
        if (mistakes.length === 0) good++;
        else bad++;
      }),
      { numRuns: 3000 },
    );
    expect(good).toBeGreaterThan(0);
    expect(bad).toBeGreaterThan(1000);
    // Nothing that a file says is in every object from then on.
    expect(Object.keys(Object.prototype)).toEqual([]);
    expect(mistakesOf('[__proto__]\nnetns = 1')).toEqual([
      expect.stringContaining('[__proto__]: unknown table'),
    ]);
    expect(({} as Record<string, unknown>).netns).toBeUndefined();
  });

  test('every string is written so that it is read again', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', size: 'max', maxLength: 60 }), (text) => {
        expect(parseToml(`a = ${formatTomlValue(text)}`, 'f').value).toEqual({ a: text });
      }),
    );
    for (const text of ['\u007f', '\u0000\b\t\n\f\r"\\', '\u2028'])
      expect(parseToml(`a = ${formatTomlValue(text)}`, 'f').value).toEqual({ a: text });
  });
});

describe('flags and file', () => {
  test('have the same options: each flag has a key, except for the second name of one', () => {
    const flags = DAEMON_OPTIONS.map(({ flag }) => flag);
    const keys = DAEMON_OPTIONS.flatMap(({ key }) => key ?? []);
    expect(new Set(flags).size).toBe(flags.length);
    expect(new Set(keys).size).toBe(keys.length);
    expect(DAEMON_OPTIONS.filter(({ key }) => key === null).map(({ flag }) => flag)).toEqual([
      '--active-timeout',
    ]);
    // And each has its part in the daemon's options: a file that says it makes other ones.
    const given = { ...parseConfig(OTHER, 'f'), ...parseConfig(FANNED, 'f') };
    const said = DAEMON_OPTIONS.filter((spec) => given[fieldOf(spec)] !== undefined).map(({ key }) => key);
    expect([...said, 'flow.idle-timeout'].sort()).toEqual(keys.sort());
    for (const { key, inForce } of DAEMON_OPTIONS)
      if (key !== null && key !== 'flow.idle-timeout')
        expect([key, inForce(resolve(key === 'capture.fanout' ? FANNED : OTHER))]).not.toEqual([
          key,
          inForce(resolve('')),
        ]);
  });

  test('flags go over the file, states of timeouts one by one', () => {
    const file = parseConfig(
      '[flow]\nhints = true\nidle-timeout = 50\ntimeouts = { udp = 7, icmp = 8 }',
      'f',
    );
    const given = flagsOverFile({ hints: false, timeout: { udp: 9 }, netns: ['x'] }, file);
    const options = resolveOptions(given, '/d', MEMORY);
    expect(options).toMatchObject({ hints: false, netns: ['x'], timeouts: { udp: 9, icmp: 8, other: 50 } });
  });

  test('--idle-timeout is for every state, whatever the file says of some; --active-timeout is --checkpoint', () => {
    const file = parseConfig('[flow]\ncheckpoint = 3\ntimeouts = { udp = 7 }', 'f');
    const options = resolveOptions(flagsOverFile({ idleTimeout: 40, activeTimeout: 4 }, file), '/d', MEMORY);
    expect(options).toMatchObject({ checkpointSec: 4, timeouts: { udp: 40, other: 40 } });
  });

  test('leave the scrapes of its own metrics out of the capture', () => {
    const exclude = (metrics?: string): string | null =>
      resolveOptions(metrics === undefined ? {} : { metrics }, '/d', MEMORY).exclude;
    expect(exclude('9464')).toBe('tcp port 9464 and host 127.0.0.1');
    expect(exclude('[::1]:7')).toBe('tcp port 7 and host ::1');
    expect([exclude('0.0.0.0:9464'), exclude('[::]:9464')]).toEqual(['tcp port 9464', 'tcp port 9464']);
    expect([exclude(), exclude('0')]).toEqual([null, null]);
  });

  test('what excludes each other is a mistake that names flag and key', () => {
    expect(() => resolve('[flow]\ntimeseries = true\ncheckpoint = 3')).toThrow(
      '--timeseries (flow.timeseries) needs a checkpoint at the end of every 10 s: --checkpoint 1, 2, 5 or 10, not 3 (flow.checkpoint)',
    );
    expect(() => resolve(`${FANNED}\nbackend = "libpcap"`)).toThrow(
      '--fanout 2 (capture.fanout) needs rings: leave out --backend libpcap (capture.backend)',
    );
    expect(() => resolve(`${FANNED}\n[flow]\ntunnels = "inner"`)).toThrow(
      /^--fanout 2 \(capture\.fanout\) shares .* leave out --tunnels inner \(flow\.tunnels\)/,
    );
    expect(() => resolve('[capture]\nfanout = 17')).toThrow('a whole number of threads from 1 to 16');
    expect(() => resolveOptions({ metrics: 'x' }, '/d', MEMORY)).toThrow(
      /^--metrics \(metrics\.listen\) "x"/,
    );
  });
});

describe('a reload', () => {
  test('takes what is live, and names what needs a restart', () => {
    const now = resolve('');
    const next = resolve(OTHER.replace('backend = "libpcap"', ''));
    const { options, changed, needsRestart } = planReload(now, next);
    expect(planReload(now, resolve(FANNED))).toEqual({
      options: now,
      changed: [],
      needsRestart: ['capture.fanout'],
    });
    for (const { key, isLive, inForce } of DAEMON_OPTIONS)
      if (key !== null) expect([key, inForce(options)]).toEqual([key, inForce(isLive ? next : now)]);
    expect(changed).toEqual([
      'capture.netns',
      'capture.interfaces',
      'capture.filter',
      'capture.snaplen',
      'flow.timeouts',
      'routes.audit-rate',
      'log.level',
    ]);
    expect(
      [...changed, ...needsRestart, 'flow.idle-timeout', 'capture.backend', 'capture.fanout'].sort(),
    ).toEqual(DAEMON_OPTIONS.flatMap(({ key }) => key ?? []).sort());
    expect(planReload(options, options)).toEqual({ options, changed: [], needsRestart: [] });
  });

  test('of libpcap leaves its filter alone', () => {
    const now = resolve('[capture]\nbackend = "libpcap"');
    const { options, changed, needsRestart } = planReload(now, { ...now, filter: 'udp', snapLen: 100 });
    expect([options, changed, needsRestart]).toEqual([now, [], ['capture.filter', 'capture.snaplen']]);
  });
});

describe('who may write the file', () => {
  const dir = mkdtempSync(join(tmpdir(), 'nstap-config-'));
  const path = join(dir, 'nstap.toml');
  afterAll(() => rmSync(dir, { recursive: true, force: true }));

  test('only root or who starts the daemon', () => {
    writeFileSync(path, '[log]\nlevel = "warn"\n');
    for (const mode of [0o600, 0o644, 0o400]) {
      chmodSync(path, mode);
      expect(readConfigFile(path)).toEqual({ logLevel: 'warn' });
    }
    for (const mode of [0o620, 0o602, 0o666]) {
      chmodSync(path, mode);
      expect(() => readConfigFile(path)).toThrow(
        `the configuration ${path} could be changed by others than root; chown root ${path} && chmod go-w ${path}`,
      );
    }
  });

  test.skipIf(process.getuid?.() !== 0)('not another user, whose file root reads (needs root)', () => {
    chmodSync(path, 0o600);
    chownSync(path, 65_534, 65_534);
    expect(() => readConfigFile(path)).toThrow(/could be changed by others/);
    chownSync(path, 0, 0);
  });

  test('a folder, a large file and one that is not there are told as such', () => {
    expect(() => readConfigFile(dir)).toThrow(`the configuration ${dir} is not a file`);
    expect(() => readConfigFile(join(dir, 'none'))).toThrow(/^cannot read the configuration .*ENOENT/);
    const large = join(dir, 'large');
    writeFileSync(large, Buffer.alloc((1 << 20) + 1, 0x20), { mode: 0o600 });
    expect(() => readConfigFile(large)).toThrow('has 1048577 octets; at most 1048576 are read');
  });
});

test.each([
  ['9464', { host: '127.0.0.1', port: 9464 }],
  ['0.0.0.0:1', { host: '0.0.0.0', port: 1 }],
  ['[::1]:65535', { host: '::1', port: 65_535 }],
  ['0', { host: '127.0.0.1', port: 0 }],
  ['65536', null],
  ['::1', null],
  ['::1:9464', null],
  ['[10.0.0.1]:1', null],
  ['localhost:1', null],
  [':1', null],
  ['', null],
  ['1.2.3.4', null],
  ['1.2.3.4:', null],
  ['-1', null],
])('the address %j is %j', (text, expected) => {
  expect(parseListenAddress(text)).toEqual(expected);
});
