import type { IToken } from 'chevrotain';
import type { Comparator as ComparatorText, FilterNode } from '../../storage/filter-ast.ts';
import { chevrotain } from './chevrotain.ts';
import { lazyLookahead } from './lookahead.ts';
import {
  Comma,
  Comparator,
  Equality,
  keyword,
  LeftBracket,
  NotEqual,
  RightBracket,
  textOf,
  valueToken,
  VOCABULARY,
} from './tokens.ts';
import type { ValueKind } from './values.ts';

/** Reads a value; null when the text is none. Looks a name up where the kind has such. */
export type ValueRead = <T>(kind: ValueKind<T>, token: IToken) => readonly T[] | null;

/** Why an expression was not read, and at which token. */
export class GrammarStop extends Error {
  readonly token: IToken;
  /** True: the token is of the right kind, but no such value. */
  readonly isValue: boolean;

  constructor(token: IToken, isValue: boolean, message = '') {
    super(message);
    this.token = token;
    this.isValue = isValue;
  }
}

/** What an OR takes whose alternatives are all nodes. */
export type Alternatives = { ALT: () => FilterNode }[];

/** One alternative of an OR. */
export function alt<T>(run: () => T): { ALT: () => T } {
  return { ALT: run };
}

/**
 * What is said of values, the same for every predicate: the part of the grammar that its rules are made of. chevrotain tells the
 * places of a rule apart by the digits behind OR and the like: those used here are the high ones, the rules themselves take the low.
 */
export class ValueGrammar extends chevrotain.EmbeddedActionsParser {
  protected read: ValueRead = () => null;
  /** Reads a value alone as the predicate before it would have. */
  protected qualifier: ((token: IToken) => FilterNode) | null = null;

  /** @param isChecked true: mistakes of the grammar itself are looked for, which takes as long again */
  constructor(isChecked: boolean) {
    super(VOCABULARY, { maxLookahead: 1, skipValidations: !isChecked, lookaheadStrategy: lazyLookahead() });
  }

  /** `V`, `= V`, `!= V` or `in [ V … ]`, and the same again for a value alone that follows. */
  protected equal<T>(kind: ValueKind<T>, make: (values: T[]) => FilterNode): FilterNode {
    const value = valueToken(kind);
    return this.OR9<Alternatives>([
      alt(() => this.list(kind, make)),
      alt(() => {
        const sign = this.OPTION8(() => this.CONSUME(Equality));
        const node = this.value(kind, this.CONSUME(value), make);
        return sign?.tokenType === NotEqual ? { kind: 'not', node } : node;
      }),
    ]);
  }

  /** `V`, `> V` and the like, or `in [ V … ]`. */
  protected compare<T>(
    kind: ValueKind<T>,
    make: (comparator: ComparatorText, values: T[]) => FilterNode,
  ): FilterNode {
    const equal = (values: T[]): FilterNode => make('=', values);
    return this.OR9<Alternatives>([
      alt(() => this.list(kind, equal)),
      alt(() => {
        const comparator = this.OPTION7(() => this.CONSUME(Comparator));
        const token = this.CONSUME(valueToken(kind));
        return this.ACTION(() => {
          const text = comparator?.image.replace('==', '=') ?? '=';
          const node = this.made(kind, token, (values) => {
            if (values.length > 1 && /[<>]/.test(text))
              throw new GrammarStop(
                token,
                true,
                `${JSON.stringify(textOf(token))} stands for several values: ${values.join(', ')}`,
              );
            return make(text as ComparatorText, values);
          });
          this.qualifier = (alone) => this.made(kind, alone, equal);
          return node;
        });
      }),
    ]);
  }

  /** `V` or `in [ V … ]`, where there may be none. */
  protected few<T>(kind: ValueKind<T>, make: (values: T[]) => FilterNode): FilterNode {
    return this.OR9<Alternatives>([
      alt(() => this.list(kind, make)),
      alt(() => this.value(kind, this.CONSUME1(valueToken(kind)), make)),
    ]);
  }

  private list<T>(kind: ValueKind<T>, make: (values: T[]) => FilterNode): FilterNode {
    const value = valueToken(kind);
    const values: T[] = [];
    const take = (token: IToken): number => this.ACTION(() => values.push(...this.#valuesOf(kind, token)));
    this.CONSUME(keyword('in'));
    this.CONSUME(LeftBracket);
    take(this.CONSUME2(value));
    this.MANY9(() => {
      this.OPTION9(() => this.CONSUME(Comma));
      take(this.CONSUME3(value));
    });
    this.CONSUME(RightBracket);
    return this.ACTION(() => {
      this.qualifier = (alone) => this.made(kind, alone, make);
      return make(values);
    });
  }

  protected value<T>(kind: ValueKind<T>, token: IToken, make: (values: T[]) => FilterNode): FilterNode {
    return this.ACTION(() => {
      this.qualifier = (alone) => this.made(kind, alone, make);
      return this.made(kind, token, make);
    });
  }

  protected made<T>(kind: ValueKind<T>, token: IToken, make: (values: T[]) => FilterNode): FilterNode {
    return make([...this.#valuesOf(kind, token)]);
  }

  #valuesOf<T>(kind: ValueKind<T>, token: IToken): readonly T[] {
    const values = this.read(kind, token);
    if (values === null) throw new GrammarStop(token, true);
    return values;
  }
}
