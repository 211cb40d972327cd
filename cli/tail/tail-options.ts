/** Flags of `nstap tail` as they were given. */
export interface TailFlags {
  control?: string;
  netns?: string;
  interface?: string;
  count?: number;
  write?: string;
  print?: boolean;
  snaplen?: number;
  format?: 'text' | 'ndjson';
  json?: boolean;
  tz?: string;
  resolve?: boolean;
  nano?: boolean;
  link?: boolean;
  quiet?: boolean;
  verbose?: boolean;
  route: boolean;
  /** How often -t, -x and -X were given. */
  t: number;
  x: number;
  X: number;
}

/** How packets are shown as text. */
export interface LineStyle {
  /** As many as of tcpdump's -t: 0 time of day … 5 since the first packet. */
  timeStyle: number;
  /** IANA name; null: that of the machine. */
  zone: string | null;
  isNano: boolean;
  hasLink: boolean;
  isQuiet: boolean;
  isVerbose: boolean;
  hasRoute: boolean;
  hex: HexStyle | null;
}

/** The octets below a line. */
export interface HexStyle {
  hasLink: boolean;
  hasAscii: boolean;
}

/** What -x and -X ask for together; given twice they begin with the link header. */
export function hexStyle({ x, X }: Pick<TailFlags, 'x' | 'X'>): HexStyle | null {
  if (x === 0 && X === 0) return null;
  return { hasLink: x > 1 || X > 1, hasAscii: X > 0 };
}
