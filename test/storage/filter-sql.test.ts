import fc from 'fast-check';
import { expect, test } from 'vitest';
import { flowJson } from '../../cli/format/flow-json.ts';
import { openForReading } from '../../storage/database.ts';
import type { Comparator, FilterNode, Side } from '../../storage/filter-ast.ts';
import { TUNNEL_TYPES } from '../../storage/flow-batch.ts';
import { type FlowRow, queryFlows } from '../../storage/query.ts';
import { clampNs } from '../../storage/time.ts';
import { FlowWriter } from '../../storage/writer.ts';
import { DECISIONS, filters, PLACES, records } from './filter-arbitraries.ts';
import { batchOf, captureInfo, TEST_RUN } from './records.ts';
import { EVERYTHING, tempDb } from './temp-db.ts';

/** The meaning of a filter, written a second time and without SQL. */
function matches(node: FilterNode, row: FlowRow): boolean {
  switch (node.kind) {
    case 'and':
      return node.nodes.every((each) => matches(each, row));
    case 'or':
      return node.nodes.some((each) => matches(each, row));
    case 'not':
      return !matches(node.node, row);
    case 'host':
      return ends(node.side, row).some(({ address: bytes }) =>
        node.addresses.some((wanted) => bytes.equals(wanted.bytes)),
      );
    case 'net':
      return ends(node.side, row).some(({ address: bytes }) =>
        node.nets.some(
          (wanted) =>
            bytes.length === wanted.bytes.length &&
            bits(bytes).slice(0, wanted.prefixLen) === bits(wanted.bytes).slice(0, wanted.prefixLen),
        ),
      );
    case 'port': {
      if (row.proto === 1 || row.proto === 58 || row.srcPort === null) return false;
      const ports = ends(node.side, row).map(({ port }) => port!);
      if (node.comparator === '!=') return ports.every((port) => !node.values.includes(port));
      return ports.some((port) => node.values.some((value) => compare(port, node.comparator, value)));
    }
    case 'proto':
      return node.numbers.includes(row.proto);
    case 'ipVersion':
      return row.ipVersion === node.version;
    case 'netns':
      return row.netns !== null && node.names.some((name) => name.toWellFormed() === row.netns);
    case 'interface':
      return row.interface !== null && node.names.includes(row.interface);
    case 'experiment':
      return row.experiments.some((name) => node.names.includes(name));
    case 'vlan': {
      const ids = [row.vlanOuter, row.vlanInner].filter((id) => id !== null);
      return node.ids === null ? ids.length > 0 : ids.some((id) => node.ids!.includes(id));
    }
    case 'tunnel': {
      const type = TUNNEL_TYPES.indexOf(row.tunnelType);
      return type > 0 && (node.types === null || node.types.includes(type));
    }
    case 'tunnelId':
      return row.tunnelId !== null && node.values.includes(row.tunnelId);
    case 'tunnelOuter':
      return row.tunnelOuterFlowId !== null && node.values.includes(row.tunnelOuterFlowId);
    case 'state':
      return row.connState !== null && node.states.includes(row.connState);
    case 'flags':
      return row.tcpFlagsFwd !== null && ((row.tcpFlagsFwd | row.tcpFlagsRev!) & node.mask) === node.mask;
    case 'flowId':
      return node.values.includes(row.flowId);
    case 'communityId':
      return node.values.includes(communityIdOf(row));
    case 'quantity': {
      const packets = row.packetsFwd + row.packetsRev;
      const bytes = row.bytesFwd + row.bytesRev;
      const ns = Number(row.endNs - row.startNs);
      const rate = (part: number, of: number): number | null => (of === 0 ? null : part / of);
      const value = {
        pps: rate(packets * 1e9, ns),
        bps: rate(bytes * 8e9, ns),
        bpp: rate(bytes, packets),
        bytes: BigInt(row.bytesFwd + row.bytesRev),
        packets: BigInt(row.packetsFwd + row.packetsRev),
        duration: row.endNs - row.startNs,
        retransmits: row.retransmitsFwd === null ? null : BigInt(row.retransmitsFwd + row.retransmitsRev!),
      }[node.field];
      return value !== null && compare<number | bigint>(value, node.comparator, clampNs(node.value));
    }
    case 'route':
      return [row.routeFwd, row.routeRev].some((route) =>
        node.values.includes(route?.[node.field] ?? 'absent'),
      );
    case 'routeChanged':
      return row.routeChanges !== null;
    case 'routeRule':
      return [row.routeFwd, row.routeRev].some((route) => node.values.includes(route?.rule ?? -1));
  }
}

const communityIds = new Map<number, string>();

function communityIdOf(row: FlowRow): string {
  const id = communityIds.get(row.flowId) ?? flowJson(row).community_id;
  communityIds.set(row.flowId, id);
  return id;
}

function ends(which: Side, row: FlowRow): { address: Buffer; port: number | null }[] {
  const src = { address: row.src, port: row.srcPort };
  const dst = { address: row.dst, port: row.dstPort };
  return which === 'any' ? [src, dst] : which === 'src' ? [src] : [dst];
}

function bits(bytes: Uint8Array): string {
  return [...bytes].map((octet) => octet.toString(2).padStart(8, '0')).join('');
}

function compare<T extends number | bigint>(a: T, by: Comparator, b: T): boolean {
  switch (by) {
    case '=':
      return a >= b && a <= b; // also of a double and a bigint
    case '!=':
      return a < b || a > b;
    case '>':
      return a > b;
    case '>=':
      return a >= b;
    case '<':
      return a < b;
    case '<=':
      return a <= b;
  }
}

test('SQL answers every filter as plain evaluation does', () => {
  const path = tempDb();
  const writer = new FlowWriter(path, TEST_RUN);
  const channel = writer.channel();
  const specs = fc.sample(records, { numRuns: 400, seed: 7 }).map((spec, seq) => ({ ...spec, seq }));
  writer.write([
    ...PLACES.map(
      ([netns, name], index) =>
        [channel, { type: 'capture', info: captureInfo(index, { netns, interface: name }) }] as const,
    ),
    [channel, { type: 'decisions', base: 0, list: DECISIONS }],
    [channel, { type: 'batch', batch: batchOf(...specs) }],
  ]);
  writer.close();
  const db = openForReading(path);
  const all = [...queryFlows(db, EVERYTHING)];
  expect(all).toHaveLength(400);
  const reached = new Map<string, Set<string>>();
  fc.assert(
    fc.property(filters(), (node) => {
      const expected = all.filter((row) => matches(node, row)).map(({ flowId }) => flowId);
      const answered = [...queryFlows(db, { ...EVERYTHING, filter: node })].map(({ flowId }) => flowId);
      expect(answered).toEqual(expected);
      const outcome = expected.length === 0 ? 'none' : expected.length === all.length ? 'all' : 'some';
      const outcomes = reached.get(node.kind) ?? new Set();
      reached.set(node.kind, outcomes.add(outcome));
    }),
    { numRuns: 2000, size: 'max' } as fc.Parameters<[FilterNode]>,
  );
  db.close();
  for (const kind of [
    'and',
    'or',
    'not',
    'host',
    'net',
    'port',
    'vlan',
    'tunnel',
    'tunnelId',
    'tunnelOuter',
    'flags',
    'flowId',
    'communityId',
    'quantity',
    'route',
    'routeRule',
  ])
    expect(reached.get(kind), kind).toContain('some');
}, 180_000);
