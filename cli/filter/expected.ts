import type { Alternative, IProduction, IToken, TokenType } from 'chevrotain';
import { chevrotain } from './chevrotain.ts';
import type { FilterGrammar } from './grammar.ts';

const { Alternation, NonTerminal, Option, Repetition, Terminal, tokenMatcher } = chevrotain;

/** What is left to be read: the productions of a sequence from one on, and then what is left behind it. */
interface Rest {
  sequence: readonly IProduction[];
  at: number;
  behind: Rest | null;
}

interface Step {
  token: TokenType;
  rest: Rest;
}

/**
 * Which tokens the grammar takes behind others, in its own order. (chevrotain 13 cannot tell any more: what its earlier versions
 * had for that, computeContentAssist, is gone. It tells of its productions, and they are walked here as its parser does: LL(1),
 * the first that fits.)
 * @returns null when the grammar does not take those tokens
 */
export function tokensBehind(grammar: FilterGrammar, tokens: readonly IToken[]): TokenType[] | null {
  let rest: Rest = { sequence: grammar.getGAstProductions().filter!.definition, at: 0, behind: null };
  for (const token of tokens) {
    const step = firstStep(rest, token);
    if (step === null) return null;
    rest = step.rest;
  }
  return [...new Set([...steps(rest)].map(({ token }) => token))];
}

function firstStep(rest: Rest, token: IToken): Step | null {
  for (const step of steps(rest)) if (tokenMatcher(token, step.token)) return step;
  return null;
}

function* steps(rest: Rest | null): Generator<Step> {
  if (rest === null) return;
  const { sequence, at, behind } = rest;
  const production = sequence[at];
  if (production === undefined) {
    yield* steps(behind);
    return;
  }
  const next: Rest = { sequence, at: at + 1, behind };
  if (production instanceof Terminal) yield { token: production.terminalType, rest: next };
  else if (production instanceof NonTerminal)
    yield* steps({ sequence: production.definition, at: 0, behind: next });
  else if (production instanceof Alternation)
    for (const { definition } of production.definition as Alternative[])
      yield* steps({ sequence: definition, at: 0, behind: next });
  else if (production instanceof Option) {
    yield* steps({ sequence: production.definition, at: 0, behind: next });
    yield* steps(next);
  } else if (production instanceof Repetition) {
    yield* steps({ sequence: production.definition, at: 0, behind: rest });
    yield* steps(next);
  } else throw new Error(`grammar: no walk over ${production.constructor.name}`);
}
