import { spawnSync } from 'node:child_process';
import {
  copyFileSync,
  linkSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { gunzipSync, zstdDecompressSync } from 'node:zlib';
import { afterAll, describe, expect, test } from 'vitest';
import { MAIN, nstap } from '../support/nstap.ts';
import { tempFolder } from '../storage/temp-db.ts';
import { sampleDb } from './sample-db.ts';

const db = sampleDb();
afterAll(db.remove);

const flows = (format: string, ...filter: string[]): string =>
  nstap(['flows', '--db', db.path, '--sort', '+flow_id', '--format', format, ...filter]).stdout;

describe('nstap export', () => {
  test('csv and ndjson are those of `nstap flows`, by the name of the file or by --format', () => {
    const folder = tempFolder();
    for (const [name, format] of [
      ['a.csv', 'csv'],
      ['a.ndjson', 'ndjson'],
      ['a.jsonl', 'ndjson'],
    ] as const) {
      const file = join(folder, name);
      const run = nstap(['export', '--db', db.path, '-o', file]);
      expect(run).toMatchObject({ status: 0, stdout: '' });
      expect(run.stderr).toMatch(/^nstap: 6 flows in .*, [\d,]+ bytes, [\d.]+ s\n$/);
      expect(readFileSync(file, 'utf8')).toBe(flows(format));
      expect(nstap(['export', '--db', db.path, '--format', format]).stdout).toBe(flows(format));
    }
    expect(nstap(['export', '--db', db.path]).stdout).toBe(flows('csv'));
  });

  test('a filter, times and a compressed name are honoured', () => {
    const folder = tempFolder();
    const udp = flows('csv', 'udp');
    const gz = join(folder, 'udp.csv.gz');
    expect(nstap(['export', '--db', db.path, '-o', gz, 'udp']).status).toBe(0);
    expect(gunzipSync(readFileSync(gz)).toString()).toBe(udp);
    const zst = join(folder, 'udp.csv.zst');
    expect(nstap(['export', '--db', db.path, '-o', zst, 'udp']).status).toBe(0);
    expect(zstdDecompressSync(readFileSync(zst)).toString()).toBe(udp);
    const early = nstap(['export', '--db', db.path, '--until', '2023-11-14T22:13:25Z']).stdout;
    expect(early.split('\n')).toHaveLength(1 + 1 + 1);
  });

  test.each(['export', 'report'])('%s does not write over the database it reads', (command) => {
    const folder = tempFolder();
    const path = join(folder, 'flows.db');
    copyFileSync(db.path, path);
    const before = readFileSync(path);
    symlinkSync(path, join(folder, 'link.csv'));
    linkSync(path, join(folder, 'hard.csv'));
    for (const name of ['flows.db', 'link.csv', 'hard.csv']) {
      const run = nstap([command, '--db', path, '-o', join(folder, name)]);
      expect(run).toMatchObject({ status: 2, stdout: '' });
      expect(run.stderr).toMatch(/^nstap: write .*: it is .*read; name another file\n$/);
    }
    expect(readFileSync(path)).toEqual(before);
  });

  test('--tz and --resolve are those of `nstap flows`', () => {
    const times = ['--since', '2023-11-15 07:13:20', '--until', '2023-11-15 07:13:25'];
    const some = nstap(['export', '--db', db.path, '--tz', 'Asia/Tokyo', ...times]).stdout;
    expect(some.split('\n')).toHaveLength(1 + 1 + 1);
    expect(some).toBe(flows('csv', '--tz', 'Asia/Tokyo', ...times));
    expect(nstap(['export', '--db', db.path, '--resolve', 'host', 'localhost']).stdout).toBe(
      flows('csv', 'host', '127.0.0.1'),
    );
    expect(nstap(['export', '--db', db.path, 'host', 'localhost'])).toMatchObject({ status: 2, stdout: '' });
  });

  test('a summary as JSON; the file is for its owner and his group, or as it was', () => {
    const folder = tempFolder();
    const file = join(folder, 'a.csv');
    const run = nstap(['export', '--db', db.path, '-o', file, '--json']);
    const { size, mode } = statSync(file);
    expect(JSON.parse(run.stdout)).toMatchObject({ file, format: 'csv', flows: 6, bytes: size });
    expect(mode & 0o777 & ~0o640).toBe(0);
    const link = join(folder, 'link.csv');
    symlinkSync(file, link);
    writeFileSync(file, 'before', { mode: 0o600 });
    expect(nstap(['export', '--db', db.path, '-o', link]).status).toBe(0);
    expect(readFileSync(file, 'utf8')).toBe(flows('csv'));
    expect(readdirSync(folder).sort()).toEqual(['a.csv', 'link.csv']);
  });

  test('what fails leaves what was there before, and nothing else', () => {
    const folder = tempFolder();
    const file = join(folder, 'a.csv');
    writeFileSync(file, 'before');
    const run = nstap(['export', '--db', db.path, '-o', file, '--experiment', 'none']);
    expect(run.status).toBe(1);
    expect(run.stderr).toMatch(/there is no experiment none/);
    expect(readFileSync(file, 'utf8')).toBe('before');
    expect(readdirSync(folder)).toEqual(['a.csv']);
    expect(nstap(['export', '--db', db.path, '-o', folder]).stderr).toMatch(/it is a folder/);
    const gone = nstap(['export', '--db', db.path, '-o', join(folder, 'no', 'a.csv')]);
    expect(gone.status).toBe(1);
    expect(gone.stderr).toContain(`write ${join(folder, 'no', 'a.csv')}: ${join(folder, 'no')}: ENOENT`);
    expect(nstap(['report', '--db', db.path, '-o', join(folder, 'no', 'a.html')]).stderr).toMatch(
      /name a folder/,
    );
  });

  test('a device takes it as it is', () => {
    expect(nstap(['export', '--db', db.path, '-o', '/dev/null']).status).toBe(0);
    expect(statSync('/dev/null').isCharacterDevice()).toBe(true);
  });

  test('a reader that has seen enough ends it in peace', () => {
    const line = `"${process.execPath}" "${MAIN}" export --db "${db.path}" --format ndjson | head -n 1; echo "\${PIPESTATUS[0]}"`;
    const { stdout, stderr } = spawnSync('bash', ['-c', line], { encoding: 'utf8' });
    expect(stdout.trimEnd().split('\n').at(-1)).toBe('0');
    expect(stderr).toBe('');
  });

  test.each([
    [['--json'], /name a file with -o/],
    [['--extra'], /--extra adds columns to --format zeek/],
    [
      ['-o', '/dev/null', '--format', 'parquet', '--compress', 'gzip'],
      /Allowed choices are snappy, zstd, none/,
    ],
    [['-o', 'x.csv', '--compress', 'zstd'], /--compress is for Parquet/],
    [['-o', 'x.parquet.gz'], /Parquet is compressed within/],
    [['-w', 'x.pcapng'], /--write needs --carve/],
    [['--format', 'xml'], /Allowed choices/],
    [['host'], /filter/],
  ])('%j is a mistake that is told', (words, message) => {
    const run = nstap(['export', '--db', db.path, ...words]);
    expect(run.status).toBe(2);
    expect(run.stderr).toMatch(message);
  });
});
