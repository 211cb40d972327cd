import { readdirSync, readFileSync } from 'node:fs';

/** The processes that a live process started and that have not been reaped. proc_pid_task(5) */
export function childrenOf(pid: number): number[] {
  return readdirSync(`/proc/${pid}/task`).flatMap((task) =>
    readFileSync(`/proc/${pid}/task/${task}/children`, 'utf8').trim().split(' ').filter(Boolean).map(Number),
  );
}
