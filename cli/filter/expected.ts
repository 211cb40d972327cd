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

/**
 * Which tokens the grammar takes behind others, in its own order. (chevrotain 13 cannot tell any more: what its earlier versions
 * had for that, computeContentAssist, is gone. It tells of its productions, and they are walked here as its parser does: LL(1),
 * the first that fits.)
 * @returns null when the grammar does not take those tokens
 */
export function tokensBehind(grammar: FilterGrammar, tokens: readonly IToken[]): TokenType[] | null {
  let rest: Rest = { sequence: grammar.getGAstProductions().filter!.definition, at: 0, behind: null };
  for (const token of tokens) {
    let next: Rest | null = null;
    eachStep(rest, (type, behind) => {
      if (!tokenMatcher(token, type)) return false;
      next = behind;
      return true;
    });
    if (next === null) return null;
    rest = next;
  }
  const types = new Set<TokenType>();
  eachStep(rest, (type) => {
    types.add(type);
    return false;
  });
  return [...types];
}

/** Each token that can come next, and what is left to be read behind it, until `take` is true. @returns whether it was */
function eachStep(rest: Rest | null, take: (type: TokenType, behind: Rest) => boolean): boolean {
  if (rest === null) return false;
  const { sequence, at, behind } = rest;
  const production = sequence[at];
  if (production === undefined) return eachStep(behind, take);
  const next: Rest = { sequence, at: at + 1, behind };
  if (production instanceof Terminal) return take(production.terminalType, next);
  if (production instanceof NonTerminal)
    return eachStep({ sequence: production.definition, at: 0, behind: next }, take);
  if (production instanceof Alternation)
    return production.definition.some((each) =>
      eachStep({ sequence: (each as Alternative).definition, at: 0, behind: next }, take),
    );
  if (production instanceof Option)
    return eachStep({ sequence: production.definition, at: 0, behind: next }, take) || eachStep(next, take);
  if (production instanceof Repetition)
    return eachStep({ sequence: production.definition, at: 0, behind: rest }, take) || eachStep(next, take);
  throw new Error(`grammar: no walk over ${production.constructor.name}`);
}
