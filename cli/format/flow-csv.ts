import type { FlowRow } from '../../storage/query.ts';
import { DECISION_KEYS } from '../../storage/route-decision.ts';
import { FLOW_KEYS, type FlowJson, flowJson, TUNNEL_KEYS } from './flow-json.ts';

/** Tables have no nesting: the keys of these objects become columns of their own. */
export const NESTED: Readonly<Partial<Record<keyof FlowJson, readonly string[]>>> = {
  route_fwd: DECISION_KEYS,
  route_rev: DECISION_KEYS,
  tunnel: TUNNEL_KEYS,
};

/** The columns of a flow in CSV, in their order. */
export const FLOW_CSV_KEYS: readonly string[] = FLOW_KEYS.flatMap(
  (key) => NESTED[key]?.map((part) => `${key}_${part}`) ?? [key as string],
);

type CsvValue = (json: Record<string, unknown>, row: FlowRow) => unknown;

/** The value of each column, of the flow in JSON and its row. */
const CSV_VALUES = FLOW_KEYS.flatMap((key): CsvValue[] => {
  if (key === 'route_changes') return [(_json, row) => changeCount(row)];
  if (key === 'hints') return [(_json, row) => row.hints];
  const parts = NESTED[key];
  if (parts === undefined) return [(json) => json[key]];
  return parts.map(
    (part) => (json: Record<string, unknown>) =>
      (json[key] as Record<string, unknown> | null)?.[part] ?? null,
  );
});

/** The values of a flow, in the order of FLOW_CSV_KEYS. */
export function flowCsvValues(row: FlowRow): unknown[] {
  const json: Record<string, unknown> = flowJson(row);
  return CSV_VALUES.map((value) => value(json, row));
}

/** How often the decision changed, as far as it is kept: what a direction began with is no change. */
export function changeCount({ routeChanges }: FlowRow): number | null {
  if (routeChanges === null) return null;
  return routeChanges.length - new Set(routeChanges.map(({ direction }) => direction)).size;
}
