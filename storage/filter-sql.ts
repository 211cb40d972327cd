import type { Comparator, FilterNode, FlowQuantity, FlowRate, FlowTotal, Side } from './filter-ast.ts';
import { CONN_STATES } from './flow-batch.ts';
import type { SqlValue } from './flow-columns.ts';
import { flowSql } from './flow-rare.ts';
import { clampNs } from './time.ts';

/** A condition on `flows` (under the alias `f`) and its parameters in order. */
export interface SqlCondition {
  sql: string;
  params: SqlValue[];
}

/** SQL of the totals; nanoseconds for `duration`. */
export const QUANTITY_SQL: Readonly<Record<FlowTotal, string>> = {
  bytes: '(f.bytes_fwd + f.bytes_rev)',
  packets: '(f.packets_fwd + f.packets_rev)',
  duration: '(f.end_ns - f.start_ns)',
  retransmits: `(${flowSql('retransmits_fwd')} + ${flowSql('retransmits_rev')})`,
};

/** SQL of the rates, as doubles; NULL for a flow that took no time. */
const RATE_SQL: Readonly<Record<FlowRate, string>> = {
  pps: `(${QUANTITY_SQL.packets} * 1e9 / nullif(${QUANTITY_SQL.duration}, 0))`,
  bps: `(${QUANTITY_SQL.bytes} * 8e9 / nullif(${QUANTITY_SQL.duration}, 0))`,
  bpp: `(${QUANTITY_SQL.bytes} * 1.0 / nullif(${QUANTITY_SQL.packets}, 0))`,
};

const COMPARED_SQL: Readonly<Record<FlowQuantity, string>> = { ...QUANTITY_SQL, ...RATE_SQL };

/** Protocols whose port columns hold type and code. */
const ICMP_NUMBERS = '(1, 58)';

/** SQL's own spelling: the comparators are written into statements, so only these ever are. */
export const COMPARATOR_SQL: Readonly<Record<Comparator, string>> = {
  '=': '=',
  '!=': '<>',
  '>': '>',
  '>=': '>=',
  '<': '<',
  '<=': '<=',
};

/** Column of `route_decisions` for each field; see the decision object. */
const ROUTE_COLUMN = {
  type: 'type',
  verdict: 'verdict',
  table: 'table_name',
  prefix: 'prefix',
  gateway: 'gateway',
  dev: 'dev',
  observed: 'observed',
  stage: 'stage',
  confidence: 'confidence',
} as const;

/** Makes the condition for flows of the experiments with these names, which depends on when those were. */
export type ExperimentSql = (names: readonly string[]) => SqlCondition;

/**
 * The filter as an SQL condition. Values are parameters, never part of the text. Which flows are looked at is not its matter:
 * see flow-cover.ts.
 */
export function filterToSql(node: FilterNode, experiment: ExperimentSql): SqlCondition {
  switch (node.kind) {
    case 'and':
    case 'or':
      return join(
        node.nodes.map((each) => filterToSql(each, experiment)),
        node.kind === 'and' ? ' AND ' : ' OR ',
      );
    case 'not': {
      const { sql, params } = filterToSql(node.node, experiment);
      // A condition on NULL is neither true nor false in SQL; for people "not port 80" is true of a flow without ports.
      return { sql: `(${sql}) IS NOT TRUE`, params };
    }
    case 'host':
      return sides(node.side, (end) =>
        isOneOf(
          `f.${end}`,
          node.addresses.map(({ bytes }) => Buffer.from(bytes)),
        ),
      );
    case 'net':
      if (node.nets.length > LISTED_MAX) return sides(node.side, (end) => inNets(end, node.nets));
      return join(
        node.nets.map((net) => sides(node.side, (end) => addressRange(end, net.bytes, net.prefixLen))),
        ' OR ',
      );
    case 'port':
      return portCondition(node.side, node.comparator, node.values);
    case 'proto':
      return isOneOf('f.proto', node.numbers);
    case 'ipVersion':
      return { sql: 'f.ip_version = ?', params: [node.version] };
    case 'netns':
    case 'interface': {
      const names = isOneOf(node.kind, node.names);
      return { ...names, sql: `f.capture_id IN (SELECT capture_id FROM captures WHERE ${names.sql})` };
    }
    case 'experiment':
      return experiment(node.names);
    case 'vlan':
      if (node.ids === null) return { sql: 'f.vlan_outer IS NOT NULL', params: [] };
      return join([isOneOf('f.vlan_outer', node.ids), isOneOf(flowSql('vlan_inner'), node.ids)], ' OR ');
    case 'tunnel':
      if (node.types === null) return { sql: 'f.tunnel_type IS NOT NULL', params: [] };
      return isOneOf('f.tunnel_type', node.types);
    case 'tunnelId':
      return isOneOf('f.tunnel_id', node.values);
    case 'tunnelOuter':
      return isOneOf('f.tunnel_outer_flow_id', node.values);
    case 'flowId':
      return isOneOf('f.flow_id', node.values);
    case 'communityId':
      // Of no column: made again for each flow that the rest of the filter leaves, by a function of sql-functions.ts.
      return isOneOf('community_id(f.proto, f.src, f.dst, f.src_port, f.dst_port)', node.values);
    case 'state':
      return isOneOf(
        'f.conn_state',
        node.states.map((name) => CONN_STATES.indexOf(name as 'SF')),
      );
    case 'flags':
      return { sql: '((f.tcp_flags_fwd | f.tcp_flags_rev) & ?) = ?', params: [node.mask, node.mask] };
    case 'quantity':
      return {
        sql: `${COMPARED_SQL[node.field]} ${COMPARATOR_SQL[node.comparator]} ?`,
        params: [clampNs(node.value)],
      };
    case 'route':
    case 'routeRule':
      return routeCondition(routeSql(node));
    case 'routeChanged':
      return { sql: 'f.route_orig_side IS NOT NULL', params: [] };
  }
}

/** `a OR b OR c` is as deep for SQLite as it is long, and it takes no more than 1000: a longer chain is made of chains. */
const CHAIN_MAX = 100;

/** Conditions joined by ` AND ` or ` OR `, in parentheses. */
export function join(conditions: SqlCondition[], operator: ' AND ' | ' OR '): SqlCondition {
  return {
    sql: chain(
      conditions.map(({ sql }) => sql),
      operator,
    ),
    params: conditions.flatMap(({ params }) => params),
  };
}

function chain(parts: string[], operator: string): string {
  if (parts.length <= CHAIN_MAX) return `(${parts.join(operator)})`;
  const chains: string[] = [];
  for (let i = 0; i < parts.length; i += CHAIN_MAX)
    chains.push(chain(parts.slice(i, i + CHAIN_MAX), operator));
  return chain(chains, operator);
}

/** Of more values a list is one parameter: SQLite takes 32,766 in a statement, which has a part for each file and index. */
const LISTED_MAX = 20;

/** That something is one of these values, which may be none. @param sql no NULL is one of them */
export function isOneOf(sql: string, values: readonly SqlValue[]): SqlCondition {
  if (values.length === 1) return { sql: `${sql} = ?`, params: [...values] };
  if (values.length <= LISTED_MAX)
    return { sql: `${sql} IN (${values.map(() => '?').join(', ')})`, params: [...values] };
  const isOctets = Buffer.isBuffer(values[0]);
  const list = values.map((value) => (Buffer.isBuffer(value) ? value.toString('hex') : value));
  return {
    sql: `${sql} IN (SELECT ${isOctets ? 'unhex(value)' : 'value'} FROM json_each(?))`,
    params: [JSON.stringify(list)],
  };
}

function sides(side: Side, condition: (end: 'src' | 'dst') => SqlCondition): SqlCondition {
  return side === 'any' ? join([condition('src'), condition('dst')], ' OR ') : condition(side);
}

/** Of many nets, asked one after the other: see LISTED_MAX. */
function inNets(end: 'src' | 'dst', nets: Extract<FilterNode, { kind: 'net' }>['nets']): SqlCondition {
  const ranges = nets.map(({ bytes, prefixLen }) =>
    addressRange(end, bytes, prefixLen).params.map((octets) => (octets as Buffer).toString('hex')),
  );
  return {
    sql: `EXISTS (SELECT 1 FROM json_each(?) WHERE length(f.${end}) * 2 = length(value ->> 0)
                  AND f.${end} BETWEEN unhex(value ->> 0) AND unhex(value ->> 1))`,
    params: [JSON.stringify(ranges)],
  };
}

/** A net is a range of BLOBs; an IPv6 address can lie between two IPv4 ones, so the length is compared as well. */
export function addressRange(end: 'src' | 'dst', bytes: Uint8Array, prefixLen: number): SqlCondition {
  const first = Buffer.from(bytes);
  const last = Buffer.from(bytes);
  for (let bit = prefixLen; bit < bytes.length * 8; bit++) {
    const mask = 0x80 >> (bit & 7);
    first[bit >> 3]! &= ~mask;
    last[bit >> 3]! |= mask;
  }
  return {
    sql: `(f.${end} BETWEEN ? AND ? AND length(f.${end}) = ${bytes.length})`,
    params: [first, last],
  };
}

function portCondition(side: Side, comparator: Comparator, values: number[]): SqlCondition {
  if (comparator === '!=') {
    const equal = sides(side, (end) => isOneOf(`f.${end}_port`, values));
    return {
      sql: `(NOT ${equal.sql} AND f.proto NOT IN ${ICMP_NUMBERS} AND f.src_port IS NOT NULL)`,
      params: equal.params,
    };
  }
  // The protocol is compared beside each port: SQLite takes an OR within an AND within an OR from no index.
  return sides(side, (end) => {
    const { sql, params } =
      comparator === '='
        ? isOneOf(`f.${end}_port`, values)
        : { sql: `f.${end}_port ${COMPARATOR_SQL[comparator]} ?`, params: values.slice(0, 1) };
    return { sql: `(${sql} AND f.proto NOT IN ${ICMP_NUMBERS})`, params };
  });
}

/** The condition on `route_decisions`. */
export function routeSql(node: Extract<FilterNode, { kind: 'route' | 'routeRule' }>): SqlCondition {
  return node.kind === 'routeRule'
    ? isOneOf('rule', node.values)
    : isOneOf(ROUTE_COLUMN[node.field], node.values);
}

function routeCondition({ sql, params }: SqlCondition): SqlCondition {
  const decisions = `(SELECT decision_id FROM route_decisions WHERE ${sql})`;
  return {
    sql: `(f.route_fwd IN ${decisions} OR f.route_rev IN ${decisions})`,
    params: [...params, ...params],
  };
}
