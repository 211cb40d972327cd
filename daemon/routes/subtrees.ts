import { maskWord } from './lpm.ts';
import type { SnapshotRoute } from './snapshot.ts';
import { type PrefixWords, snapshotPrefix } from './words.ts';

/** Comparisons of prefixes at most; beyond them each source-specific route is taken to be doubtful. */
const COMPARISONS_MAX = 4_000_000;

/**
 * The IPv6 routes with a source that the kernel may pass over. A prefix that has such routes alone is a node of the tree; where
 * the node was there before as the fork of two longer prefixes, it goes on naming one of their routes (fib6_add of
 * net/ipv6/ip6_fib.c keeps `fn->leaf`), and the lookup, which compares the destination with that, does not enter its sources
 * (fib6_node_lookup_1). In which order the routes were added, no dump tells.
 */
export function doubtfulSubtrees(routes: readonly SnapshotRoute[]): ReadonlySet<SnapshotRoute> {
  const doubtful = new Set<SnapshotRoute>();
  const withSource = routes.filter((route) => route.from !== null && !route.prefix.endsWith('/0'));
  if (withSource.length === 0) return doubtful;
  const own = routes.filter(({ family }) => family === 6);
  if (withSource.length * own.length > COMPARISONS_MAX) return new Set(withSource);
  const words = new Map<SnapshotRoute, PrefixWords>();
  for (const route of own) words.set(route, snapshotPrefix(route.prefix));
  for (const route of withSource) {
    const at = words.get(route)!;
    let branches = 0;
    for (const other of own) {
      if (other.table !== route.table) continue;
      const below = words.get(other)!;
      if (below.len < at.len || !isWithin(below.words, at)) continue;
      if (below.len > at.len) branches |= 1 << bitAt(below.words, at.len);
      else if (other.from === null) branches |= 4;
    }
    if (branches === 3) doubtful.add(route);
  }
  return doubtful;
}

function isWithin(words: Int32Array, prefix: PrefixWords): boolean {
  for (let i = 0; i * 32 < prefix.len; i++)
    if (((words[i]! ^ prefix.words[i]!) & maskWord(prefix.len, i)) !== 0) return false;
  return true;
}

function bitAt(words: Int32Array, bit: number): number {
  return (words[bit >> 5]! >>> (31 - (bit & 31))) & 1;
}
