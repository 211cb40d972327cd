import { closeSync, openSync, readSync, statSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { DETECT_LEN, detectFormat } from '../decoders/savefile-detect.ts';

/** Meter threads of one replay unless more are asked for: measured with two cores only, and each thread takes some 45 MiB. docs/decisions/0023-replay-threads.md */
const THREADS_DEFAULT_MAX = 2;
/** Octets of files, below which a second thread takes longer to start and to be compiled than it saves; measured, see there. */
const OCTETS_MIN = 512 * 2 ** 20;

/** How files are read. */
export interface ReplayPlan {
  threads: number;
  /** Of each file, as it is now; null where one thread reads it, which takes what comes. */
  octets: number[] | null;
}

/**
 * How many threads meter these files. Several must each read them from the start: what comes through a pipe can only be read
 * once, and unpacking costs more than metering.
 * @param wanted threads that were asked for; null: as many as help
 */
export function planReplay(files: readonly string[], wanted: number | null): ReplayPlan {
  const single = { threads: 1, octets: null };
  if (wanted === 1) return single;
  const octets = files.map(plainSize);
  if (!octets.every((size) => size !== null)) return single;
  const total = octets.reduce((sum, size) => sum + size, 0);
  const threads = wanted ?? (total < OCTETS_MIN ? 1 : Math.min(availableParallelism(), THREADS_DEFAULT_MAX));
  return threads === 1 ? single : { threads, octets };
}

/** @returns octets of a capture that is a regular file and not compressed; null of anything else: reading it says what it is */
function plainSize(file: string): number | null {
  try {
    // Not opened unless it is a file: opening a FIFO waits for its writer.
    const stat = file === '-' ? undefined : statSync(file, { throwIfNoEntry: false });
    if (!stat?.isFile()) return null;
    const fd = openSync(file, 'r');
    try {
      const head = new Uint8Array(DETECT_LEN);
      const { kind } = detectFormat(head.subarray(0, readSync(fd, head, 0, DETECT_LEN, 0)));
      return kind === 'pcap' || kind === 'pcapng' ? stat.size : null;
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    // The thread that reads it meets the same, and reports it beside what the other files gave.
    if (error instanceof Error && 'code' in error) return null;
    throw error;
  }
}
