import { spawnSync } from 'node:child_process';
import { expect, test } from 'vitest';
import { nstap } from '../support/nstap.ts';

const isRoot = process.getuid?.() === 0;
const libraries = spawnSync('ldconfig', ['-p'], { encoding: 'utf8' }).stdout ?? '';
const hasLibpcap = libraries.includes('libpcap');

function refusesFilter(words: string[]): void {
  const { status, stdout, stderr } = nstap([...words, '--filter', 'tcp prot 80']);
  expect(stderr).toMatch(/^nstap: filter "tcp prot 80": .*syntax error\n$/);
  expect([status, stdout]).toEqual([2, '']);
}

test.skipIf(!hasLibpcap)('a mistake in --filter of replay is wrong usage (needs libpcap)', () => {
  refusesFilter(['replay', '--db', '/nstap-nowhere/flows.db', '-']);
});

test.skipIf(!hasLibpcap || !isRoot)(
  'a mistake in --filter of daemon is wrong usage (needs libpcap and root)',
  () => {
    refusesFilter(['daemon', '--db', '/tmp/nstap-no-such.db']);
  },
);
