import {
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { afterAll, describe, expect, test } from 'vitest';
import { writeAtomically } from '../../daemon/routes/atomic-file.ts';
import { loadSnapshot, snapshotOfRoutes } from '../../daemon/routes/load-snapshot.ts';
import { readSnapshot, snapshotLines, writeSnapshot } from '../../daemon/routes/snapshot-file.ts';
import type { RouteSnapshot } from '../../daemon/routes/snapshot.ts';

const folder = mkdtempSync(join(tmpdir(), 'nstap-snapshot-'));
afterAll(() => rmSync(folder, { recursive: true }));
const path = (name: string): string => join(folder, name);
const file = (name: string, content: string | Uint8Array): string => {
  writeFileSync(path(name), content);
  return path(name);
};

function snapshotOf(count: number): RouteSnapshot {
  const lines = Array.from(
    { length: count },
    (_, i) => `10.${i >> 8}.${i & 255}.0/24 via 10.255.0.1 dev eth0`,
  );
  return snapshotOfRoutes(lines.join('\n'), 'test');
}

describe('a snapshot file', () => {
  test.each(['plain.json', 'packed.json.gz', 'packed.json.zst'])(
    '%s: what was written is read',
    async (name) => {
      for (const count of [0, 1, 5000]) {
        const snapshot = snapshotOf(count);
        await writeSnapshot(path(name), snapshot);
        expect(readSnapshot(path(name))).toEqual(snapshot);
      }
      const magic = readFileSync(path(name)).subarray(0, 2).toString('hex');
      expect(magic).toBe({ 'plain.json': '7b22', 'packed.json.gz': '1f8b', 'packed.json.zst': '28b5' }[name]);
    },
  );

  test('is one JSON object with a route a line', async () => {
    const snapshot = snapshotOf(3);
    await writeSnapshot(path('lines.json'), snapshot);
    const text = readFileSync(path('lines.json'), 'utf8');
    expect(JSON.parse(text)).toEqual(snapshot);
    expect(text.split('\n').map((line) => line.slice(0, 12))).toEqual([
      '{"format":"n',
      '{"family":4,',
      '{"family":4,',
      '{"family":4,',
      ']}',
      '',
    ]);
  });

  test('is read in any layout: on one line, spread, with CRLF, compressed whatever its name', () => {
    const snapshot = snapshotOf(3);
    const lines = [...snapshotLines(snapshot)].join('');
    expect(readSnapshot(file('one.json', JSON.stringify(snapshot)))).toEqual(snapshot);
    expect(readSnapshot(file('spread.json', JSON.stringify(snapshot, null, 2)))).toEqual(snapshot);
    expect(readSnapshot(file('crlf.json', lines.replaceAll('\n', '\r\n')))).toEqual(snapshot);
    expect(readSnapshot(file('gzip.json', gzipSync(lines)))).toEqual(snapshot);
    expect(readSnapshot(file('zstd.json', zstdCompressSync(lines)))).toEqual(snapshot);
  });

  test('cut short, or with something wrong in it, says where', () => {
    const lines = [...snapshotLines(snapshotOf(3))];
    const cut = file('cut.json', lines.slice(0, 3).join(''));
    expect(() => readSnapshot(cut)).toThrow(`${cut} line 3: "routes": the file is cut short after 2 routes`);
    const middle = file('middle.json', lines.join(''));
    truncateSync(middle, statSync(middle).size - 10);
    expect(() => readSnapshot(middle)).toThrow(`${middle} line 4: "{"family":4`);
    const wrong = file('wrong.json', lines.toSpliced(2, 1, '{"family":5},\n').join(''));
    expect(() => readSnapshot(wrong)).toThrow(`${wrong} line 3: "{"family":5}": should be a route`);
    const behind = file('behind.json', `${lines.join('')}{}\n`);
    expect(() => readSnapshot(behind)).toThrow(`${behind} line 6: "{}": stands behind the end`);
    const single = file('single.json', JSON.stringify({ ...snapshotOf(1), routes: [{}] }));
    expect(() => readSnapshot(single)).toThrow('"routes[0]": should be a route');
    const link = file('no-name.json', JSON.stringify({ ...snapshotOf(1), links: [{ ifIndex: 1, name: 7 }] }));
    expect(() => readSnapshot(link)).toThrow('"links[0]": should have a string `name`');
    const gzip = file('broken.gz', gzipSync(lines.join('')).subarray(0, -9));
    expect(() => readSnapshot(gzip)).toThrow(`${gzip}: "gzip": cannot be unpacked: `);
    expect(() => readSnapshot(file('empty.json', ''))).toThrow('no JSON');
    expect(() => readSnapshot(folder)).toThrow(`${folder}: EISDIR`);
  });

  test('text of `ip` may be compressed as well', () => {
    const routes = file('routes.txt.gz', gzipSync('default dev eth0 scope link\n'));
    const rules = file(
      'rules.txt.zst',
      zstdCompressSync('0:\tfrom all lookup local\n5:\tfrom all lookup 7\n'),
    );
    const snapshot = loadSnapshot({ routes, rules })!;
    expect(snapshot.routes).toHaveLength(1);
    expect(snapshot.rules.filter(({ table }) => table === 7)).toHaveLength(1);
  });
});

describe('writing a file whole or not at all', () => {
  const broken = (): Readable =>
    Readable.from(
      (function* () {
        yield 'half of it';
        throw new Error('the source broke');
      })(),
    );

  test('a failure leaves what was there, and nothing beside it', async () => {
    const target = file('kept.json', 'before');
    const names = readdirSync(folder);
    await expect(writeAtomically(target, [broken()])).rejects.toThrow(`${target}: the source broke`);
    expect(readFileSync(target, 'utf8')).toBe('before');
    await expect(writeAtomically(path('new.json'), [broken()])).rejects.toThrow('the source broke');
    expect(readdirSync(folder)).toEqual(names);
  });

  test('so does an abort', async () => {
    const target = file('aborted.json', 'before');
    const names = readdirSync(folder);
    const controller = new AbortController();
    const endless = Readable.from(
      (function* () {
        for (let i = 0; ; i++) {
          if (i === 3) controller.abort();
          yield 'x'.repeat(100_000);
        }
      })(),
    );
    await expect(writeAtomically(target, [endless], controller.signal)).rejects.toThrow('aborted');
    expect(readFileSync(target, 'utf8')).toBe('before');
    expect(readdirSync(folder)).toEqual(names);
  });

  test('readers see the old file or the new one; a link stays a link; the mode is that of a new file', async () => {
    const target = file('target.json', 'before');
    symlinkSync(target, path('link.json'));
    await writeAtomically(path('link.json'), [Readable.from(['after'])]);
    expect(readFileSync(target, 'utf8')).toBe('after');
    expect(readFileSync(path('link.json'), 'utf8')).toBe('after');
    expect(statSync(target).mode & 0o777).toBe(0o644 & ~process.umask());
  });

  test('a device is written to, not replaced', async () => {
    await writeAtomically('/dev/null', [Readable.from(['gone'])]);
    expect(statSync('/dev/null').isCharacterDevice()).toBe(true);
  });

  test('a folder that is not there, or a folder as the file, is told with what to do', async () => {
    const nowhere = path('no/such.json');
    await expect(writeAtomically(nowhere, [Readable.from(['x'])])).rejects.toThrow(
      `${nowhere}: there is no folder ${path('no')}; make it, or choose another file`,
    );
    await expect(writeAtomically('/proc/nstap.json', [Readable.from(['x'])])).rejects.toThrow(
      'no file can be made in /proc (ENOENT)',
    );
    await expect(writeAtomically(folder, [Readable.from(['x'])])).rejects.toThrow(
      `${folder}: it is a folder`,
    );
  });
});
