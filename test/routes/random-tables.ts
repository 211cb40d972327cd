import { Random } from '../support/random.ts';

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

/** Devices of the namespace under test: each has 10.9.N.1/24 and fd00:9:N::1/64. */
export const DEVICES = ['d0', 'd1', 'd2', 'd3'] as const;

const OCTETS = [0, 1, 2, 64, 127, 128, 200, 255] as const;
const LENGTHS4 = [8, 9, 12, 16, 17, 20, 24, 25, 28, 30, 31, 32] as const;
const LENGTHS6 = [16, 32, 33, 48, 56, 64, 65, 96, 112, 127, 128] as const;
const WORDS6 = ['0', '1', '8000', 'ffff', '7fff'] as const;
const TOS = ['0x04', '0x08', '0x10'] as const;
const TYPES = ['blackhole', 'unreachable', 'prohibit', 'throw'] as const;

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

function prefix4(pick: Pick): string {
  const len = pick(LENGTHS4);
  return `${mask4(address4(pick).split('.').map(Number), len)}/${len}`;
}

function prefix6(pick: Pick): string {
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

/** `ip -batch` lines that add `count` routes of both families; some repeat, so run with -force. */
export function routeCommands(count: number, next: () => number, tables: readonly string[]): string[] {
  const pick = picker(next);
  const lines: string[] = [];
  for (let i = 0; i < count; i++) {
    const table = `table ${pick(tables)}`;
    const metric = next() < 0.4 ? ` metric ${pick([1, 5, 100, 1024])}` : '';
    const chance = next();
    const tos = next() < 0.15 ? `tos ${pick(TOS)} ` : '';
    if (chance < 0.15) lines.push(`route add ${pick(TYPES)} ${tos}${prefix4(pick)} ${table}${metric}`);
    else if (chance < 0.2) lines.push(`route add local ${prefix4(pick)} dev lo table local`);
    else if (chance < 0.25)
      lines.push(`route add ${prefix4(pick)} ${table} nexthop ${hop4(pick)} weight 2 nexthop ${hop4(pick)}`);
    else if (chance < 0.3)
      lines.push(`route add ${tos}${prefix4(pick)} via inet6 fe80::1 dev ${pick(DEVICES)} ${table}${metric}`);
    else if (chance < 0.35) lines.push(`route add default ${hop4(pick)} ${table}${metric}`);
    else if (chance < 0.6)
      lines.push(
        `route add ${tos}${prefix4(pick)} ${hop4(pick)} ${table}${metric} proto ${pick(['static', 'bgp', '77'])}`,
      );
    else if (chance < 0.65)
      lines.push(`route add ${prefix4(pick)} dev ${pick(DEVICES)} ${table}${metric} scope link`);
    else if (chance < 0.7) lines.push(`-6 route add ${pick(TYPES)} ${prefix6(pick)} ${table}${metric}`);
    else if (chance < 0.73) lines.push(`-6 route add local ${prefix6(pick)} dev lo table local`);
    else if (chance < 0.78)
      lines.push(`-6 route add ${prefix6(pick)} ${table} nexthop ${hop6(pick)} nexthop ${hop6(pick)}`);
    else if (chance < 0.82) lines.push(`-6 route add default ${hop6(pick)} ${table}${metric}`);
    else if (chance < 0.87)
      lines.push(`-6 route add ${prefix6(pick)} from ${prefix6(pick)} ${hop6(pick)} ${table}${metric}`);
    else
      lines.push(
        `-6 route add ${prefix6(pick)} ${hop6(pick)} ${table}${metric} pref ${pick(['low', 'medium', 'high'])}`,
      );
  }
  return lines;
}

/** `ip -batch` lines that add `count` rules of both families with every selector that can be asked for. */
export function ruleCommands(count: number, next: () => number, tables: readonly string[]): string[] {
  const pick = picker(next);
  const lines: string[] = [];
  for (let i = 0; i < count; i++) {
    const v6 = next() < 0.5;
    const prefix = (): string => (v6 ? prefix6(pick) : prefix4(pick));
    const words: string[] = [v6 ? '-6 rule add' : 'rule add', `pref ${100 + i * 10}`];
    if (next() < 0.15) words.push('not');
    if (next() < 0.4) words.push(`from ${prefix()}`);
    if (next() < 0.4) words.push(`to ${prefix()}`);
    if (next() < 0.2) words.push(`iif ${pick([...DEVICES, 'lo', 'gone'])}`);
    if (next() < 0.05) words.push(`oif ${pick(DEVICES)}`);
    if (next() < 0.2) words.push(`fwmark ${pick(['0x1', '0x2/0x3', '0x10/0xf0'])}`);
    if (next() < 0.15) words.push(`tos ${pick(TOS)}`);
    if (next() < 0.2) words.push(`ipproto ${pick(['tcp', 'udp'])}`);
    if (next() < 0.1) words.push(`sport ${pick(['1000', '1000-2000'])}`);
    if (next() < 0.1) words.push(`dport ${pick(['80', '80-443'])}`);
    const chance = next();
    if (chance < 0.04) words.push(`goto ${100 + (i + 1 + Math.floor(next() * 4)) * 10}`);
    else if (chance < 0.07) words.push('type nop');
    else if (chance < 0.12) words.push(pick(['prohibit', 'unreachable', 'blackhole']));
    else {
      words.push(`lookup ${pick(tables)}`);
      if (next() < 0.2) words.push(`suppress_prefixlength ${pick([0, 8, 16])}`);
    }
    lines.push(words.join(' '));
  }
  return lines;
}

/** What a namespace under test is made of. */
export interface RandomRound {
  name: string;
  seed: number;
  routes: number;
  rules: number;
  tables: string[];
  sysctls: string[];
}

/** A random namespace: its size, its tables and what its sysctls are set to. */
export function randomRound(seed: number): RandomRound {
  const next = random(seed * 7919);
  const pick = picker(next);
  const sysctls: string[] = [];
  const set = (name: string, value: number): void => {
    sysctls.push(`${name}=${value}`);
  };
  if (next() < 0.7) set('net.ipv4.ip_forward', 1);
  if (next() < 0.7) set('net.ipv6.conf.all.forwarding', 1);
  if (next() < 0.3) set('net.ipv4.conf.all.rp_filter', pick([0, 1, 2]));
  if (next() < 0.15) set('net.ipv4.conf.all.accept_local', 1);
  if (next() < 0.1) set('net.ipv4.conf.all.route_localnet', 1);
  if (next() < 0.15) set('net.ipv4.conf.all.src_valid_mark', 1);
  for (const device of DEVICES) {
    if (next() < 0.15) set(`net.ipv4.conf.${device}.forwarding`, pick([0, 1]));
    if (next() < 0.15) set(`net.ipv6.conf.${device}.forwarding`, pick([0, 1]));
    if (next() < 0.25) set(`net.ipv4.conf.${device}.rp_filter`, pick([0, 1, 2]));
    if (next() < 0.1) set(`net.ipv4.conf.${device}.accept_local`, 1);
    if (next() < 0.1) set(`net.ipv4.conf.${device}.route_localnet`, 1);
    if (next() < 0.1) set(`net.ipv4.conf.${device}.ignore_routes_with_linkdown`, 1);
    if (next() < 0.1) set(`net.ipv6.conf.${device}.ignore_routes_with_linkdown`, 1);
  }
  return {
    name: `random ${seed}`,
    seed,
    routes: pick([10, 60, 200, 400]),
    rules: pick([0, 0, 5, 15, 40]),
    tables: pick([['main'], ['main', 'default'], ['main', '100', '200', '4242']]),
    sysctls,
  };
}
