import type { IRecognitionException, IToken, ParserMethod } from 'chevrotain';
import type { FilterAddress, FilterNode, FlowQuantity, Side } from '../../storage/filter-ast.ts';
import { chevrotain } from './chevrotain.ts';
import {
  PROTOCOL_WORDS,
  QUANTITY_KINDS,
  ROUTE_PREDICATES,
  TUNNEL_PREDICATES,
  VALUE_PREDICATES,
  type ValuePredicate,
} from './predicates.ts';
import { alt, type Alternatives, GrammarStop, ValueGrammar, type ValueRead } from './value-grammar.ts';
import {
  Address,
  AndSign,
  BareValue,
  keyword,
  LeftParen,
  Network,
  NotSign,
  OrSign,
  RightParen,
  valueToken,
} from './tokens.ts';
import { ADDRESS, BARE_ADDRESS, FLAGS, NET, PORT, PROTOCOL, TUNNEL, type ValueKind, VLAN } from './values.ts';

/** Deeper nesting is a mistake, or an attempt to exhaust the stack. */
const MAX_DEPTH = 200;

type Rule<A extends unknown[] = []> = ParserMethod<A, FilterNode>;

/**
 * The grammar of filters, as chevrotain reads it: LL(1). `not` binds tighter than `and`, `and` tighter than `or`; two predicates
 * side by side are joined by `and`. Making one costs some milliseconds; it is used again and again.
 */
export class FilterGrammar extends ValueGrammar {
  readonly filter: Rule;
  readonly #or: Rule;
  readonly #and: Rule;
  readonly #not: Rule;
  readonly #predicate: Rule;
  readonly #hosts: Rule<[Side]>;
  readonly #nets: Rule<[Side]>;
  readonly #ports: Rule<[Side]>;
  #depth = 0;
  /** Of the host or net before: an address alone is one of the same end. */
  #side: Side = 'any';

  constructor(isChecked = false) {
    super(isChecked);
    const or = keyword('or');
    const not = keyword('not');
    this.#hosts = this.RULE('hosts', (side: Side): FilterNode => this.equal(ADDRESS, this.#hostNode(side)));
    this.#nets = this.RULE('networks', (side: Side): FilterNode => this.equal(NET, this.#netNode(side)));
    this.#ports = this.RULE(
      'ports',
      (side: Side): FilterNode =>
        this.compare(PORT, (comparator, values) => ({ kind: 'port', side, comparator, values })),
    );
    this.#predicate = this.#predicateRule();
    this.#not = this.RULE('negation', (): FilterNode => {
      this.ACTION(() => this.#descend());
      const node = this.OR([
        alt(() => {
          this.OR1([alt(() => this.CONSUME(not)), alt(() => this.CONSUME(NotSign))]);
          const inner = this.SUBRULE(this.#not);
          return this.ACTION((): FilterNode => ({ kind: 'not', node: inner }));
        }),
        alt(() => {
          this.CONSUME(LeftParen);
          const inner = this.SUBRULE(this.#or);
          this.CONSUME(RightParen);
          return inner;
        }),
        alt(() => this.SUBRULE(this.#predicate)),
      ]);
      this.ACTION(() => this.#depth--);
      return node;
    });
    this.#and = this.RULE('conjunction', (): FilterNode => {
      const nodes = [this.SUBRULE(this.#not)];
      this.MANY(() => {
        this.OPTION(() =>
          this.OR([alt(() => this.CONSUME(keyword('and'))), alt(() => this.CONSUME(AndSign))]),
        );
        nodes.push(this.SUBRULE1(this.#not));
      });
      return nodes.length === 1 ? nodes[0]! : { kind: 'and', nodes };
    });
    this.#or = this.RULE('disjunction', (): FilterNode => {
      const nodes = [this.SUBRULE(this.#and)];
      this.MANY(() => {
        this.OR([alt(() => this.CONSUME(or)), alt(() => this.CONSUME(OrSign))]);
        nodes.push(this.SUBRULE1(this.#and));
      });
      return nodes.length === 1 ? nodes[0]! : { kind: 'or', nodes };
    });
    this.filter = this.RULE('filter', (): FilterNode => {
      const node = this.SUBRULE(this.#or);
      this.CONSUME(chevrotain.EOF);
      return node;
    });
    this.performSelfAnalysis();
  }

  /**
   * Reads a whole expression.
   * @throws GrammarStop at the first token that does not fit
   */
  parse(tokens: IToken[], read: ValueRead): FilterNode {
    this.read = read;
    this.#depth = 0;
    this.qualifier = null;
    this.#side = 'any';
    this.input = tokens;
    const node = this.filter();
    const error: IRecognitionException | undefined = this.errors[0];
    if (error !== undefined) throw new GrammarStop(error.token, false);
    return node;
  }

  #predicateRule(): Rule {
    const routes = ROUTE_PREDICATES.map((each) => this.#valueRule(`route ${each.words[0]!}`, each));
    const tunnels = TUNNEL_PREDICATES.map((each) => this.#valueRule(`tunnel ${each.words[0]!}`, each));
    const rules: Rule[] = [
      this.RULE('host', (): FilterNode => {
        this.CONSUME(keyword('host'));
        return this.SUBRULE(this.#hosts, { ARGS: ['any'] });
      }),
      this.#sidedRule(),
      this.RULE('net', (): FilterNode => {
        this.CONSUME(keyword('net'));
        return this.SUBRULE(this.#nets, { ARGS: ['any'] });
      }),
      this.RULE('port', (): FilterNode => {
        this.CONSUME(keyword('port'));
        return this.SUBRULE(this.#ports, { ARGS: ['any'] });
      }),
      this.RULE(
        'protocol',
        (): FilterNode =>
          this.OR(
            PROTOCOL_WORDS.map((word) =>
              alt((): FilterNode => {
                this.CONSUME(keyword(word));
                return { kind: 'proto', numbers: [PROTOCOL.read(word)!] };
              }),
            ),
          ),
      ),
      this.#versionRule(4, 'ip'),
      this.#versionRule(6, 'ip6'),
      ...VALUE_PREDICATES.map((each) => this.#valueRule(each.words[0]!, each)),
      ...Object.entries(QUANTITY_KINDS).map(([field, kind]) =>
        this.#quantityRule(field as FlowQuantity, kind),
      ),
      this.RULE('vlan', (): FilterNode => {
        this.CONSUME(keyword('vlan'));
        return (
          this.OPTION(() => this.equal(VLAN, (ids) => ({ kind: 'vlan', ids }))) ?? {
            kind: 'vlan',
            ids: null,
          }
        );
      }),
      this.#tunnelRule(tunnels),
      this.RULE('flags', (): FilterNode => {
        this.CONSUME(keyword('flags'));
        return this.value(FLAGS, this.CONSUME(valueToken(FLAGS)), ([mask]) => ({
          kind: 'flags',
          mask: mask!,
        }));
      }),
      this.RULE('route', (): FilterNode => {
        this.CONSUME(keyword('route'));
        return this.OR([
          alt((): FilterNode => {
            this.CONSUME(keyword('changed'));
            return { kind: 'routeChanged' };
          }),
          ...routes.map((rule) => alt(() => this.SUBRULE(rule))),
        ]);
      }),
      this.#aloneRule(),
    ];
    return this.RULE(
      'predicate',
      (): FilterNode => this.OR(rules.map((rule) => alt(() => this.SUBRULE(rule)))),
    );
  }

  /** `src port 80`, `src or dst host A`, `dst 10.0.0.1`. */
  #sidedRule(): Rule {
    const src = keyword('src');
    const dst = keyword('dst');
    const or = keyword('or');
    return this.RULE('sided', (): FilterNode => {
      const side = this.OR<{ ALT: () => Side }[]>([
        alt(() => {
          this.CONSUME(src);
          const isAny = this.OPTION(() => {
            this.CONSUME(or);
            return this.CONSUME1(dst);
          });
          return isAny ? 'any' : 'src';
        }),
        alt(() => {
          this.CONSUME(dst);
          const isAny = this.OPTION1(() => {
            this.CONSUME1(or);
            return this.CONSUME1(src);
          });
          return isAny ? 'any' : 'dst';
        }),
      ]);
      return this.OR1<Alternatives>([
        alt(() => {
          this.OR2(['host', 'ip', 'ip6'].map((word) => alt(() => this.CONSUME(keyword(word)))));
          return this.SUBRULE(this.#hosts, { ARGS: [side] });
        }),
        alt(() => {
          this.CONSUME(keyword('net'));
          return this.SUBRULE(this.#nets, { ARGS: [side] });
        }),
        alt(() => {
          this.CONSUME(keyword('port'));
          return this.SUBRULE(this.#ports, { ARGS: [side] });
        }),
        alt(() => this.few(BARE_ADDRESS, this.#hostNode(side))),
        alt(() => this.value(NET, this.CONSUME(Network), this.#netNode(side))),
      ]);
    });
  }

  /** `ip` is IPv4; nfdump's `ip 10.0.0.1` is a host. */
  #versionRule(version: 4 | 6, word: string): Rule {
    return this.RULE(word, (): FilterNode => {
      this.CONSUME(keyword(word));
      const host = this.OPTION(() => this.few(BARE_ADDRESS, this.#hostNode('any')));
      return host ?? { kind: 'ipVersion', version };
    });
  }

  #valueRule(name: string, { words, kind, make }: ValuePredicate<unknown>): Rule {
    return this.RULE(name, (): FilterNode => {
      const [first, ...others] = words.map((word) => alt(() => this.CONSUME(keyword(word))));
      if (others.length === 0) first!.ALT();
      else this.OR1([first!, ...others]);
      return this.equal(kind, make);
    });
  }

  #quantityRule(field: FlowQuantity, kind: ValueKind<bigint>): Rule {
    return this.RULE(field, (): FilterNode => {
      this.CONSUME(keyword(field));
      return this.compare(kind, (comparator, values) => {
        const nodes = values.map((value): FilterNode => ({ kind: 'quantity', field, comparator, value }));
        return nodes.length === 1 ? nodes[0]! : { kind: 'or', nodes };
      });
    });
  }

  /** A type, `any` (or nothing more) for each of them, `none`, `id N` or `outer N`. */
  #tunnelRule(predicates: Rule[]): Rule {
    return this.RULE('tunnel', (): FilterNode => {
      this.CONSUME(keyword('tunnel'));
      const any: FilterNode = { kind: 'tunnel', types: null };
      const node = this.OPTION(() =>
        this.OR2<Alternatives>([
          ...predicates.map((rule) => alt(() => this.SUBRULE(rule))),
          alt(() => {
            this.CONSUME(keyword('any'));
            return any;
          }),
          alt(() => {
            this.CONSUME(keyword('none'));
            return { kind: 'not', node: any };
          }),
          alt(() => this.equal(TUNNEL, (types) => ({ kind: 'tunnel', types }))),
        ]),
      );
      return node ?? any;
    });
  }

  /** An address alone is a host, a network alone a net; a number alone takes the qualifier before it, as in `port 80 or 443`. */
  #aloneRule(): Rule {
    return this.RULE(
      'alone',
      (): FilterNode =>
        this.OR<Alternatives>([
          alt(() => {
            const token = this.CONSUME(Address);
            return this.ACTION(() => this.made(ADDRESS, token, this.#hostNode(this.#side)));
          }),
          alt(() => {
            const token = this.CONSUME(Network);
            return this.ACTION(() => this.made(NET, token, this.#netNode(this.#side)));
          }),
          alt(() => {
            const token = this.CONSUME(BareValue);
            return this.ACTION(() => {
              if (this.qualifier === null) throw new GrammarStop(token, false);
              return this.qualifier(token);
            });
          }),
        ]),
    );
  }

  #hostNode(side: Side): (addresses: FilterAddress[]) => FilterNode {
    return (addresses) => {
      this.#side = side;
      return { kind: 'host', side, addresses };
    };
  }

  #netNode(side: Side): (nets: (FilterAddress & { prefixLen: number })[]) => FilterNode {
    return (nets) => {
      this.#side = side;
      return { kind: 'net', side, nets };
    };
  }

  #descend(): void {
    if (++this.#depth > MAX_DEPTH) throw new GrammarStop(this.LA(1), false, `at most ${MAX_DEPTH} levels`);
  }
}
