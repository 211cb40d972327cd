/** A bound on octets: a number, a share of the file system, or the lesser of both. */
export interface DiskBound {
  octets: number | null;
  /** Of the size of the file system that the database is on. */
  percent: number | null;
}

/** How much of the past is kept; null: that bound is off. What is dropped is whole partitions, the oldest first. */
export interface RetentionOptions {
  /** Flows that ended longer ago are dropped, some time later: see PERIOD_MIN_SEC. */
  ageSec: number | null;
  /** Of all files of the database together. */
  size: DiskBound | null;
  /** That are to stay free on the file system, whoever fills it. */
  free: DiskBound | null;
}

const GIB = 1 << 30;

/**
 * What is kept when nothing is asked for, after journald.conf(5): a tenth of the file system but at most 16 GiB (journald: 4), and
 * a twentieth stays free, at most 16 GiB (journald: 15 %, 4 GiB). No bound on age: nobody misses the disk that is left.
 */
export const RETENTION_DEFAULT: RetentionOptions = {
  ageSec: null,
  size: { percent: 10, octets: 16 * GIB },
  free: { percent: 5, octets: 16 * GIB },
};

/** A bound in octets. @param totalOctets of the file system */
export function boundOctets({ octets, percent }: DiskBound, totalOctets: number): number {
  return Math.min(
    octets ?? Number.POSITIVE_INFINITY,
    percent === null ? Number.POSITIVE_INFINITY : (totalOctets * percent) / 100,
  );
}
