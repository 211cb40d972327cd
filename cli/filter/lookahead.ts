import type { ILookaheadStrategy } from 'chevrotain';
import { chevrotain } from './chevrotain.ts';

/**
 * chevrotain's own look-ahead of one token, but made for a place of the grammar when an expression first gets there: most of what
 * a grammar costs at start-up is look-ahead, and a filter passes a tenth of it.
 */
export function lazyLookahead(): ILookaheadStrategy {
  const strategy: ILookaheadStrategy = new chevrotain.LLkLookaheadStrategy({ maxLookahead: 1 });
  return {
    validate: (options) => strategy.validate(options),
    buildLookaheadForAlternation(options) {
      let decide: ((alternatives?: never[]) => number | undefined) | null = null;
      return function (this: unknown, alternatives) {
        decide ??= strategy.buildLookaheadForAlternation(options);
        return decide.call(this, alternatives as never[]);
      };
    },
    buildLookaheadForOptional(options) {
      let decide: (() => boolean) | null = null;
      return function (this: unknown) {
        decide ??= strategy.buildLookaheadForOptional(options);
        return decide.call(this);
      };
    },
  };
}
