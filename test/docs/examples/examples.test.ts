import { expect, test } from 'vitest';
import { NOT_RUN } from './not-run.ts';
import { wrongCalls } from './nstap-words.ts';
import { PAGES, pageOf } from './pages.ts';
import { pageObstacle, runPage } from './run-page.ts';

/** Some hundred processes, on a machine that may have other work. */
const PAGE_LIMIT_MS = 300_000;

const withExamples = PAGES.filter((file) => pageOf(file).steps.length > 0);

for (const file of withExamples) {
  const obstacle = pageObstacle(pageOf(file));
  const why = obstacle === null ? '' : ` (skipped: ${obstacle})`;
  const run = obstacle === null ? test.concurrent : test.concurrent.skip;
  run(
    `what the examples of ${file} print is what it shows${why}`,
    async () => {
      const { now, real, failure } = await runPage(file);
      expect(real, 'npm run docs writes what they print').toBe(now);
      expect(failure).toBeNull();
    },
    PAGE_LIMIT_MS,
  );
}

test('a block that is not run is in the list, with its reason, and the reverse', () => {
  const blocks = PAGES.flatMap((file) => pageOf(file).notRun.map(({ lines }) => [file, lines[0]!] as const));
  const isOf = (page: string, first: string, [file, line]: readonly [string, string]): boolean =>
    file === page && line.startsWith(first);
  expect(blocks.filter((block) => !NOT_RUN.some(([page, first]) => isOf(page, first, block)))).toEqual([]);
  expect(NOT_RUN.filter(([page, first]) => !blocks.some((block) => isOf(page, first, block)))).toEqual([]);
  expect(blocks).toHaveLength(NOT_RUN.length);
  expect(NOT_RUN.filter(([, , why]) => why.length < 10)).toEqual([]);
});

test('what is not run names commands and options that nstap has', () => {
  const blocks = PAGES.flatMap((file) => pageOf(file).notRun);
  expect(blocks.flatMap(({ lines }) => wrongCalls(lines))).toEqual([]);
});
