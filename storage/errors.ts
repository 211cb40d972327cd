/** What to do about a SQLite result code that users meet; a code without an entry takes that of its primary code. */
const ADVICE: Record<string, string> = {
  SQLITE_FULL: 'free space on that file system, or choose another with --db',
  SQLITE_BUSY: 'another process holds the database; end it, or choose another with --db',
  SQLITE_READONLY: 'the file, its folder or its file system is read-only for this user',
  SQLITE_NOTADB: 'choose another file with --db, or move that one away',
  SQLITE_CANTOPEN: 'check that the folder exists and that this user may read and write there',
  SQLITE_CORRUPT: 'move it away, and try `sqlite3 FILE .recover` to rescue what can be read',
  SQLITE_IOERR: 'the disk or its file system failed; see the kernel log',
  SQLITE_PERM: 'this user may not open it',
  NSTAP_GONE:
    'what was in it is lost, unless it was moved; stop the daemon before you move or remove its files',
  ENOENT: 'create the folder first, or choose another file with --db',
  ENOTDIR: 'choose another file with --db',
  EISDIR: 'name a file, not a folder, with --db',
  EACCES: 'this user may not open it; try sudo, or choose another file with --db',
  EROFS: 'choose a file on a file system that can be written with --db',
  ENOSPC: 'free space on that file system, or choose another with --db',
};

/**
 * Codes after which the same transaction may succeed later: nothing is wrong with the database itself. A disk that fails or is
 * read-only by now may be back soon (a file system that is remounted, a server of NFS).
 */
const TRANSIENT = [
  'SQLITE_FULL',
  'SQLITE_BUSY',
  'SQLITE_LOCKED',
  'SQLITE_READONLY',
  'SQLITE_IOERR',
  'ENOSPC',
  'EROFS',
  'EIO',
];

/**
 * A failure of the database. The message is "operation path: CODE reason (advice)"; `code` is SQLite's result code by
 * name (perhaps extended: "SQLITE_IOERR_WRITE"), an errno by name, or "NSTAP_…" for what nstap itself refuses.
 */
export class StorageError extends Error {
  readonly code: string;
  readonly operation: string;
  readonly path: string;
  readonly reason: string;

  /**
   * @param operation what was tried ("open", "commit", "query")
   * @param path      the database file
   * @param code      see the class
   * @param reason    SQLite's or nstap's own words
   */
  constructor(operation: string, path: string, code: string, reason: string, cause?: unknown) {
    const advice = adviceFor(code);
    super(`${operation} ${path}: ${code}, ${reason}${advice === null ? '' : ` (${advice})`}`, { cause });
    this.name = 'StorageError';
    this.code = code;
    this.operation = operation;
    this.path = path;
    this.reason = reason;
  }

  /** True when trying again later may succeed: disk full, failing or read-only, database locked. */
  get isTransient(): boolean {
    return TRANSIENT.some((code) => this.code === code || this.code.startsWith(`${code}_`));
  }
}

/** Wraps what better-sqlite3 or node:fs threw; anything that carries no code is a bug and is returned as it is. */
export function toStorageError(operation: string, path: string, error: unknown): unknown {
  if (error instanceof StorageError || !(error instanceof Error)) return error;
  const code = (error as Error & { code?: unknown }).code;
  if (typeof code !== 'string' || !/^(SQLITE_|E[A-Z]+$)/.test(code)) return error;
  return new StorageError(operation, path, code, error.message.replace(/^E[A-Z]+: /, ''), error);
}

function adviceFor(code: string): string | null {
  for (let at = code; at !== ''; at = at.slice(0, Math.max(0, at.lastIndexOf('_')))) {
    const advice = ADVICE[at];
    if (advice !== undefined) return advice;
  }
  return null;
}
