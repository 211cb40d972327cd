import { tableNames } from '../../daemon/netlink/names.ts';
import { formatRoute, formatRule } from '../../daemon/routes/format.ts';
import type { RouteSnapshot, SnapshotRoute } from '../../daemon/routes/snapshot.ts';
import { printable } from './columns.ts';

/**
 * Rules, then tables in the order in which the rules come to them, as `ip rule` and `ip route` print them. In lines with their
 * ends, made as they are taken: a table may have a million.
 */
export function* formatTables(snapshot: RouteSnapshot): Iterable<string> {
  let isFirst = true;
  for (const family of [4, 6] as const) {
    const rules = snapshot.rules.filter((rule) => rule.family === family);
    const routes = snapshot.routes.filter((route) => route.family === family);
    if (rules.length === 0 && routes.length === 0) continue;
    if (!isFirst) yield '\n';
    isFirst = false;
    yield `IPv${family} rules\n`;
    for (const rule of rules) yield `  ${printable(formatRule(rule), '\t')}\n`;
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
      for (const route of own) yield `  ${printable(formatRoute(route))}\n`;
    }
  }
  if (isFirst) yield 'no rules and no routes\n';
}
