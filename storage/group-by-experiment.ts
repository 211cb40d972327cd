import type { FlowDatabase } from './database.ts';
import { readExperiments } from './experiments.ts';
import type { FilterNode } from './filter-ast.ts';
import { type GroupQuery, type GroupRow, groupOrder, queryBy } from './query-by.ts';
import { sumFlows } from './sum-flows.ts';

/** A name of GroupQuery.by that only this file knows. */
export const EXPERIMENT = 'experiment';

/**
 * As queryBy, where one of the fields is `experiment`: each experiment's flows are added up by themselves, those of a name
 * together, and then those that belong to none (null). A flow of two experiments counts for both. All groups are in memory.
 * @throws StorageError; RangeError for a field or sort that is not known
 */
export function* queryByExperiment(db: FlowDatabase, query: GroupQuery): IterableIterator<GroupRow> {
  const at = query.by.indexOf(EXPERIMENT);
  const by = query.by.filter((name) => name !== EXPERIMENT);
  const names = [...new Set(readExperiments(db).map(({ name }) => name))];
  const rows: GroupRow[] = [];
  const add = (experiment: string | null, condition: FilterNode | null): void => {
    const nodes = [query.filter, condition].filter((node) => node !== null);
    const filter: FilterNode | null = nodes.length > 1 ? { kind: 'and', nodes } : (nodes[0] ?? null);
    const own = { ...query, filter, by, sort: 'bytes', limit: null, offset: 0 };
    if (by.length === 0) {
      const sums = sumFlows(db, own);
      if (sums !== null) rows.push({ keys: [experiment], ...sums });
    } else
      for (const row of queryBy(db, own)) rows.push({ ...row, keys: row.keys.toSpliced(at, 0, experiment) });
  };
  for (const name of names) add(name, { kind: 'experiment', names: [name] });
  const none: FilterNode = { kind: 'not', node: { kind: 'experiment', names } };
  add(null, names.length === 0 ? null : none);
  rows.sort(groupOrder(query));
  yield* rows.slice(query.offset, query.limit === null ? undefined : query.offset + query.limit);
}
