import { formatAddress } from '../../decoders/address.ts';
import { protocolName } from '../../storage/protocols.ts';
import { GROUP_FIELDS, type GroupRow } from '../../storage/query-by.ts';
import { formatTime } from './time.ts';

/** A group of flows in JSON: the fields asked for, in that order, then its totals. */
export type GroupJson = Record<string, string | number | null>;

const TOTALS = {
  flows: (row: GroupRow) => row.flows,
  packets: (row: GroupRow) => row.packets,
  bytes: (row: GroupRow) => row.bytes,
  packets_fwd: (row: GroupRow) => row.packetsFwd,
  packets_rev: (row: GroupRow) => row.packetsRev,
  bytes_fwd: (row: GroupRow) => row.bytesFwd,
  bytes_rev: (row: GroupRow) => row.bytesRev,
  start: (row: GroupRow) => formatTime(row.startNs),
  end: (row: GroupRow) => formatTime(row.endNs),
};

/** The keys of a group's totals, in their order. */
export const GROUP_TOTAL_KEYS = Object.keys(TOTALS);

/** @param by the fields that the query grouped by */
export function groupJson(by: readonly string[], row: GroupRow): GroupJson {
  const json: GroupJson = {};
  for (const [i, name] of by.entries()) json[name] = keyText(name, row.keys[i]!);
  for (const [name, total] of Object.entries(TOTALS)) json[name] = total(row);
  return json;
}

function keyText(name: string, key: GroupRow['keys'][number]): string | number | null {
  if (Buffer.isBuffer(key)) return formatAddress(key, 0, key.length === 4 ? 4 : 6);
  if (key !== null && GROUP_FIELDS[name]!.kind === 'protocol') return protocolName(key as number);
  return key;
}
