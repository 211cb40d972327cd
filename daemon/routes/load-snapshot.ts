import { readText } from './input-file.ts';
import { parseRouteJson, parseRuleJson } from './ip-json.ts';
import { parseRouteText } from './route-text.ts';
import { defaultRules } from './routing.ts';
import { parseRuleText } from './rule-text.ts';
import type { RouteSnapshot, SnapshotRule } from './snapshot.ts';
import { readSnapshot } from './snapshot-file.ts';
import { RouteTextError } from './text-words.ts';

/** Files that a snapshot is made of: `snapshot` alone, or text or JSON of `ip`. */
export interface SnapshotSources {
  /** Output of `ip route show table all`, text or `-j`. */
  routes?: string | undefined;
  /** Output of `ip rule`, text or `-j`; without it the rules that a namespace starts with. */
  rules?: string | undefined;
  /** nstap's own snapshot file; `rules` replaces those within. */
  snapshot?: string | undefined;
}

/**
 * Reads what the user gave.
 * @returns null when nothing was given
 * @throws RouteTextError for content, Error of node:fs for a file that cannot be read
 */
export function loadSnapshot(sources: SnapshotSources): RouteSnapshot | null {
  const { routes, rules, snapshot } = sources;
  if (snapshot !== undefined && routes !== undefined)
    throw new RouteTextError('--routes', 0, routes, 'give either --routes or --snapshot');
  if (routes === undefined && snapshot === undefined) {
    if (rules !== undefined)
      throw new RouteTextError('--rules', 0, rules, 'needs --routes or --snapshot beside it');
    return null;
  }
  const base = snapshot !== undefined ? readSnapshot(snapshot) : snapshotOfRoutes(readText(routes!), routes!);
  if (rules === undefined) return base;
  return { ...base, rules: withDefaults(parseRules(readText(rules), rules)) };
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
    rules: [...defaultRules(4), ...defaultRules(6)],
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

/** A family of which the user gave no rule has those that a namespace starts with. */
function withDefaults(rules: SnapshotRule[]): SnapshotRule[] {
  const families = [4, 6] as const;
  return [
    ...rules,
    ...families.flatMap((family) =>
      rules.some((rule) => rule.family === family) ? [] : defaultRules(family),
    ),
  ];
}

/** The array of `ip -j`, or null for text. */
function parseJson(content: string, source: string): unknown[] | null {
  const trimmed = content.trim();
  if (trimmed.startsWith('{'))
    throw new RouteTextError(source, 1, '{', 'is one JSON object: a snapshot file goes with --snapshot');
  if (!trimmed.startsWith('[')) return null;
  try {
    return JSON.parse(trimmed) as unknown[];
  } catch (error) {
    throw new RouteTextError(source, 0, trimmed.slice(0, 20), `no JSON: ${(error as Error).message}`);
  }
}
