import { describe, expect, test } from 'vitest';
import { compareWithTruth } from '../corpus/compare.ts';
import { EXCEPTIONS, unexplained } from '../corpus/exceptions.ts';
import { corpus } from '../support/truth.ts';

/** Every capture, by real processes of `replay --json` and `flows --format ndjson`; `npm run corpus` prints the same. */
const files = corpus();
const absent = files.length === 0 ? ' (needs ../shared/pcaps)' : '';

describe.skipIf(absent !== '')(`every shared capture, by the command line${absent}`, () => {
  // Two at a time: each waits for processes of its own.
  describe.concurrent('agrees with tshark, or is excepted with a reason', () => {
    test.each(files)('$name', async (file) => {
      expect(unexplained(file.name, await compareWithTruth(file))).toEqual([]);
    });
  });

  test('there are all of them, and each exception is one of them', () => {
    expect(files.length).toBeGreaterThan(200);
    expect(files.map(({ name }) => name)).toEqual(expect.arrayContaining(Object.keys(EXCEPTIONS)));
  });
});
