import {
  accessSync,
  closeSync,
  constants,
  fsyncSync,
  lstatSync,
  openSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { UsageError } from './errors.ts';

/** Owner writes, group reads, others nothing, as the database: flows say who talked to whom. */
const PRIVATE_MODE = 0o640;

/**
 * A file that is there whole or not at all: it is written under another name beside it, and takes its place with `commit`. What
 * was there before stays until then. A device or a pipe is written to as it is.
 */
export class AtomicFile {
  /** As the user named it. */
  readonly file: string;
  /** Where to write. */
  readonly path: string;
  /** For a file that is made: that of the one whose place it takes. */
  readonly mode: number;
  readonly #target: string | null;
  #isOver = false;

  /**
   * Makes nothing.
   * @param sources files that what is written comes from, whether they are there or not: none of them is written over
   * @throws UsageError when it is one of them, by whatever name; Error when it is a folder
   */
  constructor(file: string, sources: readonly string[]) {
    this.file = file;
    const there = statSync(file, { throwIfNoEntry: false });
    if (there?.isDirectory()) throw new Error(`write ${file}: it is a folder; name a file in it`);
    checkApart(file, sources);
    this.mode = there === undefined ? PRIVATE_MODE : there.mode & 0o777;
    const isPlain = there === undefined || there.isFile();
    // What a link points to is replaced, not the link.
    const isLink = there !== undefined && lstatSync(file).isSymbolicLink();
    this.#target = isPlain ? (isLink ? realpathSync(file) : file) : null;
    this.path = this.#target === null ? file : `${this.#target}.${process.pid}.tmp`;
  }

  /** Makes nothing. @throws Error when no file could be made in its folder */
  check(): void {
    if (this.#target === null) return;
    const folder = dirname(this.path);
    try {
      accessSync(folder, constants.W_OK | constants.X_OK);
    } catch (error) {
      const reason = (error as Error).message.replace(/, access '.*$/, '');
      throw new Error(`write ${this.file}: ${folder}: ${reason}; name a folder that you may write to`, {
        cause: error,
      });
    }
  }

  /** Puts the file, which is written and closed, in its place. @throws Error of node:fs */
  commit(): void {
    if (this.#isOver) return;
    if (this.#target !== null) {
      // On the disk before it takes its name, or a power cut could leave an empty file of that name.
      const fd = openSync(this.path, 'r+');
      try {
        fsyncSync(fd);
      } finally {
        closeSync(fd);
      }
      renameSync(this.path, this.#target);
    }
    this.#isOver = true;
  }

  /** Removes what was written, unless it is in its place already. Idempotent. */
  discard(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    if (this.#target !== null) rmSync(this.path, { force: true });
  }
}

/**
 * Other paths, links and hard links lead to the same file: the inode tells.
 * @param file that is to be written, which need not be there
 * @param sources as of `AtomicFile`
 * @throws UsageError when it is one of the sources
 */
export function checkApart(file: string, sources: readonly string[]): void {
  const there = statSync(file, { throwIfNoEntry: false });
  if (there?.isFile() !== true) return;
  const { dev, ino } = there;
  for (const source of sources) {
    const other = statSync(source, { throwIfNoEntry: false });
    if (other?.dev === dev && other.ino === ino)
      throw new UsageError(
        `write ${file}: it ${source === file ? 'is read' : `is the same file as ${source}, which is read`}; name another file`,
      );
  }
}
