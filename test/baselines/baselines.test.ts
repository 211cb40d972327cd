import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
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
