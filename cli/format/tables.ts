import { tableNames } from '../../daemon/netlink/names.ts';
import { formatRoute, formatRule } from '../../daemon/routes/format.ts';
import type { RouteSnapshot, SnapshotRoute } from '../../daemon/routes/snapshot.ts';

/** Rules, then tables in the order in which the rules come to them, as `ip rule` and `ip route` print them. */
export function formatTables(snapshot: RouteSnapshot): string {
  const lines: string[] = [];
  for (const family of [4, 6] as const) {
    const rules = snapshot.rules.filter((rule) => rule.family === family);
    const routes = snapshot.routes.filter((route) => route.family === family);
    if (rules.length === 0 && routes.length === 0) continue;
    if (lines.length > 0) lines.push('');
    lines.push(`IPv${family} rules`, ...rules.map((rule) => `  ${formatRule(rule)}`));
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
      lines.push(
        '',
        `IPv${family} table ${tableNames.name(id)}`,
        ...own.map((route) => `  ${formatRoute(route)}`),
      );
    }
  }
  return lines.length === 0 ? 'no rules and no routes\n' : `${lines.join('\n')}\n`;
}
