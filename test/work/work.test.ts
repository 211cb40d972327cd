import { expect, test } from 'vitest';
import { callFigures, heapFigures, statementFigures, type WorkFigure } from './measure.ts';

// `npm run bench -- work` prints the same figures.
test.each<[string, () => WorkFigure[]]>([
  ['the path of a packet takes no memory from the heap', heapFigures],
  ['packets cost few calls of C functions and of the kernel', callFigures],
  ['a flow costs one statement each time that it is written', statementFigures],
])(
  '%s',
  (_name, measure) => {
    const risen = measure().filter(({ value, most }) => !(value <= most));
    const told = risen.map(
      ({ name, value, most, look }) =>
        `${name}: ${value.toFixed(2)}, which was at most ${most}. Look at ${look}.`,
    );
    expect(told.join('\n')).toBe('');
  },
  180_000,
);
