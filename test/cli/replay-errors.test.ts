import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { pcapFile } from '../decoders/savefile-build.ts';
import { frame } from '../support/frames.ts';
import { MAIN, nstap } from '../support/nstap.ts';

const NOBODY = 65534;
const scratch = mkdtempSync(join(tmpdir(), 'nstap-bad-files-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

const packet = (sec: number) => ({ sec, fraction: 0, data: Uint8Array.from(frame({ payload: 40 })) });
const good = pcapFile([packet(1), packet(2), packet(3)]);
const RECORD_LEN = (good.length - 24) / 3;
const THIRD_RECORD = 24 + 2 * RECORD_LEN;

/** Writes a file and replays it. */
function replay(name: string, bytes: Uint8Array, ...more: string[]) {
  const path = join(scratch, name);
  writeFileSync(path, bytes);
  const run = nstap(['replay', '--json', '--db', join(scratch, `${name}.db`), path, ...more]);
  return { ...run, path, totals: run.stdout === '' ? null : JSON.parse(run.stdout) };
}

describe('replay of files that are not as they should be', () => {
  test.each<[string, Uint8Array, RegExp]>([
    ['empty', new Uint8Array(0), /looks like an empty file/],
    ['text', Buffer.from('10:00:01 IP 10.0.0.1 > 10.0.0.2\n'), /looks like text/],
    ['png', Buffer.from('89504e470d0a1a0a0000000d', 'hex'), /looks like a PNG image/],
    ['sqlite', Buffer.from('SQLite format 3\0'), /looks like an SQLite database/],
    ['snoop', Buffer.from('snoop\0\0\0\0\0\0\x02'), /looks like a Solaris snoop capture/],
    [
      'lz4',
      Buffer.from('04224d1864', 'hex'),
      /looks like lz4-compressed data; unpack it: lz4 -dc FILE \| nstap replay -/,
    ],
    ['gzip of text', gzipSync('some text'), /inside the compression; it looks like text/],
    ['a few zeros', new Uint8Array(100), /looks like a file of zeros/],
  ])('%s: what it looks like, and 1', (name, bytes, reason) => {
    const { status, stderr, path, totals } = replay(name, bytes);
    expect(status).toBe(1);
    expect(stderr).toMatch(new RegExp(`^nstap: ${path}: neither pcap nor pcapng.*\n$`));
    expect(stderr).toMatch(reason);
    expect(totals).toMatchObject({ packets: 0, flows: 0, errors: [{ file: path, offset: null }] });
    expect(totals.errors[0].reason).toMatch(reason);
  });

  test.each<[string, Uint8Array, number, number]>([
    ['cut in the file header', good.subarray(0, 20), 0, 0],
    ['cut in a record header', good.subarray(0, THIRD_RECORD + 7), 2, THIRD_RECORD],
    ['cut in a record', good.subarray(0, good.length - 1), 2, THIRD_RECORD],
    [
      'a length that lies',
      Buffer.concat([
        good.subarray(0, THIRD_RECORD + 8),
        Buffer.from('ffffff7f', 'hex'),
        good.subarray(THIRD_RECORD + 12),
      ]),
      2,
      THIRD_RECORD,
    ],
    ['gzip with a cut inside', gzipSync(good.subarray(0, good.length - 1)), 2, THIRD_RECORD],
    ['zstd with a cut inside', zstdCompressSync(good.subarray(0, good.length - 1)), 2, THIRD_RECORD],
  ])('%s: what came before is stored, the offset is told, and 1', (name, bytes, packets, offset) => {
    const { status, stderr, path, totals } = replay(name, bytes);
    expect(status).toBe(1);
    expect(stderr).toMatch(new RegExp(`^nstap: ${path}: .*\\(at octet ${offset}\\)\n$`));
    expect(totals).toMatchObject({ packets, flows: packets > 0 ? 1 : 0, errors: [{ file: path, offset }] });
    const { stdout } = nstap(['flows', '--db', join(scratch, `${name}.db`), '--format', 'ndjson']);
    const stored = stdout.split('\n').filter(Boolean);
    expect(stored.map((line) => JSON.parse(line).packets_fwd)).toEqual(packets > 0 ? [packets] : []);
  });

  test('gzip that is cut itself: what was unpacked is stored, and 1', () => {
    const { status, stderr, totals } = replay(
      'cut.gz',
      gzipSync(good, { level: 0 }).subarray(0, good.length - 20),
    );
    expect([status, totals.packets]).toEqual([1, 2]);
    expect(stderr).toMatch(/^nstap: .*cut\.gz: .+\n$/);
    expect(totals.errors).toHaveLength(1);
  });

  test('a link type without a decoder: counted as undecoded, one warning with its name, and 0', () => {
    const { status, stderr, totals } = replay(
      'wifi.pcap',
      pcapFile([packet(1), packet(2)], { linkType: 105 }),
    );
    expect(status).toBe(0);
    expect(stderr).toBe(
      'nstap: warning: link type LINKTYPE_IEEE802_11 (105) has no decoder; its packets are counted as undecoded\n',
    );
    expect(totals).toMatchObject({ packets: 2, undecoded: 2, flows: 0, errors: [], link_types: [105] });
  });

  test('a missing file and a directory: said so, and 1', () => {
    const missing = join(scratch, 'missing.pcap');
    const db = join(scratch, 'missing.db');
    expect(nstap(['replay', '--db', db, missing])).toMatchObject({
      status: 1,
      stderr: `nstap: ${missing}: cannot be read: there is no such file\n`,
    });
    expect(nstap(['replay', '--db', db, scratch])).toMatchObject({
      status: 1,
      stderr: `nstap: ${scratch}: it is a directory, not a savefile\n`,
    });
  });

  test('one bad file among several: the others are stored, and 1', () => {
    const [first, bad, last] = ['first.pcap', 'bad.pcap', 'last.pcap'].map((name) => join(scratch, name));
    writeFileSync(first!, good);
    writeFileSync(bad!, 'no pcap');
    writeFileSync(last!, good);
    const { status, stdout } = nstap([
      'replay',
      '--json',
      '--db',
      join(scratch, 'several.db'),
      first!,
      bad!,
      last!,
    ]);
    expect(status).toBe(1);
    expect(JSON.parse(stdout)).toMatchObject({
      files: [first, bad, last],
      packets: 6,
      flows: 2,
      errors: [{ file: bad }],
    });
  });

  describe.skipIf(process.getuid?.() !== 0)(
    'without the right to read it (needs root to become another user)',
    () => {
      const folder = join(scratch, 'shared');
      beforeAll(() => {
        chmodSync(scratch, 0o755);
        mkdirSync(folder);
        chmodSync(folder, 0o777);
      });

      test('says so, and 1', (context) => {
        // The user must be able to run the program at all: not from below a closed home folder.
        const asNobody = (...words: string[]) =>
          spawnSync(process.execPath, words, { encoding: 'utf8', uid: NOBODY, gid: NOBODY, cwd: folder });
        if (asNobody(MAIN, '--version').status !== 0) context.skip('the checkout cannot be read by nobody');
        const secret = join(folder, 'secret.pcap');
        writeFileSync(secret, good, { mode: 0o600 });
        const { status, stderr } = asNobody(MAIN, 'replay', '--db', join(folder, 'own.db'), secret);
        expect([status, stderr]).toEqual([1, `nstap: ${secret}: cannot be read: permission denied\n`]);
        expect(readFileSync(secret).length).toBe(good.length);
      });
    },
  );
});
