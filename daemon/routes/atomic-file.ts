import { randomUUID } from 'node:crypto';
import { createWriteStream, existsSync, realpathSync, rmSync, statSync } from 'node:fs';
import { open, rename } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';

/** Less the umask: everybody may read, as the tables themselves. */
const FILE_MODE = 0o644;

/** A file that could not be written. The message names it, says why, what to do, and what became of it. */
export class AtomicFileError extends Error {
  readonly code = 'ATOMIC_FILE';

  constructor(path: string, cause: unknown) {
    super(`${path}: ${reason(path, cause)}`, { cause });
    this.name = 'AtomicFileError';
  }
}

/**
 * Writes a file whole or not at all: into a new file of the same folder, which takes the place of `path` when all of it is on
 * disk. Until then a file that was there stays; whatever fails, the new one is removed. Through a symbolic link its target
 * is replaced. What is no regular file (a FIFO, /dev/stdout) is written to directly: renaming over it would replace it.
 * @param stages what gives the octets, and streams that they go through
 * @param signal aborts the writing
 * @throws AtomicFileError; the signal's reason
 */
export async function writeAtomically(
  path: string,
  stages: readonly [NodeJS.ReadableStream, ...NodeJS.ReadWriteStream[]],
  signal?: AbortSignal,
): Promise<void> {
  let temporary: string | null = null;
  try {
    const before = statSync(path, { throwIfNoEntry: false });
    if (before !== undefined && !before.isFile()) {
      await pipeline([...stages, createWriteStream(path)], { signal });
      return;
    }
    const target = before === undefined ? path : realpathSync(path);
    temporary = join(dirname(target), `.nstap-${randomUUID()}.tmp`);
    const file = await open(temporary, 'wx', FILE_MODE);
    // `flush`: fsync before it is closed, so that a power cut after the renaming does not leave an empty file.
    await pipeline([...stages, file.createWriteStream({ flush: true })], { signal });
    await rename(temporary, target);
    temporary = null;
  } catch (error) {
    if (signal?.aborted) throw signal.reason;
    throw new AtomicFileError(path, error);
  } finally {
    if (temporary !== null) rmSync(temporary, { force: true });
  }
}

function reason(path: string, cause: unknown): string {
  const { code, message } = cause as NodeJS.ErrnoException;
  switch (code) {
    case 'ENOENT':
    case 'ENOTDIR':
      // /proc and /sys say so, too, where no file can be made.
      if (existsSync(dirname(path)))
        return `no file can be made in ${dirname(path)} (${code}); choose another folder`;
      return `there is no folder ${dirname(path)}; make it, or choose another file`;
    case 'EISDIR':
      return 'it is a folder; name a file in it';
    case 'EACCES':
    case 'EPERM':
    case 'EROFS':
      return `nothing can be written in ${dirname(path)} (${code}); choose another folder`;
    case 'ENOSPC':
    case 'EDQUOT':
      return `the disk is full (${code}): nothing was saved; make room, or choose another folder`;
    default:
      return message;
  }
}
