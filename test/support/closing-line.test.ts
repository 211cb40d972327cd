import { expect, it } from 'vitest';
import type { TestModule } from 'vitest/node';
import { ClosingLine, skipReason } from './closing-line.ts';

const failure = { message: 'x' };

/**
 * What the reporter reads of a module: names and states of its tests, its own errors, and those of the one group that
 * holds all tests.
 */
function moduleOf(
  tests: [name: string, state: string, note?: string][],
  ownErrors: unknown[] = [],
  groupErrors: unknown[] = [],
): TestModule {
  const group = {
    type: 'suite',
    fullName: 'the group',
    errors: () => groupErrors,
    parent: { type: 'module' },
  };
  return {
    relativeModuleId: 'test/a.test.ts',
    errors: () => ownErrors,
    children: {
      allSuites: () => [group],
      allTests: () =>
        tests.map(([fullName, state, note]) => ({
          fullName,
          parent: group,
          result: () => ({ state, note }),
        })),
    },
  } as unknown as TestModule;
}

function printed(modules: TestModule[], errors: unknown[] = []): string[] {
  let text = '';
  new ClosingLine((part) => {
    text += part;
  }).onTestRunEnd(modules, errors);
  return text.trim().split('\n');
}

it('the last line has the totals', () => {
  const tests = moduleOf([
    ['a', 'passed'],
    ['b', 'passed'],
    ['c', 'failed'],
    ['d', 'skipped', 'why'],
  ]);
  expect(printed([tests]).at(-1)).toBe('2 passed, 1 failed, 1 skipped');
});

it('a file, a hook and an error outside of tests that failed are failures', () => {
  const modules = [moduleOf([], [failure]), moduleOf([['g (needs ip) > a', 'skipped']], [], [failure])];
  const lines = printed(modules, [failure]);
  expect(lines.at(-1)).toBe('0 passed, 3 failed, 1 skipped');
  expect(lines[0]).toBe('skipped 1 in test/a.test.ts: a hook of "the group" failed');
});

it('each reason is one line', () => {
  const tests = moduleOf([
    ['g (needs ip) > a', 'skipped'],
    ['g (needs ip) > b', 'skipped'],
    ['c', 'skipped', 'no captures'],
  ]);
  expect(printed([tests]).slice(0, 2)).toEqual([
    'skipped 2 in test/a.test.ts: needs ip',
    'skipped 1 in test/a.test.ts: no captures',
  ]);
});

it.each([
  ['g (needs root: mount) > t', undefined, 'needs root: mount'],
  ['g (skipped: tcpdump and tshark not installed) > t', undefined, 'tcpdump and tshark not installed'],
  ['g (skipped: no `ip` (package iproute2)) > t', undefined, 'no `ip` (package iproute2)'],
  ['g (needs a) > t (needs b)', undefined, 'needs b'],
  ['g (of two) > t', 'the note', 'the note'],
  ['g (of two) > t', undefined, 'no reason given: g (of two) > t'],
])('the reason of "%s" with the note %s is "%s"', (name, note, reason) => {
  expect(skipReason(name, note)).toBe(reason);
});
