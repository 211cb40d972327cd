import { closeSync, fstatSync, openSync, read, readSync } from 'node:fs';
import { promisify } from 'node:util';
import { SavefileError } from './savefile-error.ts';

const readAsync = promisify(read);

/** Pause before a descriptor in non-blocking mode (a terminal's, or a shared pipe's) is asked again. */
const RETRY_MS = 10;

/** Somewhere octets come from: a regular file at once, anything else (and what must be unpacked) by promise. */
export interface ByteSource {
  /**
   * Reads up to `target.length - off` octets into `target` from `off` on.
   * @returns octets read; 0 at the end
   */
  read(target: Uint8Array, off: number): number | Promise<number>;
}

/**
 * The octets of a savefile as they are on disk or come through a pipe. Regular files are read synchronously at a position
 * of our own; pipes, terminals and devices asynchronously, so that an idle one does not stop the thread.
 */
export class SavefileInput implements ByteSource {
  readonly file: string;
  /** Octets of a regular file; null for anything else. */
  readonly size: number | null;
  /** Offset of the next octet. */
  position: number;
  /** Where it ends for us. */
  readonly #endOff: number;
  readonly #fd: number;
  readonly #owned: boolean;
  #closed: boolean;

  /**
   * @param file path, or "-" for stdin
   * @param octets of a regular file, to be read at most; left out: all
   * @throws SavefileError (SAVEFILE_OPEN)
   */
  constructor(file: string, octets = Number.POSITIVE_INFINITY) {
    this.#endOff = octets;
    this.file = file;
    this.#owned = file !== '-';
    this.#closed = false;
    this.position = 0;
    try {
      this.#fd = this.#owned ? openSync(file, 'r') : 0;
    } catch (cause) {
      throw openError(file, cause);
    }
    try {
      const stat = fstatSync(this.#fd);
      if (stat.isDirectory())
        throw new SavefileError('SAVEFILE_OPEN', file, null, 'it is a directory, not a savefile');
      this.size = stat.isFile() ? Math.min(stat.size, octets) : null;
    } catch (cause) {
      this.close();
      throw cause instanceof SavefileError ? cause : openError(file, cause);
    }
  }

  read(target: Uint8Array, off: number): number | Promise<number> {
    const length = target.length - off;
    // stdin redirected from a file has an offset of its own, perhaps not at the start: never pass it a position.
    if (this.size === null) return this.#readPipe(target, off, length);
    const rest = Math.min(length, this.#endOff - this.position);
    if (rest <= 0) return 0;
    try {
      const got = readSync(this.#fd, target, off, rest, this.#owned ? this.position : null);
      this.position += got;
      return got;
    } catch (cause) {
      throw openError(this.file, cause);
    }
  }

  /** Whether `position` may be set back. */
  get isSeekable(): boolean {
    return this.#owned && this.size !== null;
  }

  async #readPipe(target: Uint8Array, off: number, length: number): Promise<number> {
    for (;;) {
      try {
        const { bytesRead } = await readAsync(this.#fd, target, off, length, null);
        this.position += bytesRead;
        return bytesRead;
      } catch (cause) {
        if (errorCode(cause) !== 'EAGAIN') throw openError(this.file, cause);
        await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
      }
    }
  }

  /** Idempotent. Leaves stdin open. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    if (this.#owned) closeSync(this.#fd);
  }
}

function errorCode(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}

function openError(file: string, cause: unknown): SavefileError {
  const code = errorCode(cause);
  const text =
    code === 'ENOENT'
      ? 'there is no such file'
      : code === 'EACCES' || code === 'EPERM'
        ? 'permission denied'
        : cause instanceof Error
          ? cause.message
          : String(cause);
  return new SavefileError('SAVEFILE_OPEN', file, null, `cannot be read: ${text}`, { cause });
}
