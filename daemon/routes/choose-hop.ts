import type { Answer } from './answer.ts';
import type { LinkTable } from './links.ts';
import { Doubt } from './rules.ts';
import type { CompiledRoute } from './shapes.ts';

/**
 * Chooses among several next hops: the one that the packet was seen leaving by; else the answer keeps the first that can
 * be used, and says that this is an assumption, since the kernel chooses by a hash with a seed of its own.
 * @param seen interface that the packet was seen leaving by; 0 when it was not
 */
export function chooseHop(route: CompiledRoute, seen: number, links: LinkTable, a: Answer): void {
  let usable = 0;
  let seenHops = 0;
  let seenHop = -1;
  for (let i = 0; i < route.hops.length; i++) {
    const hop = route.hops[i]!;
    if (!hop.usable) continue;
    usable++;
    if (seen === 0 || !links.carries(hop.ifIndex, seen)) continue;
    if (seenHops++ === 0) seenHop = i;
  }
  if (seenHop !== -1) a.hop = seenHop;
  if (usable > 1 && seenHops !== 1 && a.doubt === Doubt.None) a.doubt = Doubt.Multipath;
}
