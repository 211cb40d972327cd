import { chownSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { type CliResult, nstap } from '../support/nstap.ts';

const dir = mkdtempSync(join(tmpdir(), 'nstap-check-'));
const isRoot = process.getuid?.() === 0;
afterAll(() => rmSync(dir, { recursive: true, force: true }));

/** Checks a file of this text, for a database in a folder of the engine's user. */
function check(text: string, ...flags: string[]): CliResult {
  const file = join(dir, 'nstap.toml');
  writeFileSync(file, text, { mode: 0o644 });
  return nstap(['daemon', '--check', '--config', file, ...flags]);
}

/** A folder that user 65534 may write, reached without the rights of root. */
function folder(name: string): string {
  const path = join(dir, name);
  mkdirSync(path);
  if (isRoot) {
    chownSync(dir, 65_534, 65_534);
    chownSync(path, 65_534, 65_534);
  }
  return path;
}

describe('daemon --check', () => {
  test('prints everything as it would be in force, flags over the file, and changes nothing', () => {
    const own = folder('db');
    const text = '[capture]\nfilter = "tcp"\nring-mib = 4\n[flow]\nhints = true\nmax-flows = 7\n';
    const { status, stdout, stderr } = check(
      text,
      '--db',
      join(own, 'f.db'),
      '--no-hints',
      '--filter',
      'udp',
    );
    expect([status, stderr]).toEqual([0, '']);
    for (const line of ['filter = "udp"', 'ring-mib = 4', 'hints = false', 'max-flows = 7'])
      expect(stdout).toContain(`\n${line}\n`);
    expect(stdout).toMatch(/^# Checked: the engine runs as \S+\.\n\[capture\]\n/);
    // It is such a file.
    const again = check(stdout);
    expect([again.status, again.stdout]).toEqual([0, stdout]);
    expect(readdirSync(own)).toEqual([]);
  });

  test.each([
    [
      '[capture]\nring-mib = 1\nfoo = 2\n',
      2,
      /^nstap: \S+:2: capture\.ring-mib = 1: must be .*\n\S+:3: capture\.foo: unknown key; /,
    ],
    ['[capture]\nfilter = "tcp and"\n', 2, /^nstap: filter "tcp and": .*\n$/],
    ['[flow]\ntimeseries = true\ncheckpoint = 7\n', 2, /^nstap: --timeseries \(flow\.timeseries\) needs/],
    [
      '[storage]\ndb = "/nowhere/at/all.db"\n',
      1,
      /^nstap: there is no folder \/nowhere\/at for the database; create it first\n$/,
    ],
    ['[engine]\nuser = "nobody-of-that-name"\n', 1, /^nstap: --user nobody-of-that-name: no such user/],
  ])('%j ends with %i', (text, expected, message) => {
    const { status, stdout, stderr } = check(text);
    expect(stderr).toMatch(message);
    expect([status, stdout]).toEqual([expected, '']);
  });

  test('a file that is not there, or a folder that the engine cannot write, ends with 1', () => {
    const none = nstap(['daemon', '--check', '--config', join(dir, 'none.toml')]);
    expect(none.status).toBe(1);
    expect(none.stderr).toMatch(/^nstap: cannot read the configuration .*ENOENT/);
    if (!isRoot) return;
    const path = folder('closed');
    chownSync(path, 0, 0);
    const closed = check('', '--db', join(path, 'f.db'), '--user', '65534:65534');
    expect(closed.status).toBe(1);
    expect(closed.stderr).toMatch(/not as root, and cannot use \S+closed \(EACCES\)/);
  });

  test.skipIf(existsSync('/var/lib/nstap'))(
    'does not make the default folder (needs it not to be there)',
    () => {
      const { status } = check('[storage]\ndb = "/var/lib/nstap/flows.db"\n');
      expect(status).toBe(0);
      expect(existsSync('/var/lib/nstap')).toBe(false);
    },
  );
});
