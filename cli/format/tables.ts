import { tableNames } from '../../daemon/netlink/names.ts';
import { formatRoute, formatRule } from '../../daemon/routes/format.ts';
import type { RouteSnapshot, SnapshotRoute, SnapshotRule } from '../../daemon/routes/snapshot.ts';
import { printable } from './columns.ts';

/** What is said behind the lines of `ip`, and the order of a table's routes. */
export interface TableNotes {
  rules(rules: readonly SnapshotRule[], lines: readonly string[]): Iterable<string>;
  /** @returns the lines of the routes, in an order that it chooses */
  routes(routes: readonly SnapshotRoute[], line: (route: SnapshotRoute) => string): Iterable<string>;
}

const PLAIN: TableNotes = {
  rules: (_rules, lines) => lines,
  *routes(routes, line) {
    for (const route of routes) yield line(route);
  },
};

/**
 * Rules, then tables in the order in which the rules come to them, as `ip rule` and `ip route` print them. In lines with their
 * ends, made as they are taken: a table may have a million.
 */
export function* formatTables(snapshot: RouteSnapshot, notes: TableNotes = PLAIN): Iterable<string> {
  let isFirst = true;
  for (const family of [4, 6] as const) {
    const rules = snapshot.rules.filter((rule) => rule.family === family);
    const routes = snapshot.routes.filter((route) => route.family === family);
    if (rules.length === 0 && routes.length === 0) continue;
    if (!isFirst) yield '\n';
    isFirst = false;
    yield `IPv${family} rules\n`;
    const ruleLines = rules.map((rule) => `  ${printable(formatRule(rule), '\t')}`);
    for (const line of notes.rules(rules, ruleLines)) yield `${line}\n`;
    const tables = new Map<number, SnapshotRoute[]>();
    // A table that no rule looks into comes last; one without routes is not shown.
    for (const rule of rules) if (rule.action === 'lookup') tables.set(rule.table, []);
    for (const route of routes) {
      const table = tables.get(route.table);
      if (table === undefined) tables.set(route.table, [route]);
      else table.push(route);
    }
    for (const [id, own] of tables) {
      if (own.length === 0) continue;
      yield `\nIPv${family} table ${tableNames.name(id)}\n`;
      for (const line of notes.routes(own, routeLine)) yield `${line}\n`;
    }
  }
  if (isFirst) yield 'no rules and no routes\n';
}

/** A route as `ip route` prints it, set in. */
export function routeLine(route: SnapshotRoute): string {
  return `  ${printable(formatRoute(route))}`;
}
