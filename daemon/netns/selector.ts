import { globRegExp, isGlob } from './glob.ts';

/** What `--netns` takes, in one sentence; for help and errors. */
export const NETNS_SELECTORS =
  'host, any, processes, all, newly, a name or a pattern over names, /path, pid:N, or docker:ID (podman:, …); ! before one leaves it out';

/** A selector that cannot be read. The message says what is wrong with it, and what is allowed. */
export class SelectorError extends Error {
  readonly code = 'SELECTOR';

  constructor(text: string, wrong: string, allowed: string) {
    super(`${JSON.stringify(text)}: ${wrong}; allowed: ${allowed}`);
    this.name = 'SelectorError';
  }
}

/** A namespace that a selector may choose. */
export interface NetnsCandidate {
  isHost: boolean;
  /** Names in /run/netns, in order. */
  names: string[];
  /** Of its container or first process (see `labelOf`); null when processes were not looked at, or for the host. */
  label: string | null;
  /** True when a process is in it, as far as processes were looked at. */
  hasProcesses: boolean;
  /** True when it came after the first look. */
  isNew: boolean;
  /** Paths and numbers of processes that selectors name (`NetnsTerm`) and that lead to it. */
  paths: Set<string>;
  pids: Set<number>;
}

/** One selector, read. */
export type NetnsTerm =
  | { kind: 'host' | 'any' | 'processes' | 'all' | 'newly' }
  /** `name`: ip-netns(8) has the number for a name, which comes first, as in `ip link set netns`. */
  | { kind: 'pid'; pid: number; name: string | null }
  /** Absolute; a pattern in its last part. */
  | { kind: 'path'; path: string }
  /** @param ofLabel it has a colon, and so is held against labels as well */
  | { kind: 'name'; pattern: RegExp; ofLabel: boolean };

/** Selectors with those that leave out apart, in the order given; `texts` as the user wrote them, without the "!". */
export interface Selectors<Term> {
  readonly include: readonly { text: string; term: Term }[];
  readonly exclude: readonly { text: string; term: Term }[];
}

/** "host" is HOST_NETNS, which would load the binding of the C library for `--help`. */
const WORDS = ['host', 'any', 'processes', 'all', 'newly'] as const;
/** pid_max can be 2^22. proc_pid_sys_kernel(5) */
const PID_LIMIT = 2 ** 22;
/** Octets of a file's name. linux/limits.h NAME_MAX */
const NAME_MAX = 255;
/** Octets of an interface's name without its end. linux/if.h IFNAMSIZ */
const INTERFACE_NAME_MAX = 15;
/** A container's whole id, which users copy; labels have its first 12 digits. */
const LONG_ID = /^([a-z-]+:[0-9a-f]{12})[0-9a-f]{1,52}$/;

/**
 * Reads selectors of namespaces: docs/namespaces.md. What any one of them chooses is chosen, less what one with "!"
 * names; the order does not matter. None that chooses means "any".
 * @throws SelectorError
 */
export function parseNetnsSelectors(texts: readonly string[]): Selectors<NetnsTerm> {
  return select(texts, 'any', NETNS_SELECTORS, netnsTerm);
}

function netnsTerm(text: string): NetnsTerm {
  const word = WORDS.find((each) => each === text);
  if (word !== undefined) return { kind: word };
  if (text.startsWith('/')) return { kind: 'path', path: text };
  if (text.includes('/'))
    throw new SelectorError(text, 'a path must begin with / and a name has none', NETNS_SELECTORS);
  if (/^pid:[^:]*$/.test(text)) {
    const pid = pidOf(text.slice(4));
    if (pid === null)
      throw new SelectorError(text, 'pid: wants the number of a process', `pid:1 to pid:${PID_LIMIT}`);
    return { kind: 'pid', pid, name: null };
  }
  const pid = pidOf(text);
  if (pid !== null) return { kind: 'pid', pid, name: text };
  if (text === '.' || text === '..' || Buffer.byteLength(text) > NAME_MAX)
    throw new SelectorError(text, 'no namespace can have this name', NETNS_SELECTORS);
  const label = LONG_ID.exec(text)?.[1] ?? text;
  return { kind: 'name', pattern: patternOf(text, label, NETNS_SELECTORS), ofLabel: label.includes(':') };
}

function patternOf(text: string, pattern: string, allowed: string): RegExp {
  try {
    return globRegExp(pattern);
  } catch {
    throw new SelectorError(text, 'a range in it runs backwards', allowed);
  }
}

function pidOf(text: string): number | null {
  const pid = Number(text);
  return /^[1-9]\d*$/.test(text) && pid <= PID_LIMIT ? pid : null;
}

/** Whether a term names a namespace. */
export function matchesNetns(netns: NetnsCandidate, term: NetnsTerm): boolean {
  switch (term.kind) {
    case 'host':
      return netns.isHost;
    case 'any':
      return netns.isHost || netns.names.length > 0;
    case 'processes':
      return netns.hasProcesses && !netns.isHost;
    case 'all':
      return true;
    case 'newly':
      return netns.isNew;
    case 'pid':
      return netns.pids.has(term.pid) || (term.name !== null && netns.names.includes(term.name));
    case 'path':
      return netns.paths.has(term.path);
    case 'name':
      return (
        netns.names.some((name) => term.pattern.test(name)) ||
        (term.ofLabel && netns.label !== null && term.pattern.test(netns.label))
      );
  }
}

/** Whether a term cannot be answered without a look at all processes. */
export function needsProcesses(term: NetnsTerm): boolean {
  return (
    term.kind === 'processes' ||
    term.kind === 'all' ||
    term.kind === 'newly' ||
    (term.kind === 'name' && term.ofLabel)
  );
}

/**
 * Reads patterns over interface names (`globRegExp`), "!" before one that leaves out; none that chooses means "*".
 * @throws SelectorError
 */
export function parseInterfaceSelectors(texts: readonly string[]): Selectors<RegExp> {
  const allowed =
    "a name of at most 15 octets or a pattern (* ? [a-z]), ! before one leaves it out: 'veth*', '!docker0'";
  return select(texts, '*', allowed, (text) => {
    if (/[/\s]/.test(text))
      throw new SelectorError(text, 'no interface can have a slash or a space in its name', allowed);
    if (!isGlob(text) && Buffer.byteLength(text) > INTERFACE_NAME_MAX)
      throw new SelectorError(text, 'longer than the name of an interface can be', allowed);
    return patternOf(text, text, allowed);
  });
}

/** Whether an interface of this name is chosen. */
export function selectsInterface({ include, exclude }: Selectors<RegExp>, name: string): boolean {
  return include.some(({ term }) => term.test(name)) && !exclude.some(({ term }) => term.test(name));
}

function select<Term>(
  texts: readonly string[],
  everything: string,
  allowed: string,
  read: (text: string) => Term,
): Selectors<Term> {
  const include: { text: string; term: Term }[] = [];
  const exclude: { text: string; term: Term }[] = [];
  for (const text of texts) {
    const isExclude = text.startsWith('!');
    const rest = isExclude ? text.slice(1) : text;
    if (rest === '') throw new SelectorError(text, 'is empty', allowed);
    if (rest.startsWith('!')) throw new SelectorError(text, 'more than one !', allowed);
    (isExclude ? exclude : include).push({ text: rest, term: read(rest) });
  }
  if (include.length === 0) include.push({ text: everything, term: read(everything) });
  return { include, exclude };
}
