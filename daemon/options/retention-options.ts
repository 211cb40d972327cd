import type { DiskBound, RetentionOptions } from '../../storage/retention-options.ts';
import type { OptionSpec } from './spec.ts';
import { parseCount, parseDuration } from './units.ts';

/** What switches a bound off. */
const OFF = 'off';
/** Nine files without a flow are a tenth of it. */
const OCTETS_MIN = 16_000_000n;
const NS_PER_SEC = 1_000_000_000n;
const GIB = 1 << 30;

const DISK_ALLOWED =
  'octets, at least 16M, as "500M", "10G" or "16Gi"; a share of the file system, as "10%"; the lesser of both, as "10%,16Gi"; or "off"';

/** Reads "30d" or "off". @returns seconds; null: no bound; undefined: it is neither */
export function parseAge(text: string): number | null | undefined {
  if (text === OFF) return null;
  const ns = parseDuration(text);
  return ns === null || ns < NS_PER_SEC ? undefined : Number(ns / NS_PER_SEC);
}

/** Reads "10G", "10%", "10%,16Gi" or "off". @returns null: no bound; undefined: it is none of them */
export function parseDiskBound(text: string): DiskBound | null | undefined {
  if (text === OFF) return null;
  const bound: DiskBound = { octets: null, percent: null };
  for (const part of text.split(',')) {
    const percent = /^(\d+(?:\.\d+)?)%$/.exec(part)?.[1];
    const octets = percent === undefined ? parseCount(part) : null;
    if (percent !== undefined && bound.percent === null && Number(percent) > 0 && Number(percent) <= 100)
      bound.percent = Number(percent);
    else if (octets !== null && bound.octets === null && octets >= OCTETS_MIN) bound.octets = Number(octets);
    else return undefined;
  }
  return bound;
}

function formatDiskBound(bound: DiskBound | null): string {
  if (bound === null) return OFF;
  const { octets, percent } = bound;
  const size = octets === null ? [] : [octets % GIB === 0 ? `${octets / GIB}Gi` : String(octets)];
  return [...(percent === null ? [] : [`${percent}%`]), ...size].join(',');
}

function diskOption(name: 'size' | 'free', help: string, byDefault: string): OptionSpec {
  return {
    flag: `--retain-${name}`,
    key: `storage.retain-${name}`,
    value: {
      kind: 'text',
      word: 'size',
      allowed: DISK_ALLOWED,
      isValid: (text) => parseDiskBound(text) !== undefined,
    },
    help,
    byDefault,
    isLive: false,
    inForce: ({ retention }: { retention: RetentionOptions }) => formatDiskBound(retention[name]),
  };
}

/** How much of the past is kept. */
export const RETENTION_SPECS: readonly OptionSpec[] = [
  {
    flag: '--retain-age',
    key: 'storage.retain-age',
    value: {
      kind: 'text',
      word: 'time',
      allowed: 'a time of at least a second, as "36h", "30d" or "8w"; or "off"',
      isValid: (text) => parseAge(text) !== undefined,
    },
    help: 'drop flows that ended longer ago, as 36h, 30d or 8w; or off',
    byDefault: 'off',
    isLive: false,
    inForce: ({ retention }) => (retention.ageSec === null ? OFF : `${retention.ageSec}s`),
  },
  diskOption(
    'size',
    'drop the oldest flows when the database takes more: octets as 500M or 10G, a share of the file system as 5%, or off',
    '10%, at most 16Gi',
  ),
  diskOption(
    'free',
    'drop the oldest flows when less is free on the file system; as --retain-size',
    '5%, at most 16Gi',
  ),
];
