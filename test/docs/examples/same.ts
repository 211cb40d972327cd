/** A part of what is printed that may be another one each time. test/docs/README.md has the list in words. */
interface Rule {
  what: RegExp;
  to: string;
}

/** What differs from run to run although the input is the same. */
const EVER: readonly Rule[] = [
  { what: /\bin \d+(?:\.\d+)? s \([\d,.]+ packets\/s\)/g, to: 'in S s (N packets/s)' },
  { what: /("(?:elapsed_s|packets_per_s)": ?)[\d.e-]+/g, to: '$1N' },
  { what: /\b\d+(?:\.\d+)? ?(?:MiB|GiB|KiB)\/s/g, to: 'RATE' },
];

/** What live packets, processes and clocks make different. In this order: the longer before what is part of it. */
const LIVE: readonly Rule[] = [
  { what: /\b(?:[0-9a-f]{2}:){5}[0-9a-f]{2}\b/g, to: 'MAC' },
  { what: /\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:\d\d)?/g, to: 'TIME' },
  { what: /\b\d\d:\d\d:\d\d(?:\.\d+)?\b/g, to: 'TIME' },
  { what: /\bfe80::[0-9a-f:]+/g, to: 'LINKLOCAL' },
  { what: /\b1:[A-Za-z0-9+/]{27}=/g, to: 'COMMUNITY' },
  { what: /\b4026\d{6}\b/g, to: 'INODE' },
  { what: /\bpid:\d+/g, to: 'pid:P' },
  { what: /"\d+\.\d{9}"/g, to: '"S"' },
  // Of a TCP connection with data: into how many segments and ACKs it was cut is a matter of time.
  { what: /(\btcp\b.*\b(?:SF|SHR?|S[123]) +)\d+ +[\d.,]+[kMG]?/g, to: '$1N N' },
  { what: /(\btcp\b.*\b(?:SF|SHR?|S[123]) +)[\d.,]+[kMG]?(?= )/g, to: '$1N' },
  // So also of what an experiment's flows add up to; that of none is 0.
  { what: /(\bTIME +(?:TIME|running) +\S+ +\S+ +[1-9]\d* +)[1-9]\d* +[1-9][\d.]*[kMG]?$/g, to: '$1N N' },
  // Ports that the kernel chooses: net.ipv4.ip_local_port_range.
  {
    what: /(?<=[.:\s"]|^)(?:3276[89]|327[7-9]\d|32[89]\d\d|3[3-9]\d{3}|[45]\d{4}|60\d{3})\b(?!\.)/g,
    to: 'PORT',
  },
  {
    what: /(?<![\w.])\d+(?:\.\d+)?\s?(?:(?:milliseconds|seconds|ns|us|µs|ms|s|m|h)\b|m\d\ds\b|h\d\dm\b)/g,
    to: 'S',
  },
  // curl has two wordings of it: which one depends on whether it waits for the socket or looks at the clock when the time is over.
  { what: /\bConnection (?:timed out|timeout) after\b/g, to: 'Connection timed out after' },
  { what: /\b\d+(?:\.\d+)?[kMG]?bit\/s/g, to: 'RATE' },
  { what: /\b(rtt|time)(=| min\/avg\/max\/mdev = )[\d./]+/g, to: '$1$2S' },
];

/** Of a block that is only `about` so: every number. */
const ABOUT: Rule = {
  what: /(?<![\w.])(?:\d{1,3}(?:,\d{3})+(?!,?\d)|\d+)(?:\.\d+)?(?:e[+-]\d+|[kMG])?(?![\w.])%?/g,
  to: 'N',
};

/** Lines of which each one stands for any number of lines; within a line, for any text. */
const ELLIPSIS = '…';

/** How strictly the output of an example is compared. */
export interface Strictness {
  /** Of live packets and processes: times, ports, durations and blanks may differ. */
  isLive: boolean;
  /** All numbers may differ. */
  isAbout: boolean;
  /** Lines may come in another order; then there is no `…` on a line of its own. */
  isUnordered: boolean;
}

/** True when these lines are what the page shows, but for what has to differ and for its ellipses. */
export function isSame(shown: readonly string[], printed: readonly string[], strict: Strictness): boolean {
  const inOrder = (lines: readonly string[]): string[] => {
    const all = lines.map((line) => plain(line, strict));
    return strict.isUnordered ? all.sort() : all;
  };
  const pattern = inOrder(shown)
    .map((line) => (line === ELLIPSIS ? '(?:[^\n]*\n)*?' : `${literal(line)}\n`))
    .join('');
  return new RegExp(`^${pattern}$`).test(
    inOrder(printed)
      .map((line) => `${line}\n`)
      .join(''),
  );
}

/** A line without what may differ. */
export function plain(line: string, { isLive, isAbout }: Omit<Strictness, 'isUnordered'>): string {
  const rules = [...EVER, ...(isLive ? LIVE : []), ...(isAbout ? [ABOUT] : [])];
  const text = rules.reduce((now, { what, to }) => now.replace(what, to), line.trimEnd());
  return isLive
    ? text
        .replace(/ +/g, ' ')
        .replace(/[-─]{3,}/g, '---')
        .trim()
    : text;
}

function literal(line: string): string {
  return line
    .split(ELLIPSIS)
    .map((part) => part.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&'))
    .join('[^\n]*');
}
