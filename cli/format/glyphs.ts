/** Signs for people, for terminals that can show them and for those that cannot. */
export interface Glyphs {
  /** Of a tree: an entry with others after it, the last one, and what stands below each of these. */
  branch: string;
  lastBranch: string;
  trunk: string;
  blank: string;
  /** Two ends of one thing. */
  pair: string;
  captured: string;
  notCaptured: string;
  tick: string;
  cross: string;
}

const UNICODE: Glyphs = {
  branch: '├─ ',
  lastBranch: '└─ ',
  trunk: '│  ',
  blank: '   ',
  pair: '↔',
  captured: '●',
  notCaptured: '○',
  tick: '✓',
  cross: '✗',
};

const ASCII: Glyphs = {
  branch: '|- ',
  lastBranch: '`- ',
  trunk: '|  ',
  blank: '   ',
  pair: '<->',
  captured: '*',
  notCaptured: 'o',
  tick: 'ok',
  cross: '!!',
};

/** True where the locale's characters are UTF-8. The first of these that is set counts. locale(7) */
export function isUtf8(env: NodeJS.ProcessEnv = process.env): boolean {
  return /utf-?8/i.test(env.LC_ALL || env.LC_CTYPE || env.LANG || '');
}

/** Signs that the terminal can show. */
export function glyphs(env: NodeJS.ProcessEnv = process.env): Glyphs {
  return isUtf8(env) ? UNICODE : ASCII;
}
