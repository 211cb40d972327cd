import { closeSync, fstatSync, ftruncateSync, openSync, writeSync } from 'node:fs';
import { SavefileError } from './savefile-error.ts';

/** Octets gathered before they are written; the buffer grows for a record that is larger. */
const BUFFER_LEN = 256 * 1024;
/** Pause before a descriptor in non-blocking mode (a terminal's, or a shared pipe's) is tried again. */
const RETRY_MS = 1;

/**
 * Octets of the record that begins at `off`, for finding the last whole one after a failed write.
 * @param isFirst at the start of the file
 */
export type RecordLength = (view: DataView, off: number, isFirst: boolean) => number;

/**
 * A savefile being written: records are put together in one reused buffer and written when it is full. When the disk takes no
 * more, the file is cut behind its last whole record, so that what is there can be read.
 */
export class SavefileOutput {
  readonly file: string;
  /** The buffer; another one after `reserve`. */
  view: DataView;
  bytes: Uint8Array;
  readonly #fd: number;
  readonly #isOwned: boolean;
  readonly #isRegular: boolean;
  readonly #recordLength: RecordLength;
  #used: number;
  /** Octets written before the buffer's first. */
  #written: number;
  #isClosed: boolean;
  #failure: SavefileError | null;

  /**
   * @param file         path, made anew if it is there; "-" is stdout
   * @param recordLength of the format
   * @throws SavefileError (SAVEFILE_WRITE) when it cannot be made
   */
  constructor(file: string, recordLength: RecordLength) {
    this.file = file;
    this.bytes = new Uint8Array(BUFFER_LEN);
    this.view = new DataView(this.bytes.buffer);
    this.#recordLength = recordLength;
    this.#used = 0;
    this.#written = 0;
    this.#isClosed = false;
    this.#failure = null;
    this.#isOwned = file !== '-';
    try {
      this.#fd = this.#isOwned ? openSync(file, 'w', 0o644) : 1;
      this.#isRegular = fstatSync(this.#fd).isFile();
    } catch (cause) {
      throw new SavefileError('SAVEFILE_WRITE', file, null, `cannot be created: ${text(cause)}`, { cause });
    }
  }

  /** Octets of the file so far, those in the buffer included. */
  get position(): number {
    return this.#written + this.#used;
  }

  /**
   * Makes room for a record. @returns its offset in `view` and `bytes`, which may be others than before; its octets are
   * whatever was there
   * @throws SavefileError as `flush`
   */
  reserve(length: number): number {
    if (this.#failure !== null) throw this.#failure;
    if (this.#isClosed) throw new SavefileError('SAVEFILE_WRITE', this.file, null, 'it is closed');
    if (this.#used + length > this.bytes.length) {
      this.flush();
      if (length > this.bytes.length) {
        this.bytes = new Uint8Array(length);
        this.view = new DataView(this.bytes.buffer);
      }
    }
    return this.#used;
  }

  /** Takes the record of `length` octets that was put where `reserve` said. */
  commit(length: number): void {
    this.#used += length;
  }

  /**
   * Writes what is in the buffer.
   * @throws SavefileError (SAVEFILE_WRITE): disk full, broken pipe, …; every later call throws it again. `offset` is where the
   *   file ends now: behind a whole record
   */
  flush(): void {
    if (this.#failure !== null) throw this.#failure;
    let at = 0;
    try {
      while (at < this.#used) at += writeSome(this.#fd, this.bytes, at, this.#used - at);
    } catch (cause) {
      throw this.#fail(cause, at);
    }
    this.#written += this.#used;
    this.#used = 0;
  }

  /** Writes the rest and closes the file; a second call does nothing. @throws SavefileError as `flush`; it is closed all the same */
  close(): void {
    if (this.#isClosed) return;
    try {
      if (this.#failure === null) this.flush();
    } finally {
      this.#isClosed = true;
      if (this.#isOwned) closeSync(this.#fd);
    }
  }

  /** Cuts the file behind the last record of which all octets were written. @param at octets of the buffer that were */
  #fail(cause: unknown, at: number): SavefileError {
    let whole = 0;
    while (whole < at) {
      const length = this.#recordLength(this.view, whole, this.#written + whole === 0);
      if (whole + length > at) break;
      whole += length;
    }
    const end = this.#written + whole;
    let tail = '';
    if (this.#isRegular) {
      try {
        ftruncateSync(this.#fd, end);
      } catch (error) {
        tail = ` (and the part of a record at its end could not be cut off: ${text(error)})`;
      }
    }
    const reason = `cannot be written further: ${text(cause)}; what is before is whole${tail}`;
    this.#failure = new SavefileError('SAVEFILE_WRITE', this.file, end, reason, { cause });
    return this.#failure;
  }
}

function writeSome(fd: number, bytes: Uint8Array, off: number, length: number): number {
  for (;;) {
    try {
      return writeSync(fd, bytes, off, length);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, RETRY_MS);
    }
  }
}

/** "ENOSPC: no space left on device, write" without the system call. */
function text(error: unknown): string {
  return (error as Error).message.replace(/, \w+( '.*')?$/, '');
}
