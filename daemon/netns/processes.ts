import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { containerOf } from './container.ts';

/** Processes of a namespace that are asked for their container, at most. */
const ASKED_MAX = 8;
/** A look at all processes is followed by a pause of this many times its length: at most a tenth of a CPU. */
const PAUSE_FACTOR = 9;

/** Which network namespace each process is in, by its main thread. Holds no namespace open. */
export class ProcessTable {
  /** Numbers of processes in order, by inode of their namespace. */
  namespaces: ReadonlyMap<string, readonly number[]> = new Map();
  /** Processes of the last look whose namespace could not be read: no rights, or they were ending. */
  unreadable = 0;
  #nextMs = 0;

  /**
   * Looks at all processes again; 6 us each. Does nothing while the pause after the last look is not over.
   * @param nowMs performance.now()
   * @throws Error of node:fs when /proc cannot be read
   */
  refresh(nowMs: number): void {
    if (nowMs < this.#nextMs) return;
    const found = new Map<string, number[]>();
    let unreadable = 0;
    // libuv sorts by text; the lowest number comes first by this.
    const pids = readdirSync('/proc').filter(isNumber).map(Number);
    for (const pid of pids.sort((a, b) => a - b)) {
      const inode = netnsInodeOf(pid);
      if (inode === null) {
        unreadable++;
        continue;
      }
      const others = found.get(inode);
      if (others === undefined) found.set(inode, [pid]);
      else others.push(pid);
    }
    this.namespaces = found;
    this.unreadable = unreadable;
    const endMs = performance.now();
    this.#nextMs = endMs + PAUSE_FACTOR * (endMs - nowMs);
  }
}

function isNumber(name: string): boolean {
  const first = name.charCodeAt(0);
  return first >= 0x30 && first <= 0x39;
}

/**
 * Inode number of the namespace that a process is in now, from the link "net:[4026531840]"; null when there is no such
 * process, it is a zombie, or it may not be looked at (ptrace(2), PTRACE_MODE_READ_FSCREDS). namespaces(7)
 */
export function netnsInodeOf(pid: number): string | null {
  try {
    return /^net:\[(\d+)\]$/.exec(readlinkSync(`/proc/${pid}/ns/net`))?.[1] ?? null;
  } catch {
    return null;
  }
}

/**
 * What a namespace without a name is called after the processes in it: its container (`containerOf`), else "pid:N:COMM"
 * of the first one.
 * @param pids in order, not empty
 */
export function labelOf(pids: readonly number[]): string {
  for (const pid of pids.slice(0, ASKED_MAX)) {
    const container = containerOf(readText(`/proc/${pid}/cgroup`));
    if (container !== null) return container;
  }
  // A process may call itself anything; a label is a word of the filter language.
  const comm = readText(`/proc/${pids[0]}/comm`)
    .trim()
    .replace(/[^\w.+-]/g, '_');
  return `pid:${pids[0]}:${comm}`;
}

/** A file of /proc; empty when the process has ended meanwhile, or may not be looked at. */
export function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
