import { readdirSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import { HOST_NETNS, listNetns, netnsFileId, netnsPath } from '../kernel/netns.ts';
import { globRegExp, isGlob } from './glob.ts';
import { labelOf, netnsInodeOf, ProcessTable } from './processes.ts';
import {
  matchesNetns,
  type NetnsCandidate,
  type NetnsTerm,
  needsProcesses,
  parseNetnsSelectors,
  type Selectors,
} from './selector.ts';

/** A namespace that exists now. */
export interface FoundNetns {
  /** As the user knows it: "host", a name of ip-netns(8), a path, or the label of its processes (`labelOf`). */
  name: string;
  /** Identity, "dev:inode" of the nsfs file. */
  id: string;
  /** A file to open it by. Of a namespace of processes it is gone with the process, though others may be left. */
  path: string;
  /** Of its processes, also when it has a name; null when they were not looked for, for the host, and where there is none. */
  label: string | null;
  /** Numbers of its processes in order, as far as they were looked for. */
  processes: readonly number[];
}

/** What is known of a namespace while it is looked for. */
interface Candidate extends NetnsCandidate {
  id: string;
  /** Numbers of its processes in order, as far as they were looked at. */
  processes: readonly number[];
  /** The first file that a selector's path led to. */
  file: string | null;
}

interface Label {
  text: string;
  /** The first process when it was made. */
  pid: number;
  /** False: made while it was too new, see SETTLE_MS. */
  isSettled: boolean;
}

/**
 * A namespace that is known by its processes only is not reported before it was there this long: `unshare` runs another
 * program in a moment, and some runtimes put a process into the container's cgroup after its namespace was made.
 */
const SETTLE_MS = 100;

/**
 * Finds the namespaces that selectors choose, again and again. Holds none open. What it keeps from one look to the next:
 * labels, and what was there at the first look.
 */
export class NetnsDiscovery {
  readonly #selection: Selectors<NetnsTerm>;
  readonly #needsProcesses: boolean;
  readonly #isTold: boolean;
  readonly #processes = new ProcessTable();
  readonly #labels = new Map<string, Label>();
  /** From when on a namespace is no longer too new; performance.now(). */
  #settledAt = new Map<string, number>();
  /** Those of the first look that are still there; null before it. */
  #initial: Set<string> | null = null;
  /** Found by the last look: somebody holds them open, so that their numbers mean them still. */
  #found = new Set<string>();
  #missing: string[] = [];
  #isUnsettled = false;
  #errors: Error[] = [];

  /** @param selectors see parseNetnsSelectors @throws SelectorError */
  constructor(selectors: readonly string[]) {
    this.#selection = parseNetnsSelectors(selectors);
    const { include, exclude } = this.#selection;
    const terms = [...include, ...exclude].map(({ term }) => term);
    this.#needsProcesses = terms.some(needsProcesses);
    this.#isTold = !this.#needsProcesses && terms.every(({ kind }) => kind !== 'path' && kind !== 'pid');
  }

  /** Selectors by name, path or process that chose nothing in the last look. */
  get missing(): readonly string[] {
    return this.#missing;
  }

  /** Processes that the last look could not tell the namespace of. */
  get unreadable(): number {
    return this.#processes.unreadable;
  }

  /** Why paths of selectors could not be looked at in the last look. */
  get errors(): readonly Error[] {
    return this.#errors;
  }

  /** True when all that it finds is under /run/netns, or is the host's. */
  get isTold(): boolean {
    return this.#isTold;
  }

  /** True when the last look left one out that is too new: look again after SETTLE_MS. */
  get isUnsettled(): boolean {
    return this.#isUnsettled;
  }

  /**
   * The chosen namespaces that exist now, each once: the host's, then those with names in order, then those of paths,
   * then those of processes. It is called by the first of these that it has.
   * @throws Error of node:fs when /run/netns or /proc may not be read
   */
  find(): FoundNetns[] {
    const nowMs = performance.now();
    const all = this.#candidates(nowMs);
    this.#remember(all, nowMs);
    const { include, exclude } = this.#selection;
    const found: FoundNetns[] = [];
    const used = new Set<string>();
    this.#isUnsettled = false;
    for (const netns of all.values()) {
      const by = include.filter(({ term }) => matchesNetns(netns, term));
      for (const { text } of by) used.add(text);
      if (by.length === 0 || exclude.some(({ term }) => matchesNetns(netns, term))) continue;
      const named = nameOf(netns);
      if (named.name === netns.label && nowMs < this.#settledAt.get(netns.id)!) this.#isUnsettled = true;
      else found.push({ ...named, id: netns.id, label: netns.label, processes: netns.processes });
    }
    this.#found = new Set(found.map(({ id }) => id));
    this.#missing = include
      .filter(({ text, term }) => isSpecific(term) && !used.has(text))
      .map(({ text }) => text);
    return found;
  }

  #candidates(nowMs: number): Map<string, Candidate> {
    this.#errors = [];
    const all = new Map<string, Candidate>();
    const at = (id: string): Candidate => {
      let netns = all.get(id);
      if (netns === undefined) {
        netns = {
          id,
          isHost: false,
          names: [],
          label: null,
          hasProcesses: false,
          isNew: this.#initial !== null && !this.#initial.has(id),
          paths: new Set(),
          pids: new Set(),
          processes: [],
          file: null,
        };
        all.set(id, netns);
      }
      return netns;
    };
    const hostId = netnsFileId(netnsPath(HOST_NETNS))!;
    at(hostId).isHost = true;
    for (const { name, id } of listNetns()) if (id !== null) at(id).names.push(name);
    const { include, exclude } = this.#selection;
    const terms = [...include, ...exclude].map(({ term }) => term);
    for (const term of terms) {
      if (term.kind !== 'path') continue;
      try {
        for (const file of filesOf(term.path)) {
          const id = netnsFileId(file);
          if (id === null) continue;
          const netns = at(id);
          netns.paths.add(term.path);
          netns.file ??= file;
        }
      } catch (error) {
        // Of this path only: the others must still be let go when they go.
        this.#errors.push(error as Error);
      }
    }
    const device = hostId.slice(0, hostId.indexOf(':'));
    for (const term of terms) {
      if (term.kind !== 'pid') continue;
      const inode = netnsInodeOf(term.pid);
      if (inode === null) continue;
      const netns = at(`${device}:${inode}`);
      netns.pids.add(term.pid);
      netns.processes = [term.pid];
    }
    if (this.#needsProcesses) {
      this.#processes.refresh(nowMs);
      for (const [inode, pids] of this.#processes.namespaces) at(`${device}:${inode}`).processes = pids;
    }
    for (const netns of all.values()) {
      netns.hasProcesses = netns.processes.length > 0;
      if (netns.hasProcesses && !netns.isHost) netns.label = this.#label(netns, nowMs);
    }
    return all;
  }

  /**
   * A label stays while the namespace is captured, also when its first process ends. That of one that is not may be
   * another namespace's by now, which has got the same inode.
   */
  #label({ id, processes }: Candidate, nowMs: number): string {
    const pid = processes[0]!;
    const known = this.#labels.get(id);
    if (known?.isSettled && (this.#found.has(id) || known.pid === pid)) return known.text;
    const isSettled = this.#initial === null || nowMs >= (this.#settledAt.get(id) ?? Infinity);
    const text = labelOf(processes);
    this.#labels.set(id, { text, pid, isSettled });
    return text;
  }

  #remember(all: ReadonlyMap<string, Candidate>, nowMs: number): void {
    // What is there at the first look is not waited for.
    const settledMs = this.#initial === null ? nowMs : nowMs + SETTLE_MS;
    this.#settledAt = new Map([...all.keys()].map((id) => [id, this.#settledAt.get(id) ?? settledMs]));
    for (const id of this.#labels.keys()) if (!all.has(id)) this.#labels.delete(id);
    if (this.#initial === null) this.#initial = new Set(all.keys());
    else for (const id of this.#initial) if (!all.has(id)) this.#initial.delete(id);
  }
}

function isSpecific({ kind }: NetnsTerm): boolean {
  return kind === 'host' || kind === 'pid' || kind === 'path' || kind === 'name';
}

function nameOf({ isHost, names, file, label, processes }: Candidate): { name: string; path: string } {
  const name = isHost ? HOST_NETNS : names[0];
  if (name !== undefined) return { name, path: netnsPath(name) };
  if (file !== null) return { name: file, path: file };
  return { name: label!, path: `/proc/${processes[0]}/ns/net` };
}

/** The files that a path stands for, in order; a pattern may be in its last part. */
function filesOf(path: string): string[] {
  const folder = dirname(path);
  const last = basename(path);
  if (!isGlob(last)) return [path];
  const pattern = globRegExp(last);
  let names: string[];
  try {
    names = readdirSync(folder);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return [];
    throw error;
  }
  return names
    .filter((name) => pattern.test(name))
    .sort()
    .map((name) => `${folder}/${name}`);
}

/**
 * The namespaces that selectors choose now; see `NetnsDiscovery`.
 * @throws SelectorError; SyscallError when a path may not be looked at; Error of node:fs
 */
export function findNetns(selectors: readonly string[]): FoundNetns[] {
  const discovery = new NetnsDiscovery(selectors);
  const found = discovery.find();
  for (const error of discovery.errors) throw error;
  return found;
}
