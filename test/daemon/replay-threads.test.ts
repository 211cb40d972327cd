import { readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { loadSnapshot } from '../../daemon/routes/load-snapshot.ts';
import { block, interfaceBlock, packetBlock, sectionBlock, Writer } from '../decoders/savefile-build.ts';
import { tempFolder } from '../storage/temp-db.ts';
import { frame } from '../support/frames.ts';
import { Random } from '../support/random.ts';
import { FILE_HEADER, RECORD_HEADER, randomPackets, writeCapture } from '../support/random-capture.ts';
import { storedReplay } from '../support/stored-replay.ts';
import { corpus } from '../support/truth.ts';

const ROUTES = fileURLToPath(new URL('../../fixtures/routes/', import.meta.url));
const STEADY = { gap: 0, back: 0, undated: 0, absurd: 0, late: 0 };

type Counters = Record<string, number>;

/** Replays with one, two and three threads, with windows that are larger than most records and not, and wants the same from each. @returns what one thread left */
async function sameFromAll(files: string[], given: Parameters<typeof storedReplay>[2] = {}) {
  const one = await storedReplay(files, 1, given);
  for (const [threads, windowLen] of [
    [2, 1000],
    [3, 20_000],
  ] as const) {
    const several = await storedReplay(files, threads, { ...given, windowLen });
    expect(several.totals).toEqual(one.totals);
    expect(several.captures).toEqual(one.captures);
    expect(several.flows).toEqual(one.flows);
    lawHolds(several.totals as { counters: Counters });
  }
  return one as typeof one & { totals: { counters: Counters; errors: object[]; filtered: number } };
}

/** Each packet was counted once: decoded or not. */
function lawHolds({ counters }: { counters: Counters }): void {
  const { packets, decodedIpv4, decodedIpv6, decodedArp, decodedOther, undecoded } = counters as Counters;
  expect(decodedIpv4! + decodedIpv6! + decodedArp! + decodedOther! + undecoded!).toBe(packets);
}

const shared = corpus().map(({ path }) => path);
const absent = shared.length === 0 ? ' (needs ../shared/pcaps)' : '';

describe.skipIf(absent !== '')(`every shared capture in one replay of several threads${absent}`, () => {
  // What is compressed would make it one thread.
  const files = shared.filter((path) => !/\.(gz|zst)$/.test(path));

  test.each(['outer', 'inner', 'both'] as const)('--tunnels %s', async (tunnels) => {
    const metering = { tunnels, hints: true, payloadOctets: 64, timeseries: true, checkpointSec: 10 };
    const { flows, totals } = await sameFromAll(files, { metering });
    expect(files.length).toBeGreaterThan(200);
    expect(flows.length).toBeGreaterThan(1000);
    expect(totals.errors.length).toBeGreaterThan(0);
  });

  test('--snapshot, of another host: what it is decided by is the same, whatever it is', async () => {
    const routes = loadSnapshot({
      routes: join(ROUTES, 'policy.routes.txt'),
      rules: join(ROUTES, 'policy.rules.txt'),
    });
    const { flows } = await sameFromAll(files, { snapshot: routes });
    const decisions = flows.map((flow) => (JSON.parse(flow) as { fwd: string | null }).fwd);
    expect(new Set(decisions).size).toBeGreaterThan(3);
  });

  test('--filter', async () => {
    const { totals } = await sameFromAll(files, { filter: 'ip and not port 53' });
    expect(totals.filtered).toBeGreaterThan(1000);
  });
});

describe('captures whose times', () => {
  const kinds = {
    'go on, with gaps': { gap: 20, back: 0, undated: 0, absurd: 0, late: 100 },
    'are set back': { gap: 10, back: 4, undated: 0, absurd: 0, late: 0 },
    'are missing or absurd': { gap: 5, back: 2, undated: 20, absurd: 3, late: 10 },
  };
  test.each(Object.entries(kinds))('%s', async (_, steps) => {
    const path = join(tempFolder(), 'random.pcap');
    for (let seed = 0; seed < 2; seed++) {
      writeCapture(path, randomPackets(new Random(seed), 5000, steps));
      const { flows } = await sameFromAll([path, path]);
      expect(flows.length).toBeGreaterThan(500);
    }
    await sameFromAll([path], { metering: { checkpointSec: 5, timeseries: true, tunnels: 'both' } });
  });
});

test('pcapng whose packets have other blocks between them, without times, of several interfaces and byte orders', async () => {
  const path = join(tempFolder(), 'random.pcapng');
  const random = new Random(3);
  const blocks: Uint8Array[] = [];
  for (const little of [true, false]) {
    blocks.push(sectionBlock(little), interfaceBlock(little, 1, 0), interfaceBlock(little, 1, 65_535));
    let interfaces = 2;
    for (const [bytes, sec, usec] of randomPackets(random, 3000, { ...STEADY, gap: 10 })) {
      const dice = random.below(300);
      const at = BigInt(sec) * 1_000_000n + BigInt(usec);
      if (dice < 2) blocks.push(block(little, 3, new Writer(little).u32(bytes.length).bytes(bytes).done()));
      else
        blocks.push(
          packetBlock(little, random.below(interfaces), Number(at >> 32n), Number(at & 0xffffffffn), bytes),
        );
      if (dice === 2) blocks.push(block(little, 0x0bad, new Uint8Array(random.below(2) * 70_000)));
      if (dice === 3 && interfaces++ < 5) blocks.push(interfaceBlock(little, 1, 0));
      if (interfaces > 5) interfaces = 5;
    }
  }
  writeFileSync(path, Buffer.concat(blocks));
  const { totals } = await sameFromAll([path, path]);
  expect(totals.errors).toEqual([]);
  expect(totals.counters.packets).toBe(12_000);
  await sameFromAll([path], { filter: 'udp', metering: { tunnels: 'both', hints: true } });
});

describe('a damaged file', () => {
  test('is told once, with the same offset, and the next one is read', async () => {
    const folder = tempFolder();
    const [cut, bad, good] = ['cut', 'bad', 'good'].map((name) => join(folder, `${name}.pcap`));
    for (const path of [cut!, bad!, good!]) writeCapture(path, randomPackets(new Random(7), 1000, STEADY));
    truncateSync(cut!, 30_000);
    const octets = readFileSync(bad!);
    octets.fill(0xff, 20_000);
    writeFileSync(bad!, octets);
    const missing = join(folder, 'missing.pcap');
    const { totals } = await sameFromAll([cut!, bad!, good!]);
    expect(totals.errors).toMatchObject([{ file: cut }, { file: bad }]);
    const { totals: more } = await sameFromAll([missing, good!]);
    expect(more.errors).toMatchObject([{ file: missing }]);
  });
});

describe('Ctrl-C', () => {
  test('stops all threads behind the same packet', async () => {
    const folder = tempFolder();
    const path = join(folder, 'long.pcap');
    const bytes = frame({ proto: 'udp', payload: 100 });
    const record = RECORD_HEADER + bytes.length;
    function* packets(): Generator<[Uint8Array, number, number]> {
      for (let i = 0; i < 400_000; i++) {
        const copy = Uint8Array.from(bytes);
        copy[29] = i % 251;
        copy[33] = i % 241;
        yield [copy, 1_700_000_000 + Math.floor(i / 1000), 0];
      }
    }
    writeCapture(path, packets());
    const octets = readFileSync(path);
    for (const threads of [2, 3]) {
      const abort = new AbortController();
      let isStopped: boolean | null = null;
      const onEnding = (now: boolean): void => {
        isStopped = now;
      };
      const onProgress = (): void => abort.abort();
      const some = await storedReplay([path, path], threads, { signal: abort.signal, onEnding, onProgress });
      const { counters } = some.totals as { counters: Counters };
      lawHolds({ counters });
      const n = counters.packets!;
      expect(isStopped).toBe(true);
      expect(n).toBeGreaterThan(0);
      expect(n).toBeLessThan(800_000);
      if (n > 400_000) continue; // a slow machine: the prefix is in the second file
      const prefix = join(folder, 'prefix.pcap');
      writeFileSync(prefix, octets.subarray(0, FILE_HEADER + n * record));
      const { flows } = await storedReplay([prefix], 1);
      const plain = (flow: string): string => flow.replace(/"end_reason":"\d+"/, '');
      expect(some.flows.map(plain)).toEqual(flows.map(plain));
    }
  });

  test('before anything is read stores nothing', async () => {
    const path = join(tempFolder(), 'short.pcap');
    writeCapture(path, randomPackets(new Random(1), 10, STEADY));
    const { flows, captures } = await sameFromAll([path], { signal: AbortSignal.abort() });
    expect([flows, captures]).toEqual([[], []]);
  });
});
