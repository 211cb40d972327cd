import { Random } from '../support/random.ts';
import { NEXTHOP_IDS4, NEXTHOP_IDS6 } from './random-nexthops.ts';

/** Random but repeatable routing tables, as commands of `ip -batch`, and questions about them. */

/** A generator of numbers in [0, 1). mulberry32, public domain */
export function random(seed: number): () => number {
  const numbers = new Random(seed);
  return () => numbers.fraction();
}

export type Pick = <T>(list: readonly T[]) => T;

/** Chooses one of a list. */
export function picker(next: () => number): Pick {
  return (list) => list[Math.floor(next() * list.length)]!;
}

/** Those of the interfaces that gateways are reached by: each has 10.9.N.1/24 and fd00:9:N::1/64. */
export const DEVICES = ['d0', 'd1', 'd2', 'd3'] as const;

const OCTETS = [0, 1, 2, 64, 127, 128, 200, 255] as const;
const LENGTHS4 = [8, 9, 12, 16, 17, 20, 24, 25, 28, 30, 31, 32] as const;
const LENGTHS6 = [16, 32, 33, 48, 56, 64, 65, 96, 112, 127, 128] as const;
const WORDS6 = ['0', '1', '8000', 'ffff', '7fff'] as const;
/** TOS values of routes and rules. */
export const TOS = ['0x04', '0x08', '0x10'] as const;
const TYPES = ['blackhole', 'unreachable', 'prohibit', 'throw'] as const;

const GROUPS4 = ['224.0.0.0/4', '239.0.0.0/8', '224.0.0.0/24', '239.1.1.1/32'] as const;
const GROUPS6 = ['ff00::/8', 'ff05::/16', 'ff02::/16', 'ff05::2/128'] as const;

function mask4(octets: readonly number[], len: number): string {
  const word = octets.reduce((sum, octet) => ((sum << 8) | octet) >>> 0, 0);
  const kept = len === 0 ? 0 : (word & (-1 << (32 - len))) >>> 0;
  return [kept >>> 24, (kept >>> 16) & 255, (kept >>> 8) & 255, kept & 255].join('.');
}

/** An address within 10.0.0.0/8 that prefixes of the tables are likely to hold. */
export function address4(pick: Pick): string {
  return `10.${pick(OCTETS)}.${pick(OCTETS)}.${pick(OCTETS)}`;
}

/** An address within fd01::/16 that prefixes of the tables are likely to hold. */
export function address6(pick: Pick): string {
  return `fd01:${Array.from({ length: 7 }, () => pick(WORDS6)).join(':')}`;
}

/** A prefix around such an address. */
export function prefix4(pick: Pick): string {
  const len = pick(LENGTHS4);
  return `${mask4(address4(pick).split('.').map(Number), len)}/${len}`;
}

/** A prefix around such an address. */
export function prefix6(pick: Pick): string {
  const len = pick(LENGTHS6);
  // Host bits must be zero: `ip` masks them when the length is given with "to", so whole words are cut here.
  const words = address6(pick).split(':');
  const kept = words.map((word, i) => {
    const bits = Math.max(0, Math.min(16, len - i * 16));
    return (Number.parseInt(word, 16) & (0xffff << (16 - bits)) & 0xffff).toString(16);
  });
  return `${kept.join(':')}/${len}`;
}

function hop4(pick: Pick): string {
  const device = pick([0, 1, 2, 3]);
  return `via 10.9.${device}.${pick([2, 3, 4])} dev d${device}`;
}

function hop6(pick: Pick): string {
  const device = pick([0, 1, 2, 3]);
  return `via fd00:9:${device}::${pick([2, 3, 4])} dev d${device}`;
}

/** What random routes go by. */
interface RouteMaker {
  next: () => number;
  pick: Pick;
  table: string;
  metric: string;
  tos: string;
  /** Interfaces, also those without a carrier or down. */
  device: () => string;
}

/** `ip -batch` lines that add `count` routes of both families; some repeat, so run with -force. */
export function routeCommands(
  count: number,
  next: () => number,
  tables: readonly string[],
  devices: readonly string[] = DEVICES,
): string[] {
  const pick = picker(next);
  const lines: string[] = [];
  for (let i = 0; i < count; i++) {
    const maker: RouteMaker = {
      next,
      pick,
      table: `table ${pick(tables)}`,
      metric: next() < 0.4 ? ` metric ${pick([1, 5, 100, 1024])}` : '',
      tos: next() < 0.15 ? `tos ${pick(TOS)} ` : '',
      device: () => (next() < 0.7 ? pick(DEVICES) : pick(devices)),
    };
    lines.push(...(next() < 0.6 ? route4(maker) : route6(maker)));
  }
  return lines;
}

function route4({ next, pick, table, metric, tos, device }: RouteMaker): string[] {
  const chance = next();
  const verb = next() < 0.1 ? 'append' : next() < 0.1 ? 'prepend' : 'add';
  const add = `route ${verb}`;
  const end = `${table}${metric}`;
  if (chance < 0.2) return [`${add} ${pick(TYPES)} ${tos}${prefix4(pick)} ${end}`];
  if (chance < 0.24) return [`${add} local ${prefix4(pick)} dev ${pick(['lo', ...DEVICES])} table local`];
  if (chance < 0.26) return [`${add} local ${prefix4(pick)} dev lo ${end}`];
  if (chance < 0.34)
    return [`${add} ${prefix4(pick)} ${table} nexthop ${hop4(pick)} weight 2 nexthop ${hop4(pick)}`];
  if (chance < 0.36)
    return [
      `${add} ${prefix4(pick)} ${table} nexthop dev ${device()} nexthop ${hop4(pick)} nexthop dev ${device()}`,
    ];
  if (chance < 0.41) return [`${add} ${tos}${prefix4(pick)} via inet6 fe80::1 dev ${pick(DEVICES)} ${end}`];
  if (chance < 0.48) return [`${add} default ${hop4(pick)} ${end}`];
  if (chance < 0.55) return [`${add} ${prefix4(pick)} dev ${device()} ${end} scope link`];
  if (chance < 0.58)
    return [`${add} ${prefix4(pick)} via 172.31.${pick([0, 1])}.9 dev ${device()} onlink ${end}`];
  if (chance < 0.68) return [`${add} ${prefix4(pick)} nhid ${pick(NEXTHOP_IDS4)} ${end}`];
  if (chance < 0.71)
    return [
      `${add} ${pick(['broadcast', 'anycast', 'multicast'])} ${tos}${prefix4(pick)} dev ${device()} ${end}`,
    ];
  if (chance < 0.73) return [`${add} broadcast ${address4(pick)} dev ${device()} table local scope link`];
  if (chance < 0.75) return [`${add} ${pick(['multicast ', ''])}${pick(GROUPS4)} dev ${device()} ${end}`];
  if (chance < 0.76) return [`${add} 240.0.0.0/4 ${hop4(pick)} ${end}`];
  const protocol = pick(['static', 'bgp', '77']);
  return [`${add} ${tos}${prefix4(pick)} ${hop4(pick)} ${end} proto ${protocol}`];
}

function route6({ next, pick, table, metric, device }: RouteMaker): string[] {
  const chance = next();
  const add = `-6 route ${next() < 0.1 ? 'append' : 'add'}`;
  const end = `${table}${metric}`;
  if (chance < 0.13) return [`${add} ${pick(TYPES)} ${prefix6(pick)} ${end}`];
  if (chance < 0.2) return [`${add} local ${prefix6(pick)} dev ${pick(['lo', ...DEVICES])} table local`];
  if (chance < 0.32) return [`${add} ${prefix6(pick)} ${table} nexthop ${hop6(pick)} nexthop ${hop6(pick)}`];
  if (chance < 0.4) return [`${add} default ${hop6(pick)} ${end}`];
  if (chance < 0.53) return [`${add} ${prefix6(pick)} from ${prefix6(pick)} ${hop6(pick)} ${end}`];
  if (chance < 0.56) return [`${add} default from ${prefix6(pick)} ${hop6(pick)} ${end}`];
  if (chance < 0.58) return [`${add} ${pick(TYPES)} ${prefix6(pick)} from ${prefix6(pick)} ${end}`];
  if (chance < 0.67) return [`${add} ${prefix6(pick)} nhid ${pick(NEXTHOP_IDS6)} ${end}`];
  if (chance < 0.72) return [`${add} ${prefix6(pick)} dev ${device()} ${end}`];
  if (chance < 0.74)
    return [`${add} ${pick(['anycast', 'multicast'])} ${prefix6(pick)} dev ${device()} ${end}`];
  if (chance < 0.76) return [`${add} ${pick(['multicast ', ''])}${pick(GROUPS6)} dev ${device()} ${end}`];
  if (chance < 0.78)
    return [`${add} ${pick(['fe80::/64', 'fe80::/10', 'fe80::9/128'])} dev ${device()} ${end}`];
  if (chance < 0.79) return [`${add} ${pick(TYPES)} ${pick(['fe80::/16', 'ff02::/16', '::/0'])} ${end}`];
  return [`${add} ${prefix6(pick)} ${hop6(pick)} ${end} pref ${pick(['low', 'medium', 'high'])}`];
}
