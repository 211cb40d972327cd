import { readFileSync } from 'node:fs';
import type { FlowDatabase } from '../storage/database.ts';
import { localHost } from '../storage/host.ts';
import { latestRun, openRuns, type RunRow } from '../storage/runs.ts';
import { nowNs } from '../storage/time.ts';

/**
 * What became of a run: it is running; it ended in good order; its process is gone without a word (killed, power cut); or that
 * cannot be told, because it is on another host.
 */
export type RunState = 'running' | 'ended' | 'gone' | 'unknown';

/** USER_HZ, the unit of times in /proc/PID/stat: 100 on every architecture that Node runs on. proc_pid_stat(5) */
const TICKS_PER_SEC = 100;
/** Field `starttime`, counted from the one behind the name: that may have blanks and brackets in it. */
const STARTTIME_FIELD = 19;
/** A process may seem to be younger than its run by this much: rounding, and a clock that was set a little. */
const YOUNGER_SEC = 5;
const NS_PER_SEC = 1e9;

/** What became of a run. */
export function runState(run: RunRow): RunState {
  if (run.endedNs !== null) return 'ended';
  const here = localHost();
  if (run.host.machineId !== here.machineId || run.host.name !== here.name) return 'unknown';
  const ageSec = processAge(run.pid);
  // A process that began after the run is another one, which has got the number since.
  return ageSec !== null && ageSec > Number(nowNs() - run.startedNs) / NS_PER_SEC - YOUNGER_SEC
    ? 'running'
    : 'gone';
}

/** The latest run that is running, else the latest one; null when there is none. @throws StorageError */
export function currentRun(db: FlowDatabase): RunRow | null {
  return openRuns(db).find((run) => runState(run) === 'running') ?? latestRun(db);
}

/** Seconds since a process was started; null when there is none, or only its status for a parent that does not ask. */
function processAge(pid: number): number | null {
  const started = startTicks(String(pid));
  // Against our own: /proc/uptime is the container's where lxcfs makes it up.
  return started === null ? null : process.uptime() + (startTicks('self')! - started) / TICKS_PER_SEC;
}

/** When a process was started, in ticks since boot. */
function startTicks(pid: string): number | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' || fields[0] === 'X' ? null : Number(fields[STARTTIME_FIELD]);
  } catch (error) {
    // ESRCH: it ended between opening the file and reading it.
    if (['ENOENT', 'ESRCH'].includes((error as NodeJS.ErrnoException).code ?? '')) return null;
    throw error;
  }
}
