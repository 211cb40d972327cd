import type { FlowDatabase } from './database.ts';
import { toStorageError } from './errors.ts';
import type { HostInfo, RunInfo, ThreadLoad } from './messages.ts';

/** A daemon's life or one replay, as it is stored. Times are nanoseconds since the epoch. */
export interface RunRow extends RunInfo {
  runId: number;
  host: HostInfo;
  /** Of the process that wrote, on its host. */
  pid: number;
  startedNs: bigint;
  /** null: it goes on, or ended without having said so. */
  endedNs: bigint | null;
  /** Flows, and records of flows, that it stored so far. */
  flows: number;
  records: number;
  /** Times that were beyond what 64 bits hold, and were stored as the nearest that is not. */
  clampedTimes: number;
  /** What its capture thread was last seen doing. */
  load: ThreadLoad;
}

/** A run by its number; null when there is none. @throws StorageError */
export function readRun(db: FlowDatabase, runId: number): RunRow | null {
  return readRuns(db, 'run_id = ?', runId)[0] ?? null;
}

/** The run that began last; null when there is none. @throws StorageError */
export function latestRun(db: FlowDatabase): RunRow | null {
  return readRuns(db, 'run_id = (SELECT max(run_id) FROM runs)')[0] ?? null;
}

/** Runs that have not told their end, latest first. @throws StorageError */
export function openRuns(db: FlowDatabase): RunRow[] {
  return readRuns(db, 'ended_ns IS NULL');
}

interface StoredRun {
  runId: bigint;
  kind: RunInfo['kind'];
  version: string;
  commandLine: string;
  pid: bigint;
  startedNs: bigint;
  endedNs: bigint | null;
  flows: bigint;
  records: bigint;
  clampedTimes: bigint;
  queued: bigint;
  queueSize: bigint;
  cpuNs: bigint;
  machineId: string;
  name: string;
}

function readRuns(db: FlowDatabase, where: string, ...params: number[]): RunRow[] {
  try {
    return db
      .prepare<number[], StoredRun>(
        `SELECT run_id AS runId, kind, version, command_line AS commandLine, pid, started_ns AS startedNs,
                ended_ns AS endedNs, flows, records, clamped_times AS clampedTimes,
                queued, queue_size AS queueSize, capture_cpu_ns AS cpuNs, machine_id AS machineId, name
         FROM runs JOIN hosts USING (host_id) WHERE ${where} ORDER BY run_id DESC`,
      )
      .safeIntegers()
      .all(...params)
      .map(({ machineId, name, queued, queueSize, cpuNs, ...run }) => ({
        ...run,
        host: { machineId, name },
        runId: Number(run.runId),
        pid: Number(run.pid),
        flows: Number(run.flows),
        records: Number(run.records),
        clampedTimes: Number(run.clampedTimes),
        load: { queued: Number(queued), queueSize: Number(queueSize), cpuNs: Number(cpuNs) },
      }));
  } catch (error) {
    throw toStorageError('query', db.name, error);
  }
}
