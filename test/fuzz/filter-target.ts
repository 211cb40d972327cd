import { isDeepStrictEqual } from 'node:util';
import { expectedAt } from '../../cli/filter/completion.ts';
import { parseFilter } from '../../cli/filter/parse.ts';
import { printFilter } from '../../cli/filter/print.ts';
import { filterToSql } from '../../storage/filter-sql.ts';
import { Broken, fold, type Target } from './target.ts';

/** Pieces of expressions: each octet of the input is one of them. */
const WORDS = (
  'host src dst net port proto tcp udp icmp ip ip6 netns if vlan state flags and or not in bytes packets duration retransmits ' +
  'experiment flow community-id pps bps bpp tunnel none any id outer interface icmp6 sctp src port udp vxlan stage confidence ' +
  '1:wCb3OG7yAFWelaUydu0D+125CLM= prot web.lab IN Tcp "" "a""b" &&& =! 10.0.0.1/33 :: 00 \t ' +
  'route changed type table prefix gateway dev rule verdict observed ( ) [ ] , = != > >= < <= == ! && || ' +
  '10.0.0.1 10.0.0.0/8 fe80::1 fe80::/10 80 1M 5s 70000 -1 1e9 0x10 main blackhole SF S A x "a b" \' " & | # \u00e9 9999999999999999999999'
).split(' ');

/** The filter language of `flows`: a tree that becomes SQL, or a mistake with a caret beneath the expression. */
export function filterTarget(): Target {
  return {
    name: 'filter',
    seeds: () =>
      [
        'host 10.0.0.1',
        'tcp and ( port 80 or not net 10.0.0.0/8 )',
        'flags S and not flags A',
        'port in [ 80 , 80 ]',
      ].map((text) => Uint8Array.from(text.split(' ').map((word) => WORDS.indexOf(word)))),
    run(input) {
      const expression = Array.from(input, (octet) => WORDS[octet % WORDS.length]).join(' ');
      // As dear as reading it, so of some only.
      const isAsked = input.length % 4 === 0;
      try {
        const tree = parseFilter(expression);
        if (isAsked && !expectedAt(expression)?.canEnd) throw new Broken('what is a filter has no end');
        if (tree === null) return 0;
        const printed = printFilter(tree);
        if (!isDeepStrictEqual(parseFilter(printed), tree))
          throw new Broken(`in print it is another filter: ${printed}`);
        return fold(1, filterToSql(tree, () => ({ sql: 'FALSE', params: [] })).sql.length & 0xff);
      } catch (error) {
        const text = error instanceof Error ? error.message : '';
        if (!(error instanceof Error) || error.constructor.name !== 'UsageError') throw error;
        if (isAsked && expectedAt(expression)?.canEnd) throw new Broken('what is no filter has an end');
        const caret = text.split('\n').at(-1)!;
        if (!/^ {2,}\^$/.test(caret) || caret.length - 3 > expression.length)
          throw new Broken(`the mistake has no place in the expression: ${text}`);
        return fold(2, text.split('\n')[0]!.length & 0x3f);
      }
    },
  };
}
