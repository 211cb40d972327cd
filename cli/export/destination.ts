import { once } from 'node:events';
import { createWriteStream, openSync, statSync, type WriteStream } from 'node:fs';
import { setImmediate as turn } from 'node:timers/promises';
import type { Transform, Writable } from 'node:stream';
import { createGzip, createZstdCompress } from 'node:zlib';
import type { FlowDatabase } from '../../storage/database.ts';
import { partitionPath, partitionRows } from '../../storage/partition-files.ts';
import { AtomicFile } from '../atomic-file.ts';

/** Where an export goes. Close it with `finish`, or `discard`. */
export interface Destination {
  /** Takes a piece, and waits until there is room for more. @throws Error: disk full, broken pipe, … */
  write(piece: string | Uint8Array): Promise<void>;
  /** Everything is written, and on the disk under its name. */
  finish(): Promise<void>;
  /** Nothing is left of it. Idempotent. */
  discard(): void;
  /** Octets of the file, once finished; null: it is none. */
  readonly octets: number | null;
}

/** Compression that a name asks for. */
export type Wrapping = 'gzip' | 'zstd' | null;

/** By the end of the name: `.gz`, `.zst`. */
export function wrappingOf(file: string): Wrapping {
  return file.endsWith('.gz') ? 'gzip' : file.endsWith('.zst') ? 'zstd' : null;
}

/**
 * @param file "-" is stdout
 * @param db that is read, of which no file is written over
 * @throws UsageError when `file` is one of them; Error of node:fs
 */
export function openDestination(file: string, wrapping: Wrapping, db: FlowDatabase): Destination {
  return file === '-' ? new StdoutDestination() : new FileDestination(file, wrapping, db);
}

/**
 * What `openDestination` would refuse, without making anything: for work that takes long before there is something to write.
 * @throws as it does
 */
export function checkDestination(file: string, db: FlowDatabase): void {
  if (file !== '-') new AtomicFile(file, filesOf(db)).check();
}

/** Its files as it knows them; its folder may be one that the user cannot list. */
function filesOf(db: FlowDatabase): string[] {
  const partitions = partitionRows(db).map(({ number }) => partitionPath(db.name, number));
  return [db.name, ...partitions].flatMap((path) => [path, `${path}-wal`, `${path}-shm`]);
}

class StdoutDestination implements Destination {
  readonly octets = null;

  async write(piece: string | Uint8Array): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      process.stdout.write(piece, (error) => (error ? reject(error) : resolve()));
    });
    // A terminal or file takes it synchronously: without a turn of the event loop no Ctrl-C would be heard.
    await turn();
  }

  async finish(): Promise<void> {}

  discard(): void {}
}

class FileDestination implements Destination {
  octets: number | null = null;
  readonly #file: AtomicFile;
  readonly #sink: WriteStream;
  readonly #packer: Transform | null;
  readonly #top: Writable;
  #error: Error | null = null;

  constructor(file: string, wrapping: Wrapping, db: FlowDatabase) {
    this.#file = new AtomicFile(file, filesOf(db));
    // Opened here: a stream opens its file some time later, perhaps after `discard`.
    const fd = openSync(this.#file.path, 'w', this.#file.mode);
    this.#sink = createWriteStream(this.#file.path, { fd });
    this.#packer = wrapping === null ? null : wrapping === 'gzip' ? createGzip() : createZstdCompress();
    this.#packer?.pipe(this.#sink);
    this.#top = this.#packer ?? this.#sink;
    for (const stream of new Set([this.#sink, this.#top]))
      stream.on('error', (error: Error) => {
        this.#error ??= error;
        // Who waits for the packer would wait for ever: nobody takes its octets any more.
        this.#top.destroy(error);
      });
  }

  async write(piece: string | Uint8Array): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      if (this.#error !== null) {
        reject(this.#failure());
        return;
      }
      const ended = (): void => reject(this.#failure());
      this.#top.once('close', ended);
      this.#top.write(piece, (error) => {
        this.#top.removeListener('close', ended);
        if (error) reject(this.#failure(error));
        else resolve();
      });
    });
    await turn();
  }

  async finish(): Promise<void> {
    try {
      this.#top.end();
      if (!this.#sink.closed) await once(this.#sink, 'close');
      if (this.#error !== null) throw this.#error;
      this.octets = statSync(this.#file.path).size;
      this.#file.commit();
    } catch (error) {
      throw this.#failure(error as Error);
    }
  }

  discard(): void {
    this.#top.destroy();
    this.#sink.destroy();
    this.#file.discard();
  }

  #failure(error: Error = new Error('it was closed')): Error {
    const reason = (this.#error ?? error).message.replace(/, \w+( '.*')?$/, '');
    return new Error(`export to ${this.#file.file}: ${reason}; nothing is kept of it`, {
      cause: this.#error ?? error,
    });
  }
}
