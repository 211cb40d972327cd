import type { FlowDatabase } from './database.ts';
import type { SqlCondition } from './filter-sql.ts';
import { flowSchemas } from './partition-views.ts';
import { clampNs } from './time.ts';

/** Turns a span of time into the condition for flows that were alive in [since, until); null: no bound. */
export type TimeBound = (since: bigint | null, until: bigint | null) => SqlCondition[];

/**
 * Conditions on time that leave SQLite one index to take: it has no figures by which to tell which of the two bounds leaves
 * fewer flows, and a unary plus keeps an index out. The times of the database are asked for once, at the first span.
 */
export function timeBound(db: FlowDatabase): TimeBound {
  let ends: [first: bigint | null, last: bigint | null] | null = null;
  return (since, until) => {
    const conditions: SqlCondition[] = [];
    let byEnd = since !== null;
    if (since !== null && until !== null) {
      // File by file: of all as one, SQLite would read every flow.
      ends ??= [bound(db, 'min', 'start_ns'), bound(db, 'max', 'end_ns')];
      const [first, last] = ends;
      byEnd = first === null || last === null || last - since <= until - first;
    }
    if (since !== null)
      conditions.push({ sql: `${byEnd ? '' : '+'}f.end_ns >= ?`, params: [clampNs(since)] });
    if (until !== null)
      conditions.push({ sql: `${byEnd ? '+' : ''}f.start_ns < ?`, params: [clampNs(until)] });
    return conditions;
  };
}

function bound(db: FlowDatabase, what: 'min' | 'max', column: string): bigint | null {
  const each = flowSchemas(db).map((schema) => `SELECT ${what}(${column}) AS bound FROM ${schema}.flows`);
  const sql = `SELECT ${what}(bound) FROM (${each.join(' UNION ALL ')})`;
  return db.prepare<[], bigint | null>(sql).pluck().safeIntegers().get() ?? null;
}
