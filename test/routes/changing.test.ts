import { afterAll, describe, expect, test } from 'vitest';
import { Lab, labMissing } from '../kernel/lab.ts';
import { compareAfterChanges } from './changing.ts';
import { randomRound } from './random-round.ts';

const missing = labMissing();
const QUESTIONS = 1500;

describe.skipIf(missing !== null)(
  `decisions while the tables change${missing === null ? '' : ` (${missing})`}`,
  () => {
    const lab = new Lab('ch');
    afterAll(() => lab.close());

    test.each([701, 702, 703])('agree with the kernel once it rests (seed %i)', async (seed) => {
      const { comparisons, reloads } = await compareAfterChanges(
        lab,
        `c${seed}`,
        randomRound(seed),
        600,
        QUESTIONS,
      );
      const disagreements = comparisons.flatMap(({ disagreement }) => disagreement ?? []);
      expect(disagreements.slice(0, 5).join('\n')).toBe('');
      expect(comparisons).toHaveLength(QUESTIONS);
      expect(reloads).toBeGreaterThan(0);
    });
  },
);
