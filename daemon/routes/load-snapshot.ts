import { RT_TABLE_LOCAL } from '../kernel/netlink-constants.ts';
import { parseAddrJson } from './addr-json.ts';
import type { AddrListing } from './addr-listing.ts';
import { parseAddrText } from './addr-text.ts';
import { fileLines, joinLines, readText, toText } from './input-file.ts';
import { parseRouteJson, parseRuleJson, withoutEncap } from './ip-json.ts';
import { inferVrfTables, localRoutes } from './local-routes.ts';
import { parseRouteText } from './route-text.ts';
import { defaultRules } from './routing.ts';
import { parseRuleText } from './rule-text.ts';
import type { RouteSnapshot, SnapshotRoute, SnapshotRule } from './snapshot.ts';
import { readSnapshot, snapshotOfLines } from './snapshot-file.ts';
import { jsonError, RouteTextError } from './text-words.ts';

const FAMILIES = [4, 6] as const;

/** Files that a snapshot is made of: `snapshot` alone, or text or JSON of `ip`; each may be compressed. */
export interface SnapshotSources {
  /** Output of `ip route show table all`, text or `-j`. */
  routes?: string | undefined;
  /** Output of `ip rule`, text or `-j`; without it the rules that a namespace starts with. */
  rules?: string | undefined;
  /** Output of `ip addr` or `ip link`, text or `-j`; without it interfaces are known by the routes' names alone. */
  addrs?: string | undefined;
  /** nstap's own snapshot file; `rules` replaces those within. */
  snapshot?: string | undefined;
}

/**
 * Reads what the user gave.
 * @returns null when nothing was given
 * @throws RouteTextError for content, Error of node:fs for a file that cannot be read
 */
export function loadSnapshot(sources: SnapshotSources): RouteSnapshot | null {
  const { routes, rules, addrs, snapshot } = sources;
  if (snapshot !== undefined && routes !== undefined)
    throw new RouteTextError('--routes', 0, routes, 'give either --routes or --snapshot');
  if (addrs !== undefined && routes === undefined)
    throw new RouteTextError(
      '--addrs',
      0,
      addrs,
      snapshot === undefined ? 'needs --routes beside it' : 'a snapshot has its own interfaces and addresses',
    );
  if (routes === undefined && snapshot === undefined) {
    if (rules !== undefined)
      throw new RouteTextError('--rules', 0, rules, 'needs --routes or --snapshot beside it');
    return null;
  }
  let loaded = snapshot !== undefined ? readSnapshot(snapshot) : snapshotOfRoutes(readText(routes!), routes!);
  if (rules !== undefined) loaded = { ...loaded, rules: withDefaults(parseRules(readText(rules), rules)) };
  return addrs === undefined ? loaded : withAddrs(loaded, parseAddrs(readText(addrs), addrs));
}

/**
 * A snapshot of the output of `ip route show table all`, with the rules that a namespace starts with.
 * @param source name for error messages
 * @throws RouteTextError
 */
export function snapshotOfRoutes(content: string, source: string): RouteSnapshot {
  const json = parseJson(content, source);
  return {
    format: 'nstap-routes-1',
    netns: null,
    takenAt: null,
    source: json === null ? 'ip-text' : 'ip-json',
    links: [],
    addresses: [],
    rules: FAMILIES.flatMap(defaultRules),
    routes: json === null ? parseRouteText(content, source) : parseRouteJson(json, source),
    sysctls: { forwarding4: null, forwarding6: null, interfaces: [], rpFilterAll: null },
  };
}

/**
 * The rules in the output of `ip rule`, text or `-j`.
 * @throws RouteTextError
 */
export function parseRules(content: string, source: string): SnapshotRule[] {
  const json = parseJson(content, source);
  return json === null ? parseRuleText(content, source) : parseRuleJson(json, source);
}

/**
 * The interfaces and addresses in the output of `ip addr` or `ip link`, text or `-j`.
 * @throws RouteTextError
 */
export function parseAddrs(content: string, source: string): AddrListing {
  const json = parseJson(content, source);
  return json === null ? parseAddrText(content, source) : parseAddrJson(json, source);
}

/**
 * Adds interfaces and addresses to a snapshot of text. Where it has no table local (`ip route` without `table all`), that
 * follows from the addresses.
 */
export function withAddrs(snapshot: RouteSnapshot, listing: AddrListing): RouteSnapshot {
  const { links, addresses } = listing;
  const missing = FAMILIES.filter(
    (family) => !snapshot.routes.some((route) => route.family === family && route.table === RT_TABLE_LOCAL),
  );
  inferVrfTables(links, snapshot.routes);
  return {
    ...snapshot,
    links,
    addresses,
    routes: [...snapshot.routes, ...missing.flatMap((family) => localRoutes(family, links, addresses))],
    ...(listing.isComplete ? {} : { linksIncomplete: true }),
  };
}

/**
 * Reads what `base` is to be compared with: a snapshot file, or text or JSON of `ip route`. Text replaces those tables that it
 * has routes of; everything else stays as it is in `base`.
 * @throws as `loadSnapshot`
 */
export function loadCompared(path: string, base: RouteSnapshot): RouteSnapshot {
  const lines = fileLines(path);
  const first = lines.next().value ?? Buffer.alloc(0);
  // Read once: it may be a FIFO of the shell.
  if (first.toString('latin1', 0, 100).trimStart().startsWith('{'))
    return snapshotOfLines(first, lines, path);
  const { routes } = snapshotOfRoutes(toText(joinLines(first, lines), path, 0), path);
  if (routes.length === 0) throw new RouteTextError(path, 0, '', 'has neither a snapshot nor a route in it');
  const key = (route: SnapshotRoute): string => `${route.family} ${route.table}`;
  const replaced = new Set(routes.map(key));
  return { ...base, routes: [...base.routes.filter((route) => !replaced.has(key(route))), ...routes] };
}

/** A family of which the user gave no rule has those that a namespace starts with. */
function withDefaults(rules: SnapshotRule[]): SnapshotRule[] {
  return [
    ...rules,
    ...FAMILIES.flatMap((family) =>
      rules.some((rule) => rule.family === family) ? [] : defaultRules(family),
    ),
  ];
}

/** The array of `ip -j`, or null for text. Of several outputs behind each other (`ip -j -4 …; ip -j -6 …`) all elements. */
function parseJson(content: string, source: string): unknown[] | null {
  const trimmed = content.trim();
  if (trimmed.startsWith('{'))
    throw new RouteTextError(source, 1, '{', 'is one JSON object: a snapshot file goes with --snapshot');
  if (!trimmed.startsWith('[')) return null;
  try {
    return withoutEncap(trimmed)
      .split(/\r?\n(?=\[)/)
      .flatMap((part) => JSON.parse(part) as unknown[]);
  } catch (error) {
    throw jsonError(source, 0, trimmed, error);
  }
}
