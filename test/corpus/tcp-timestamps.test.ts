import { execFile, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, describe, expect, test } from 'vitest';
import { flowsOf } from '../support/file-flows.ts';
import { corpus } from '../support/truth.ts';
import { endpoint, isOutermostTcp, pairOf } from './tcp-analysis.ts';

const files = corpus().filter(({ truth }) => truth.tshark_error === undefined && truth.outer.tcp > 0);
const missing =
  files.length === 0
    ? ' (needs ../shared/pcaps)'
    : spawnSync('tshark', ['--version']).status !== 0
      ? ' (needs tshark)'
      : '';
const run = promisify(execFile);
const WITHOUT_SYN = 'tcp && tcp.flags.syn == 0';
const FIELDS = [
  ...['frame.protocols', 'frame.time_epoch', 'ip.src', 'ip.dst', 'ipv6.src', 'ipv6.dst', 'tcp.srcport'],
  ...['tcp.dstport', 'tcp.flags.ack', 'tcp.options.timestamp.tsval', 'tcp.options.timestamp.tsecr'],
];

/** What one end sent: each timestamp with the time of its first segment in nanoseconds, and whether it was echoed since. */
class Half {
  readonly first = new Map<number, { at: bigint; isEchoed: boolean }>();
  latest: number | null = null;
  /** The timestamp that is waited for, one at a time. */
  awaited: number | null = null;
  /** Every time from the first segment with a timestamp to its first echo; and those of the ones that were waited for. */
  readonly all: bigint[] = [];
  readonly taken: bigint[] = [];
}

/** Which of two timestamps is later, modulo 2^32. */
function ahead(a: number, b: number): number {
  return (a - b) | 0;
}

/** By tshark's fields, of each direction of each pair of ends: the halves of the round trip, as docs/flow-fields.md tells them. */
async function theirHalves(path: string): Promise<Map<string, Half>> {
  const { stdout } = await run(
    'tshark',
    [
      ...['-n', '-r', path, '-Y', WITHOUT_SYN, '-T', 'fields', '-E', 'occurrence=f'],
      ...FIELDS.flatMap((field) => ['-e', field]),
    ],
    { maxBuffer: 1 << 30 },
  ).catch((error: { stdout?: string }) => ({ stdout: error.stdout ?? '' })); // a file that is cut off
  const halves = new Map<string, Half>();
  const half = (key: string): Half => {
    const known = halves.get(key) ?? new Half();
    halves.set(key, known);
    return known;
  };
  for (const line of stdout.split('\n')) {
    const [protocols = '', time, src4, dst4, src6, dst6, sport, dport, ack, value, echo] = line.split('\t');
    if (!isOutermostTcp(protocols) || !value || !echo) continue;
    const now = BigInt(time!.replace('.', '').padEnd(time!.indexOf('.') + 9, '0'));
    const src = `${src4 || src6} ${sport}`;
    const dst = `${dst4 || dst6} ${dport}`;
    const own = half(`${src} > ${dst}`);
    const peer = half(`${dst} > ${src}`);
    if (ack === '1' || ack === 'True') {
      const echoed = peer.first.get(Number(echo));
      if (echoed !== undefined && !echoed.isEchoed) {
        echoed.isEchoed = true;
        peer.all.push(now - echoed.at);
        if (peer.awaited === Number(echo)) peer.taken.push(now - echoed.at);
      }
      if (peer.awaited !== null && ahead(Number(echo), peer.awaited) >= 0) peer.awaited = null;
    }
    const isFirst = own.latest === null;
    if (!isFirst && ahead(Number(value), own.latest!) <= 0) continue;
    own.latest = Number(value);
    if (isFirst) continue;
    own.first.set(Number(value), { at: now, isEchoed: false });
    own.awaited ??= Number(value);
  }
  return halves;
}

function least(times: readonly bigint[]): number | null {
  const known = times.filter((ns) => ns >= 0n).map(Number);
  return known.length === 0 ? null : Math.min(...known);
}

describe.skipIf(missing !== '')(`round trips by timestamps in every shared capture${missing}`, () => {
  const dir = mkdtempSync(join(tmpdir(), 'nsd-ts-'));
  afterAll(() => rmSync(dir, { recursive: true, force: true }));
  const seen = { halves: 0, least: 0, handshakes: 0, near: 0 };

  describe.concurrent('without its SYNs', () => {
    test.each(files)('$name', async ({ name, path }) => {
      const halves = await theirHalves(path);
      if (halves.size === 0) return;
      const cut = join(dir, name.replaceAll('/', '-'));
      // Exits with 2 when the file is cut off; what came before was written.
      await run('tshark', ['-n', '-r', path, '-Y', WITHOUT_SYN, '-w', cut]).catch(() => null);
      const whole = await flowsOf(path);
      const { flows } = await flowsOf(cut);
      const handshakes = new Map(whole.flows.map((flow) => [`${flow.src} ${flow.dst}`, flow.rttNs]));
      const perPair = new Map<string, number>();
      const ends = flows.map(({ src, dst }) => [endpoint(src), endpoint(dst)] as const);
      for (const [src, dst] of ends) perPair.set(pairOf(src, dst), (perPair.get(pairOf(src, dst)) ?? 0) + 1);
      for (const [k, { tcp, src: from, dst: to }] of flows.entries()) {
        const [src, dst] = ends[k]!;
        // tshark's fields do not tell where we end a flow and begin another one.
        if (tcp === null || perPair.get(pairOf(src, dst)) !== 1) continue;
        for (const i of [0, 1] as const) {
          const key = i === 0 ? `${src} > ${dst}` : `${dst} > ${src}`;
          const want = least(halves.get(key)?.taken ?? []);
          const got = tcp.tsRtt[i] < 0 ? null : tcp.tsRtt[i];
          expect([key, got === null], key).toEqual([key, want === null]);
          if (want === null || got === null) continue;
          // In ticks of 512 ns at both ends, one in 2048 of which may be cut off; at most 68 s.
          expect(got, key).toBeLessThanOrEqual(want + 512);
          expect(got, key).toBeGreaterThanOrEqual(Math.min(want * (1 - 1 / 2048) - 1024, 68e9));
          seen.halves++;
          if (least(halves.get(key)!.all) === want) seen.least++;
        }
        const rtt = handshakes.get(`${from} ${to}`) ?? -1;
        if (rtt > 0 && tcp.tsRtt[0] >= 0 && tcp.tsRtt[1] >= 0) {
          seen.handshakes++;
          const sum = tcp.tsRtt[0] + tcp.tsRtt[1];
          if (sum < 2 * rtt && sum > rtt / 2) seen.near++;
        }
      }
    });
  });

  test('there were enough of them, most of them the shortest of all, and near the handshake', () => {
    process.stdout.write(`timestamps: ${JSON.stringify(seen)}\n`);
    expect(seen.halves).toBeGreaterThan(200);
    expect(seen.least).toBeGreaterThan(seen.halves / 2);
    expect(seen.near).toBeGreaterThan(seen.handshakes / 2);
  });
});
