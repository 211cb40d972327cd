import { RANK_SORTS, RANK_VIEWS, type RankQuestion } from '../rank/messages.ts';
import { clientFilter } from './client-filter.ts';
import { ControlError } from './errors.ts';
import type { RankBody } from './messages.ts';

/** Rows of a ranking, at most: one is below 1,500 octets, where a namespace is named by a long path below 6,000. */
const RANK_ROWS_MAX = 500;
/** Seconds. */
const RANK_INTERVAL_MAX = 10;

/** What a client wants to have ranked. @throws ControlError CONTROL_BAD_REQUEST */
export function rankQuestionOf({ view, filter, sort, ascending, limit, intervalS }: RankBody): RankQuestion {
  return {
    view: oneOf('view', view, RANK_VIEWS),
    filter: clientFilter(filter, 'rankedFlow'),
    sort: oneOf('sort', sort, RANK_SORTS),
    isAscending: ascending,
    limit: within('limit', limit, RANK_ROWS_MAX),
    ticks: within('interval_s', intervalS, RANK_INTERVAL_MAX),
  };
}

function oneOf<T extends string>(name: string, value: string, words: readonly T[]): T {
  const word = words.find((each) => each === value);
  if (word === undefined)
    throw bad(`${name} ${JSON.stringify(value.slice(0, 64))}: one of ${words.join(', ')} is wanted`);
  return word;
}

function within(name: string, value: number, max: number): number {
  if (value < 1 || value > max) throw bad(`${name} ${value}: 1 to ${max} is wanted`);
  return value;
}

function bad(message: string): ControlError {
  return new ControlError('CONTROL_BAD_REQUEST', message);
}
