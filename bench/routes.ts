import { Meter } from '../daemon/capture/meter.ts';
import { RouteTagger } from '../daemon/capture/route-tag.ts';
import { RT_TABLE_MAIN } from '../daemon/kernel/netlink-constants.ts';
import { RouteEngine, RouteQuery } from '../daemon/routes/engine.ts';
import { RouteOps } from '../daemon/routes/route-tables.ts';
import { defaultRules } from '../daemon/routes/routing.ts';
import type { RouteSnapshot, SnapshotRoute } from '../daemon/routes/snapshot.ts';
import { snapshotPrefix } from '../daemon/routes/words.ts';
import { PacketType } from '../decoders/packet-fields.ts';
import { Random } from '../test/support/random.ts';
import { snapshotLink } from '../test/support/snapshot-link.ts';
import { newTable, packets, perPacket, STRIDE } from './decode.ts';
import { runLive } from './routes-live.ts';
import { median } from './support.ts';

export const ROUTES4 = 1_000_000;
export const ROUTES6 = 200_000;
const DESTINATIONS = 1 << 16;
/** As many distinct destinations as a busy uplink has among a second's new flows. */
const HOT = 1 << 10;
const ROUNDS = 5;
const FLOWS = 60_000;
/** Packets between two updates, and changes in each: 10,000 changes for each million packets. */
const SLICE = 20_000;
const SLICES = 100;
const CHANGES = 200;
/** Octets from the start of an Ethernet frame to the destination address of IPv4. */
const DST_OFF = 30;
const GATEWAYS = 16;
const UPLINK = 2;
const LAN = 3;

/** Prefix lengths and their shares: assumed, in the manner of an Internet table (most are /24 and /48), not measured on one. */
export const LENGTHS4: readonly [number, number][] = [
  [24, 600],
  [23, 100],
  [22, 115],
  [21, 55],
  [20, 45],
  [19, 30],
  [18, 17],
  [17, 12],
  [16, 21],
  [14, 3],
  [12, 2],
];
export const LENGTHS6: readonly [number, number][] = [
  [48, 480],
  [32, 120],
  [44, 110],
  [40, 85],
  [36, 55],
  [29, 30],
  [46, 50],
  [47, 40],
  [33, 30],
];

/** Load of a BGP-size table, and the cost of a decision that no flow remembers. */
export async function run(): Promise<void> {
  const numbers = new Random(4);
  const next = (n: number): number => numbers.below(n);
  const routes = [...tableOf(4, ROUTES4, LENGTHS4, next), ...tableOf(6, ROUTES6, LENGTHS6, next)];
  const before = memory();
  const start = performance.now();
  const engine = new RouteEngine(snapshotOf(routes));
  const loadMs = performance.now() - start;
  const mib = (memory() - before) / 2 ** 20;
  print(`table of ${count(ROUTES4)} IPv4 and ${count(ROUTES6)} IPv6 routes, ready for lookups`);
  print(`  ${loadMs.toFixed(0)} ms, ${mib.toFixed(0)} MiB beside the snapshot itself`);
  for (const version of [4, 6] as const) {
    const words = version === 4 ? 1 : 4;
    const own = routes.filter((route) => route.family === version);
    const destinations = new Int32Array(DESTINATIONS * words);
    for (let i = 0; i < DESTINATIONS; i++) destinations.set(wordsOf(own[next(own.length)]!, next), i * words);
    const hot = destinations.subarray(0, HOT * words);
    const first = time(engine, version, destinations);
    const again = Array.from({ length: ROUNDS }, () => time(engine, version, destinations));
    const spread = `${Math.min(...again).toFixed(0)} to ${Math.max(...again).toFixed(0)}`;
    const few = Array.from({ length: ROUNDS }, () => {
      let sum = 0;
      for (let i = 0; i < DESTINATIONS / HOT; i++) sum += time(engine, version, hot);
      return sum / (DESTINATIONS / HOT);
    });
    print(`IPv${version}: decision of a flow miss, ${count(DESTINATIONS)} destinations in turn`);
    print(
      `  ${median(again).toFixed(0)} ns each (${spread}); ${first.toFixed(0)} ns where its route was never used before`,
    );
    print(`  ${median(few).toFixed(0)} ns each of ${count(HOT)} destinations (in the processor's caches)`);
  }
  perPacketCost(engine, routes, next);
  await runLive();
}

/**
 * What decisions cost a packet beside the meter's own work: of new flows whose routes were never used before, whose routes
 * were, and the latter while the table changes.
 */
function perPacketCost(engine: RouteEngine, routes: SnapshotRoute[], next: (n: number) => number): void {
  const { view, length } = packets(FLOWS);
  for (let i = 0; i < FLOWS; i++)
    view.setInt32(i * STRIDE + DST_OFF, wordsOf(routes[next(ROUTES4)]!, next)[0]!);
  const tagger = (): RouteTagger => {
    const made = new RouteTagger();
    made.setCapture(0, 'n', LAN);
    made.setRoutes('n', engine);
    return made;
  };
  const ops = new RouteOps();
  const without: number[] = [];
  const [first, quiet, busy]: [number[], number[], number[]] = [[], [], []];
  const known = tagger();
  for (let round = 0; round <= ROUNDS; round++) {
    for (const [times, by, changes] of [
      [without, null, false],
      [first, tagger(), false],
      [quiet, known, false],
      [busy, known, true],
    ] as const) {
      const meter = new Meter(by === null ? newTable() : newTable(false, by));
      meter.fields.pktType = PacketType.Host;
      let sum = 0;
      for (let slice = 0; slice < SLICES; slice++) {
        sum += perPacket(
          meter.fields,
          FLOWS,
          (off) => meter.packet(view, off, length),
          length,
          undefined,
          SLICE,
          slice + 1,
        );
        if (!changes) continue;
        for (let i = 0; i < CHANGES; i++) {
          const { words, len } = snapshotPrefix(routes[next(ROUTES4)]!.prefix);
          ops.add(4, RT_TABLE_MAIN, words, len, []);
        }
        const update = ops.take();
        known.changeRoutes('n', update, 0, update.length);
      }
      // The compiler's warm-up.
      if (round > 0) times.push(sum / SLICES);
    }
  }
  const base = median(without);
  const more = (times: number[]): string => (median(times) - base).toFixed(0);
  print(`a packet, ${count(FLOWS)} new flows in 2,000,000 packets, decode and meter ${base.toFixed(0)} ns:`);
  print(
    `  its route decision ${more(quiet)} ns more; with 10,000 changes of routes in a million packets ${more(busy)} ns more`,
  );
}

function time(engine: RouteEngine, version: 4 | 6, destinations: Int32Array): number {
  const q = new RouteQuery();
  const words = version === 4 ? 1 : 4;
  q.version = version;
  q.pktType = PacketType.Host;
  q.ifIndex = LAN;
  q.proto = 6;
  q.l4Known = true;
  q.src[0] = version === 4 ? 0xc6336402 | 0 : 0x20010db8;
  if (version === 6) q.src[3] = 2;
  const start = performance.now();
  for (let at = 0; at < destinations.length; at += words) {
    for (let word = 0; word < words; word++) q.dst[word] = destinations[at + word]!;
    if (engine.lookup(q) < 0) throw new Error('bench: no decision');
  }
  return ((performance.now() - start) * 1e6 * words) / destinations.length;
}

/** Distinct prefixes of global unicast space with the given lengths, by one of a few gateways. */
export function* tableOf(
  family: 4 | 6,
  size: number,
  lengths: readonly [number, number][],
  next: (n: number) => number,
): Generator<SnapshotRoute> {
  const sum = lengths.reduce((total, [, share]) => total + share, 0);
  const known = new Set<string>();
  while (known.size < size) {
    const at = next(sum);
    let shares = 0;
    const [len] = lengths.find(([, share]) => {
      shares += share;
      return at < shares;
    })!;
    const prefix = `${family === 4 ? address4(len, next) : address6(len, next)}/${len}`;
    if (known.has(prefix)) continue;
    known.add(prefix);
    const gateway = 1 + next(GATEWAYS);
    yield {
      family,
      type: 'unicast',
      table: RT_TABLE_MAIN,
      prefix,
      from: null,
      tos: 0,
      protocol: 'bgp',
      scope: 'global',
      metric: family === 4 ? null : 1024,
      prefsrc: null,
      pref: family === 4 ? null : 'medium',
      nextHops: [
        {
          gateway: family === 4 ? `192.0.2.${gateway}` : `2001:db8::${gateway.toString(16)}`,
          gatewayFamily: null,
          dev: 'uplink',
          ifIndex: UPLINK,
          weight: 1,
          onlink: false,
          dead: false,
          linkdown: false,
        },
      ],
      nhid: null,
    };
  }
}

function address4(len: number, next: (n: number) => number): string {
  // 11.0.0.0 to 126.255.255.255: no martians among them.
  const value = ((11 + next(116)) * 2 ** 24 + next(2 ** 24)) & (-1 << (32 - len));
  return `${value >>> 24}.${(value >>> 16) & 0xff}.${(value >>> 8) & 0xff}.${value & 0xff}`;
}

function address6(len: number, next: (n: number) => number): string {
  const groups = [0x2400 + next(0x600), next(0x10000), next(0x10000)];
  const kept = groups.map(
    (group, i) => group & (0xffff << Math.min(16, Math.max(0, 16 * (i + 1) - len))) & 0xffff,
  );
  // RFC 5952: zeros at the end are "::", and no group has leading ones.
  while (kept.length > 1 && kept.at(-1) === 0) kept.pop();
  return `${kept.map((group) => group.toString(16)).join(':')}::`;
}

/** An address inside the prefix, as words in host order. */
export function wordsOf(route: SnapshotRoute, next: (n: number) => number): Int32Array {
  const { version, words, len } = snapshotPrefix(route.prefix);
  if (version === 4) return Int32Array.of(words[0]! + next(2 ** (32 - len)));
  // All prefixes end within the first half of the address.
  words[2] = next(2 ** 31);
  words[3] = next(2 ** 31);
  return words;
}

function snapshotOf(routes: SnapshotRoute[]): RouteSnapshot {
  return {
    format: 'nstap-routes-1',
    netns: null,
    takenAt: null,
    source: 'kernel',
    links: [snapshotLink(1, 'lo'), snapshotLink(UPLINK, 'uplink'), snapshotLink(LAN, 'lan')],
    addresses: [
      { family: 4, ifIndex: UPLINK, address: '192.0.2.254', prefixLen: 24, broadcast: null, scope: 'global' },
    ],
    rules: [...defaultRules(4), ...defaultRules(6)],
    routes,
    sysctls: { forwarding4: true, forwarding6: true, interfaces: [], rpFilterAll: 0 },
  };
}

/** Octets of heap and typed arrays, after a collection where `--expose-gc` allows it. */
function memory(): number {
  globalThis.gc?.();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

export function count(n: number): string {
  return n.toLocaleString('en-US');
}

export function print(line: string): void {
  process.stdout.write(`${line}\n`);
}
