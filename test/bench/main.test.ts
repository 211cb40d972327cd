import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, test } from 'vitest';
import type { Results } from '../../bench/report.ts';

const MAIN = fileURLToPath(new URL('../../bench/main.ts', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'nstap-bench-test-'));
afterAll(() => rmSync(folder, { recursive: true }));

function bench(...words: string[]): {
  status: number | null;
  stdout: string;
  stderr: string;
  results: () => Results;
} {
  const file = join(folder, 'results.json');
  const run = spawnSync(process.execPath, [MAIN, '--quick', '--results', file, ...words], {
    encoding: 'utf8',
  });
  return { ...run, results: () => JSON.parse(readFileSync(file, 'utf8')) };
}

test('a part prints, and leaves its figures with the machine and the peers', () => {
  const { status, stdout, stderr, results } = bench('scale', '--folder', folder);
  expect({ status, errors: stderr.split('\n').filter((line) => line.startsWith('bench:')) }).toEqual({
    status: 0,
    errors: [],
  });
  expect(stdout).toMatch(/beside nstap: tcpdump /);
  expect(stdout).toContain('== scale (1 of 1');
  const { machine, peers, parts, curves } = results();
  expect(machine.cores).toBeGreaterThan(0);
  expect(Object.keys(peers)).toContain('nfpcapd');
  expect(parts[0]!.rows.map(({ id }) => id)).toContain('scale.100000.insert');
  // Beside the points of earlier runs, which the docs keep.
  const isNew = ({ curve, x }: { curve: string; x: number }): boolean => curve === 'store' && x === 100_000;
  expect(curves.filter(isNew)).toHaveLength(1);
});

test('a part that fails is told of, and does not keep the others from running', () => {
  const { status, stdout, stderr, results } = bench('scale', 'write', '--folder', '/dev/null/nowhere');
  expect(status).toBe(1);
  expect(stderr).toContain('bench: scale: Error: ENOTDIR');
  expect(stdout).toContain('scale failed: ENOTDIR');
  expect(stdout).toContain('ns CPU a packet');
  expect(results().parts.map(({ part, error }) => [part, error === null])).toEqual([
    ['scale', false],
    ['write', true],
  ]);
});

test('a part that there is not is refused with those that there are', () => {
  const { status, stderr } = bench('nothing');
  expect(status).toBe(2);
  expect(stderr).toMatch(/^bench: no part nothing; there are work, startup, /);
});
