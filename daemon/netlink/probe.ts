import { parseAddress } from '../../decoders/address.ts';
import * as k from '../kernel/netlink-constants.ts';
import type { SnapshotRoute } from '../routes/snapshot.ts';
import type { NetlinkClient } from './dump.ts';
import { NetlinkError } from './errors.ts';
import { getRoute } from './get-route.ts';
import type { ContextDump, RoutingMemory } from './rtnetlink.ts';

/** Questions at most until one has an answer that tells. */
const ATTEMPTS = 3;

/**
 * Finds out by questions what the kernel remembers of rules and routes that are gone. A namespace without IPv4 rules of its
 * own keeps the tables local and main as one trie until a first rule is added or removed (fib_unmerge,
 * net/ipv4/fib_frontend.c), and looks at sources less strictly until somebody adds a route of type local
 * (fib_has_custom_local_routes in fib_validate_source).
 * @param before what was known earlier: it holds where no question tells now
 * @returns null for what no question tells
 * @throws SyscallError
 */
export function probeMemory(
  client: NetlinkClient,
  dump: ContextDump,
  routes: ProbedRoutes,
  object: string,
  before?: RoutingMemory,
): RoutingMemory {
  const own = routes.own4();
  const mergedTables4 = probeMerge(client, own, object) ?? before?.mergedTables4 ?? null;
  // Rules of its own make the check strict, too: then nothing tells the two apart, and nothing depends on it.
  const found = mergedTables4 === true ? probeLocalRoutes(client, dump, own, object) : null;
  return {
    mergedTables4,
    customLocalRoutes4: found ?? (before?.customLocalRoutes4 === true ? true : null),
    customRules6: probeRules6(client, dump, routes, object) ?? before?.customRules6 ?? null,
  };
}

/** What is looked at of a route. */
export type ProbedRoute = Pick<SnapshotRoute, 'type' | 'prefix'>;

/** The routes that questions are made of. */
export interface ProbedRoutes {
  /** Of the IPv4 table local, those for one address. */
  own4(): ProbedRoute[];
  /** Of an IPv6 table. */
  routes6(table: number): ProbedRoute[];
}

/** The routes of a dump. */
export function probedRoutes(routes: readonly SnapshotRoute[]): ProbedRoutes {
  return {
    own4: () =>
      routes.filter(
        ({ family, table, prefix }) => family === 4 && table === k.RT_TABLE_LOCAL && prefix.endsWith('/32'),
      ),
    routes6: (of) => routes.filter(({ family, table }) => family === 6 && table === of),
  };
}

/** While the tables are one, its answers are said to be of the table main. */
function probeMerge(client: NetlinkClient, own: readonly ProbedRoute[], object: string): boolean | null {
  for (const { prefix } of own.filter(({ type }) => type === 'local').slice(0, ATTEMPTS)) {
    const query = { version: 4, dst: octets(prefix), fibMatch: true } as const;
    const answer = ask(() => getRoute(client, query, () => null, object));
    if (answer !== null && typeof answer !== 'number') return answer.table !== k.RT_TABLE_LOCAL;
  }
  return null;
}

/**
 * Where a standard IPv6 rule is missing, and no other is there: whether that has an effect. The answer comes from the table of
 * the missing rule as long as nobody ever added one.
 */
function probeRules6(
  client: NetlinkClient,
  dump: ContextDump,
  all: ProbedRoutes,
  object: string,
): boolean | null {
  const rules = dump.rules.filter(({ family }) => family === 6);
  const missing = [k.RT_TABLE_LOCAL, k.RT_TABLE_MAIN].find((id) => !rules.some(({ table }) => table === id));
  if (missing === undefined || rules.length > 1) return null;
  const routes = all
    .routes6(missing)
    .filter(({ type, prefix }) => type !== 'multicast' && !/^f[ef]|^::/.test(prefix));
  for (const { prefix } of routes.slice(0, ATTEMPTS)) {
    const query = { version: 6, dst: octets(prefix), fibMatch: true } as const;
    const answer = ask(() => getRoute(client, query, () => null, object));
    if (answer !== null && typeof answer !== 'number' && answer.table === missing) return false;
    if (answer === k.ENETUNREACH) return true;
  }
  return null;
}

/** A packet for this host from a broadcast address: only the check against the tables minds. */
function probeLocalRoutes(
  client: NetlinkClient,
  dump: ContextDump,
  own: readonly ProbedRoute[],
  object: string,
): boolean | null {
  const all = dump.netconf.find(({ family, ifIndex }) => family === 4 && ifIndex === k.NETCONFA_IFINDEX_ALL);
  const iif = dump.links.find(({ ifIndex, flags, sysctls }) => {
    const conf = dump.netconf.find((each) => each.family === 4 && each.ifIndex === ifIndex);
    const filter = Math.max(all?.rpFilter ?? 1, conf?.rpFilter ?? 1);
    return filter === 0 && sysctls.acceptLocal === false && (flags & k.IFF_LOOPBACK) === 0;
  });
  const dst = own.find(({ type, prefix }) => type === 'local' && !prefix.startsWith('127.'));
  const src = own.find(({ type, prefix }) => type === 'broadcast' && !prefix.startsWith('127.'));
  if (iif === undefined || dst === undefined || src === undefined) return null;
  const query = {
    version: 4,
    dst: octets(dst.prefix),
    src: octets(src.prefix),
    iifIndex: iif.ifIndex,
    fibMatch: true,
  } as const;
  const answer = ask(() => getRoute(client, query, () => null, object));
  if (typeof answer === 'number') return answer === k.EINVAL ? true : null;
  return answer === null ? null : false;
}

/** The answer, its errno, or null. */
function ask(question: () => SnapshotRoute): SnapshotRoute | number | null {
  try {
    return question();
  } catch (error) {
    if (!(error instanceof NetlinkError)) throw error;
    return error.errno;
  }
}

function octets(prefix: string): Uint8Array {
  return parseAddress(prefix.slice(0, prefix.indexOf('/')))!.bytes;
}
