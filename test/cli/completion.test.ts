import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { manPage } from '../../cli/man-page.ts';
import { createProgram } from '../../cli/program.ts';
import { nstap } from './run-cli.ts';

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'nstap-words-'));
  mkdirSync(join(folder, 'captures'));
  for (const name of ['one.pcap', 'two.pcap', '.hidden']) writeFileSync(join(folder, name), '');
});
afterAll(() => rmSync(folder, { recursive: true }));

/** What is offered for the last word, without descriptions. */
async function offered(...words: string[]): Promise<string[]> {
  const { status, stdout, stderr } = await nstap(['complete', '--', ...words]);
  expect([status, stderr]).toEqual([0, '']);
  const lines = stdout.trimEnd().split('\n');
  expect(lines.pop()).toBe(':4');
  return lines.map((line) => line.split('\t')[0]!);
}

describe('completion', () => {
  test('offers commands, options and their values', async () => {
    expect(await offered('da')).toEqual(['daemon']);
    expect(await offered('route', '')).toContain('get');
    expect(await offered('replay', '--snap')).toEqual(['--snapshot']);
    expect(await offered('flows', '--format', '')).toEqual(['table', 'json', 'ndjson', 'csv']);
    expect(await offered('flows', '--format', 'n')).toEqual(['ndjson']);
    expect(await offered('daemon', '--netns', 'an')).toEqual(['any']);
  });

  test('offers files where a file is wanted', async () => {
    const all = ['captures/', 'one.pcap', 'two.pcap'].map((name) => join(folder, name));
    expect((await offered('replay', `${folder}/`)).toSorted()).toEqual(all);
    expect(await offered('replay', `${folder}/t`)).toEqual([join(folder, 'two.pcap')]);
    expect(await offered('replay', `${folder}/.h`)).toEqual([join(folder, '.hidden')]);
    expect(await offered('flows', '--db', `${folder}/o`)).toEqual([join(folder, 'one.pcap')]);
    expect(await offered('flows', '--db', `${folder}/none/`)).toEqual([]);
  });

  test.each(['bash', 'zsh', 'fish'])('prints what %s takes', async (shell) => {
    const { status, stdout } = await nstap(['completion', shell]);
    expect(status).toBe(0);
    expect(stdout).toContain('nstap complete --');
    const checked = spawnSync(shell, ['-n'], { input: stdout, encoding: 'utf8' });
    // Not every shell is everywhere; bash is, as our own scripts need it.
    if (checked.error === undefined) expect([checked.status, checked.stderr]).toEqual([0, '']);
    else expect(shell).not.toBe('bash');
  });

  test('knows no other shell', async () => {
    expect(await nstap(['completion', 'csh'])).toMatchObject({ status: 2, stdout: '' });
  });
});

describe('the manual page', async () => {
  const page = manPage(await createProgram(), '1.2.3');
  const { commands } = await createProgram();

  test('has every command with each of its options', () => {
    for (const command of commands) {
      expect(page).toContain(`\n.SS nstap ${command.name().replaceAll('-', '\\-')} `);
      for (const { flags } of command.options.filter(({ hidden }) => !hidden))
        expect(page).toContain(`\n.B ${flags.replaceAll('-', '\\-')}\n`);
    }
    expect(page).toMatch(/^\.TH NSTAP 8 "" "nstap 1\.2\.3"/);
  });

  const hasGroff = spawnSync('groff', ['-v']).error === undefined;
  test.skipIf(!hasGroff)(`is read without a complaint${hasGroff ? '' : ' (needs groff)'}`, () => {
    const groff = spawnSync('groff', ['-man', '-Tutf8', '-ww', '-z'], { input: page, encoding: 'utf8' });
    expect([groff.status, groff.stderr]).toEqual([0, '']);
  });
});
