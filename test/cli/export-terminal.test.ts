import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { fillDatabase } from '../../bench/flow-database.ts';
import { tempFolder } from '../storage/temp-db.ts';
import { MAIN, nstap } from '../support/nstap.ts';
import { Terminal, terminalMissing } from '../support/terminal.ts';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';

const missing = terminalMissing();
const isRoot = process.getuid!() === 0;

let folder = '';
let db = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'nstap-test-'));
  db = join(folder, 'flows.db');
  fillDatabase(db, 100_000);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function start(...words: string[]): Terminal {
  const terminal = Terminal.start([process.execPath, MAIN, ...words], { width: 120 });
  onTestFinished(() => terminal.close());
  return terminal;
}

test.skipIf(missing !== null)(
  `Ctrl-C during an export takes the bar away and leaves what was there before (${missing ?? 'tmux'})`,
  async () => {
    const own = tempFolder();
    const file = join(own, 'a.ndjson');
    writeFileSync(file, 'before');
    const terminal = start('export', '--db', db, '-o', file);
    await terminal.waitFor(/\] [1-9]\d*% \| [\d,]+ of 100,352 flows/);
    expect(readdirSync(own).sort()).toEqual(['a.ndjson', expect.stringMatching(/^a\.ndjson\.\d+\.tmp$/)]);
    terminal.press('C-c');
    expect(await terminal.waitForEnd()).toBe(130);
    const screen = terminal.screen().join('\n');
    expect(screen).toContain(`nstap: interrupted: ${file} is as it was before`);
    expect(screen).not.toContain('%');
    expect(readdirSync(own)).toEqual(['a.ndjson']);
    expect(readFileSync(file, 'utf8')).toBe('before');
  },
);

test.skipIf(missing !== null)(
  `binary formats and pages are not written to a terminal (${missing ?? 'tmux'})`,
  async () => {
    for (const [words, message] of [
      [['export', '--db', db, '--format', 'parquet'], 'Parquet is binary, and stdout is a terminal'],
      [['export', '--carve', 'tcp', '-w', '-', MAIN], 'pcapng is binary, and stdout is a terminal'],
      [['report', '--db', db], 'a page of HTML is not for a terminal'],
    ] as const) {
      const terminal = start(...words);
      expect(await terminal.waitForEnd()).toBe(2);
      expect(terminal.screen().join('\n')).toContain(message);
    }
  },
);

test.skipIf(!isRoot)('a full disk is told, and leaves nothing (needs root: mount)', () => {
  const disk = join(folder, 'disk');
  mkdirSync(disk);
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=256k', 'nstap-test', disk]);
  onTestFinished(() => void execFileSync('umount', ['-l', disk]));
  for (const name of ['a.csv', 'a.csv.gz', 'a.parquet']) {
    const run = nstap(['export', '--db', db, '-o', join(disk, name)]);
    expect(run.status).toBe(1);
    expect(run.stderr).toBe(
      `nstap: export to ${join(disk, name)}: ENOSPC: no space left on device; nothing is kept of it\n`,
    );
    expect(readdirSync(disk)).toEqual([]);
  }
});
