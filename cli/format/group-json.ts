import { formatAddress } from '../../decoders/address.ts';
import { type NetLengths, netLengths } from '../../storage/group-keys.ts';
import { protocolName } from '../../storage/protocols.ts';
import { groupField, type GroupRow } from '../../storage/query-by.ts';
import type { FlowSums } from '../../storage/sum-flows.ts';
import { formatTime, perSecond } from './time.ts';

/** A field that is grouped by: how the user calls it, and its name as groupField takes it. */
export interface GroupBy {
  label: string;
  name: string;
}

/** What a row of groups is: one of them, those that are not shown, or all. */
export type GroupRowKind = 'group' | 'others' | 'total';

/** A group of flows in JSON: the fields asked for, in that order, then its totals. */
export type GroupJson = Record<string, string | number | null>;

const NS_PER_SEC = 1_000_000_000n;

/** Of which the shares are. */
export type WholeSums = Pick<FlowSums, 'flows' | 'packets' | 'bytes'>;

const TOTALS: Readonly<Record<string, (row: FlowSums, all: WholeSums) => string | number | null>> = {
  flows: (row) => row.flows,
  packets: (row) => row.packets,
  bytes: (row) => row.bytes,
  packets_fwd: (row) => row.packetsFwd,
  packets_rev: (row) => row.packetsRev,
  bytes_fwd: (row) => row.bytesFwd,
  bytes_rev: (row) => row.bytesRev,
  start: (row) => formatTime(row.startNs),
  end: (row) => formatTime(row.endNs),
  bits_per_s: (row) => rounded(perSecond(row.bytes * 8, row.endNs - row.startNs)),
  packets_per_s: (row) => rounded(perSecond(row.packets, row.endNs - row.startNs)),
  flows_share: (row, all) => percent(row.flows, all.flows),
  packets_share: (row, all) => percent(row.packets, all.packets),
  bytes_share: (row, all) => percent(row.bytes, all.bytes),
};

/** The keys of a group's totals, in their order. */
export const GROUP_TOTAL_KEYS = [...Object.keys(TOTALS), 'row'];

/**
 * @param keys one a field of `by`; null: of others and of the total
 * @param all  of which the shares are
 */
export function groupJson(
  by: readonly GroupBy[],
  kind: GroupRowKind,
  keys: GroupRow['keys'] | null,
  sums: FlowSums,
  all: WholeSums,
): GroupJson {
  const json: GroupJson = {};
  for (const [i, { label, name }] of by.entries())
    json[label] = keys === null ? null : keyText(name, keys[i]!);
  for (const [name, total] of Object.entries(TOTALS)) json[name] = total(sums, all);
  json.row = kind;
  return json;
}

function keyText(name: string, key: GroupRow['keys'][number]): string | number | null {
  if (key === null) return null;
  if (Buffer.isBuffer(key)) return addressText(key, netLengths(name));
  const kind = groupField(name)?.kind;
  if (kind === 'protocol') return protocolName(key as number);
  if (kind === 'time') return formatTime(BigInt(key) * NS_PER_SEC);
  return key;
}

function addressText(key: Buffer, lengths: NetLengths | null): string {
  const octets = key.length === 4 ? 4 : 16;
  const address = formatAddress(key, 0, octets === 4 ? 4 : 6);
  return lengths === null ? address : `${address}/${lengths[octets]}`;
}

/** To the thousandth: what is behind it is noise of the division. */
function rounded(value: number | null): number | null {
  return value === null ? null : Math.round(value * 1000) / 1000;
}

function percent(part: number, all: number): number | null {
  return all === 0 ? null : Math.round((part / all) * 10_000) / 100;
}
