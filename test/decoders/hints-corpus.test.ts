import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { FileSource } from '../../daemon/capture/file-source.ts';
import { type FlowHints, hintsJson } from '../../storage/flow-extras.ts';
import type { HintTruth } from '../corpus/make-hints.ts';
import { HINT_EXCEPTIONS } from '../corpus/hint-exceptions.ts';
import { corpus } from '../support/truth.ts';
import { TestMeter } from '../support/meter.ts';

const TRUTH = JSON.parse(
  readFileSync(new URL('../../fixtures/hints-corpus.json', import.meta.url), 'utf8'),
) as Record<string, HintTruth[]>;

/** A name in which octets that are not printable are escaped, ours in decimal and tshark's in octal, as the text they are. */
function unescaped(name: string, radix: 8 | 10): string {
  const octets = [...Buffer.from(name)];
  const text = Buffer.from(octets).toString('latin1');
  const plain = text.replace(/\\([0-9]{3})|\\(.)/g, (_, digits: string | undefined, letter: string) =>
    digits === undefined ? letter : String.fromCharCode(Number.parseInt(digits, radix)),
  );
  return Buffer.from(plain, 'latin1').toString();
}

/** Address of a record as a test reads it, in the form tshark has. */
const keyOf = (proto: number, ends: [string, string], kind: string): string =>
  [proto, ...(kind === 'ssh' ? ends : [...ends].sort()), kind].join(' ');

/** Our names of a capture by flow and kind, as tshark's are keyed. */
async function ours(path: string): Promise<Map<string, string | null>> {
  const m = new TestMeter({ hints: true, maxFlows: 65_536 });
  let captures = 0;
  const source = new FileSource(path, null, m.meter, () => {
    m.meter.counters.reserve(captures);
    return captures++;
  });
  try {
    await source.read(() => {});
  } catch {
    // Damaged: what came before counts.
  }
  const records = new Map(m.finish().map((record) => [record.seq, record]));
  const found = new Map<string, string | null>();
  for (const { seq, octets } of m.extras()) {
    const { proto, src, dst } = records.get(seq)!;
    const hints = JSON.parse(hintsJson(octets)) as FlowHints;
    const put = (from: string, to: string, kind: string, value: string | null): void => {
      const key = keyOf(proto, [from, to], kind);
      if (value !== null && (found.get(key) ?? null) === null) found.set(key, value);
    };
    if (hints.dns) put(src, dst, 'dns', hints.dns.query);
    if (hints.tls) put(src, dst, 'tls', hints.tls.sni);
    if (hints.http) put(src, dst, 'http', hints.http.host);
    if (hints.ssh) {
      put(src, dst, 'ssh', hints.ssh.client);
      put(dst, src, 'ssh', hints.ssh.server);
    }
  }
  return found;
}

/** An address and port as TestRecord has them: IPv6 in 32 hexadecimal digits. */
function end(address: string, port: number): string {
  if (!address.includes(':')) return `${address}:${port}`;
  const [head = '', tail] = address.split('::');
  const groups = (part: string): string[] =>
    (part === '' ? [] : part.split(':')).map((group) => group.padStart(4, '0'));
  const left = groups(head);
  const right = tail === undefined ? [] : groups(tail);
  return `${[...left, ...new Array(8 - left.length - right.length).fill('0000'), ...right].join('')}:${port}`;
}

const files = corpus().filter(({ path }) => existsSync(path));

describe.skipIf(files.length === 0)(
  `names in captures, against tshark${files.length === 0 ? ' (no shared captures)' : ''}`,
  () => {
    test.for(files.map((file) => [file.name, file.path] as const))('%s', async ([name, path]) => {
      const found = await ours(path);
      const differences: string[] = [];
      for (const [proto, src, sport, dst, dport, kind, value] of TRUTH[name] ?? []) {
        const key = keyOf(proto, [end(src, sport), end(dst, dport)], kind);
        const got = found.get(key) ?? null;
        found.delete(key);
        const want = value === '<Root>' ? '.' : unescaped(value, 8);
        if (got === null || unescaped(got, 10) !== want)
          differences.push(`${kind} ${src}:${sport} ${dst}:${dport}: ${got}, tshark ${want}`);
      }
      for (const [key, value] of found) differences.push(`${key}: ${value}, tshark none`);
      expect(differences).toEqual(HINT_EXCEPTIONS[name]?.differences ?? []);
    });

    test('there are many', () => {
      expect(Object.values(TRUTH).flat().length).toBeGreaterThan(500);
    });
  },
);
