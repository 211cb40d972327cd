import { parseFilter } from '../../cli/filter/parse.ts';
import { decodeFilter, encodeFilter, FilterJsonError } from '../../storage/filter-json.ts';
import { matcher } from '../../storage/filter-match.ts';
import { FlowSubject } from '../../storage/flow-subject.ts';
import { Broken, fold, type Target } from './target.ts';

const SEEDS = [
  'tcp port in [80 443] and not src net 10.0.0.0/8',
  'host in [10.0.0.1 fe80::1] or vlan 5 or tunnel vxlan and tunnel id 42',
  'bytes > 1M state SF flags S netns "a b" route verdict drop route rule 100 or route changed',
];

/** A filter that a client sends: JSON that is a filter, comes back the same and can be asked; or a FilterJsonError. */
export function filterJsonTarget(): Target {
  const subject = new FlowSubject();
  return {
    name: 'filter-json',
    seeds: () => SEEDS.map((text) => Buffer.from(encodeFilter(parseFilter(text)!))),
    run(input) {
      const text = Buffer.from(input).toString('utf8');
      try {
        const node = decodeFilter(text);
        const again = encodeFilter(decodeFilter(encodeFilter(node)));
        if (again !== encodeFilter(node)) throw new Broken(`${encodeFilter(node)} came back as ${again}`);
        return fold(1, matcher(node, () => () => false)(subject) ? 2 : 1);
      } catch (error) {
        if (!(error instanceof FilterJsonError)) throw error;
        if (/[^ -~…]/.test(error.message)) throw new Broken(`a foreign character in ${error.message}`);
        // By the reason, not by where.
        return [...error.message.replace(/^.*?: /, '').slice(0, 30)].reduce(
          (sum, letter) => fold(sum, letter.charCodeAt(0)),
          2,
        );
      }
    },
  };
}
