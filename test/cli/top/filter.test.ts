import { expect, test } from 'vitest';
import { readTopFilter } from '../../../cli/top/filter.ts';

test('a mistake says what was meant first, since a line may be cut, and where it is', () => {
  expect(readTopFilter('tcp and prot 80')).toEqual({
    message: expect.stringMatching(/^did you mean "port" or "proto"\? found "prot" where /),
    at: 8,
  });
  expect(readTopFilter('host x y')).toMatchObject({ message: expect.stringMatching(/^found "x"/), at: 5 });
});

test('what living flows have no answer to is told', () => {
  expect(readTopFilter('experiment a')).toMatchObject({ at: null });
  expect(readTopFilter('port 80')).toMatchObject({ text: 'port 80', json: expect.stringContaining('port') });
});
