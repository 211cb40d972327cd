import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parseReviews, REVIEWED, texts, toReview } from './reviews.ts';
import { BASELINES, baselineText, captures } from './text.ts';

const all = captures();
const hasShared = all.some(({ isShared }) => isShared);

describe('the flows of a capture are those of its reviewed text', () => {
  test.each(all)('$name', async ({ name, path }) => {
    expect(await baselineText(path)).toBe(readFileSync(join(BASELINES, `${name}.txt`), 'utf8'));
  });

  test.skipIf(!hasShared)(`no text is left over${hasShared ? '' : ' (needs ../shared/pcaps)'}`, () => {
    expect(existsSync(BASELINES)).toBe(true);
    const texts = readdirSync(BASELINES, { recursive: true, encoding: 'utf8' }).filter((name) =>
      name.endsWith('.txt'),
    );
    expect(texts.sort()).toEqual(all.map(({ name }) => `${name}.txt`).sort());
  });
});

describe('somebody has read each text as it is now (npm run baseline says how to note it)', () => {
  const reviews = parseReviews(readFileSync(REVIEWED, 'utf8'));

  test('every text has a line with its digest in REVIEWED.tsv', () => {
    expect(toReview(texts(), reviews)).toEqual([]);
  });

  test('every line is of a text', () => {
    expect([...reviews.keys()]).toEqual([...texts().keys()]);
  });
});
