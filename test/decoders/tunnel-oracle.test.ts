import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { ENDPOINT_FIELDS } from '../support/truth.ts';
import { CORPUS, corpusFiles, corpusMissing } from './corpus.ts';
import { type Levels, ourLevels } from './tunnel-oracle.ts';

const PREFERENCES = ['ip.defragment:FALSE', 'ipv6.defragment:FALSE', 'tcp.desegment_tcp_streams:FALSE'];

/** What tshark sees and we leave undecoded on purpose, by its list of protocols. Each must be met. */
const EXCEPTIONS: readonly { protocols: RegExp; reason: string }[] = [
  { protocols: /gre:cmd:ip/, reason: 'Cisco MetaData between GRE and IP is a header that we do not decode' },
];

function missing(): string | null {
  if (corpusMissing !== null) return corpusMissing;
  try {
    execFileSync('tshark', ['--version'], { stdio: 'ignore' });
    return null;
  } catch {
    return 'needs tshark';
  }
}

/** By packet number: its protocols, and the addresses and ports of all levels, as Levels has them. */
function theirLevels(
  path: string,
): Map<number, { protocols: string } & Pick<Levels, 'ipv4' | 'ipv6' | 'tcp' | 'udp'>> {
  const words = ['-n', '-r', path, '-d', 'udp.port==8472,vxlan', ...PREFERENCES.flatMap((p) => ['-o', p])];
  const columns = ['frame.number', 'frame.protocols', ...ENDPOINT_FIELDS].flatMap((field) => ['-e', field]);
  const text = execFileSync(
    'tshark',
    [...words, '-T', 'fields', '-E', 'occurrence=a', '-E', 'aggregator=,', ...columns],
    {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
      maxBuffer: 1 << 28,
    },
  );
  const lines = text.split('\n').filter((line) => line !== '');
  return new Map(
    lines.map((line) => {
      const [number, protocols, ...values] = line.split('\t');
      const pairs = (at: number): string[] => {
        const [from, to] = [values[at]!, values[at + 1]!].map((list) => (list === '' ? [] : list.split(',')));
        return from!.map((value, i) => `${value}>${to![i]}`);
      };
      return [
        Number(number),
        { protocols: protocols!, ipv4: pairs(0), ipv6: pairs(2), tcp: pairs(4), udp: pairs(6) },
      ];
    }),
  );
}

const reason = missing();

test.skipIf(reason !== null)(
  `every level of every tunnel in the shared captures is where tshark has it${reason === null ? '' : ` (${reason})`}`,
  async () => {
    const types = new Set<string>();
    const met = new Set<string>();
    let followed = 0;
    let left = 0;
    for (const name of corpusFiles()) {
      const ours = await ourLevels(join(CORPUS, name));
      if (ours.length === 0) continue;
      const theirs = theirLevels(join(CORPUS, name));
      for (const levels of ours) {
        const packet = `${name} packet ${levels.frame}`;
        const { protocols, ...seen } = theirs.get(levels.frame)!;
        const exception = EXCEPTIONS.find((each) => levels.undecoded && each.protocols.test(protocols));
        if (exception !== undefined) {
          met.add(exception.reason);
          continue;
        }
        for (const field of ['ipv4', 'ipv6', 'tcp', 'udp'] as const) {
          // tshark goes on into what an ICMP error quotes, which is no level of a tunnel.
          const wanted = protocols.includes('icmp')
            ? seen[field].slice(0, levels[field].length)
            : seen[field];
          expect([packet, field, levels[field]]).toEqual([packet, field, wanted]);
        }
        if (levels.undecoded) left++;
        else followed++;
        for (const type of levels.tunnels) types.add(type);
      }
    }
    expect([...types].sort()).toEqual(['4in6', '6in4', '6in6', 'erspan', 'geneve', 'gre', 'gtp-u', 'vxlan']);
    expect(followed).toBeGreaterThan(400);
    expect(left).toBeGreaterThan(10);
    expect([...met]).toEqual(EXCEPTIONS.map((each) => each.reason));
  },
  60_000,
);
