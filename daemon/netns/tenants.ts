import { containerOf } from './container.ts';
import { readText } from './processes.ts';

/** Processes that are asked for their container and program, at most. */
const ASKED_MAX = 64;

/** Who is in a namespace, in short. */
export interface Tenants {
  /** Each container once, as `containerOf` calls it, in the order of their first process. */
  containers: string[];
  /** Names of programs, the most frequent first. */
  programs: { name: string; processes: number }[];
}

/** Looks at the first of these processes; those that end meanwhile are passed over. @param pids in order */
export function tenantsOf(pids: readonly number[]): Tenants {
  const containers = new Set<string>();
  const programs = new Map<string, number>();
  for (const pid of pids.slice(0, ASKED_MAX)) {
    const container = containerOf(readText(`/proc/${pid}/cgroup`));
    if (container !== null) containers.add(container);
    const name = readText(`/proc/${pid}/comm`).trimEnd();
    if (name !== '') programs.set(name, (programs.get(name) ?? 0) + 1);
  }
  return {
    containers: [...containers],
    programs: [...programs]
      .map(([name, processes]) => ({ name, processes }))
      .sort((a, b) => b.processes - a.processes),
  };
}
