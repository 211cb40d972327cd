import type { Pick } from './random-tables.ts';

/** Numbers of the nexthop objects that `nexthopCommands` makes, by family; some may be missing. */
export const NEXTHOP_IDS4 = [11, 12, 13, 14, 15, 16, 17, 18, 19] as const;
export const NEXTHOP_IDS6 = [21, 22, 23, 24, 25, 26, 27, 28] as const;

/** `ip -batch` lines that make nexthop objects of all kinds: single ones, groups with weights, resilient ones, blackholes. */
export function nexthopCommands(pick: Pick): string[] {
  const device = (): number => pick([0, 1, 2, 3]);
  const hop4 = (): string => {
    const n = device();
    return `via 10.9.${n}.${pick([2, 3, 4])} dev d${n}`;
  };
  const hop6 = (): string => {
    const n = device();
    return `via fd00:9:${n}::${pick([2, 3])} dev d${n}`;
  };
  return [
    `nexthop add id 11 ${hop4()}`,
    `nexthop add id 12 ${hop4()}`,
    `nexthop add id 13 dev d${device()}`,
    'nexthop add id 14 blackhole',
    `nexthop add id 15 via 172.31.0.9 dev d${device()} onlink`,
    `nexthop add id 16 group 11,${pick([1, 3])}/12`,
    `nexthop add id 17 group 12/11,2`,
    `nexthop add id 18 group 11/12 type resilient buckets 16 idle_timer 100`,
    'nexthop add id 19 group 14',
    `-6 nexthop add id 21 ${hop6()}`,
    `-6 nexthop add id 22 ${hop6()}`,
    `-6 nexthop add id 23 dev d${device()}`,
    '-6 nexthop add id 24 blackhole',
    `-6 nexthop add id 25 via fe80::9 dev d${device()}`,
    `-6 nexthop add id 26 group 21,${pick([1, 3])}/22`,
    `-6 nexthop add id 27 group 22/25`,
    '-6 nexthop add id 28 group 24',
  ];
}
