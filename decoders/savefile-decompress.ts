import { createGunzip, createZstdDecompress, type Gunzip, type ZstdDecompress } from 'node:zlib';
import { SavefileError } from './savefile-error.ts';
import type { ByteSource, SavefileInput } from './savefile-input.ts';

/** Compressed octets given to the decompressor at a time, and the size of its output buffers. */
const PIECE_LEN = 16 * 1024;
const OUTPUT_LEN = 256 * 1024;

/** A stage: one decompressor over one run of members or frames, and what its events have told. */
class Stage {
  readonly stream: Gunzip | ZstdDecompress;
  /** Octets given before the last piece, and with it. */
  givenBefore: number;
  given: number;
  /** Whether a piece is being worked on; whether the input's end was announced; whether the output has ended. */
  isBusy: boolean;
  isFinishing: boolean;
  isEnded: boolean;
  error: Error | null;
  #wake: (() => void) | null;
  #isSignalled: boolean;

  constructor(kind: 'gzip' | 'zstd') {
    const options = { chunkSize: OUTPUT_LEN };
    this.stream = kind === 'gzip' ? createGunzip(options) : createZstdDecompress(options);
    this.givenBefore = 0;
    this.given = 0;
    this.isBusy = false;
    this.isFinishing = false;
    this.isEnded = false;
    this.error = null;
    this.#wake = null;
    this.#isSignalled = false;
    this.stream.on('readable', () => this.#signal());
    this.stream.on('end', () => {
      this.isEnded = true;
      this.#signal();
    });
    this.stream.on('close', () => this.#signal()); // destroyed by `close` while `wait` is under way
    this.stream.on('error', (error: Error) => {
      this.error = error;
      this.#signal();
    });
  }

  /**
   * Whether the decompressor is done with the last piece without having taken all of it. Node stops so behind a zstd frame,
   * and behind a gzip member that zeros follow. ('end' comes too late to tell: it waits for the output to be read.)
   */
  get hasLeftover(): boolean {
    return !this.isBusy && this.stream.bytesWritten < this.given;
  }

  write(piece: Uint8Array): void {
    this.isBusy = true;
    this.givenBefore = this.given;
    this.given += piece.length;
    this.stream.write(piece, () => {
      this.isBusy = false;
      this.#signal();
    });
  }

  finish(): void {
    this.isBusy = true;
    this.isFinishing = true;
    this.stream.end();
  }

  /** Resolves at the next event, at once when one came since the last call. */
  async wait(): Promise<void> {
    if (!this.#isSignalled)
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    this.#isSignalled = false;
  }

  #signal(): void {
    this.#isSignalled = true;
    this.#wake?.();
    this.#wake = null;
  }
}

/**
 * Unpacks gzip (with concatenated members) and zstd (with concatenated and skippable frames) on libuv's thread pool, in
 * constant memory: the decompressor stands still until its output was read.
 *
 * A broken stream costs nothing that can still be unpacked: zlib drops the output of the call that fails, so on an error
 * the file is unpacked once more, and the piece that failed is given octet by octet. A pipe cannot be read twice; there up
 * to 256 KiB before the damage are lost, and the error says so.
 */
export class DecompressSource implements ByteSource {
  readonly #kind: 'gzip' | 'zstd';
  readonly #input: SavefileInput;
  #stage: Stage;
  /** Input that was read but not yet given to a stage. */
  #rest: Uint8Array;
  /** The piece at work, and the file offset behind it. */
  #piece: Uint8Array;
  #pieceEnd: number;
  #pending: Uint8Array;
  /** Unpacked octets handed out, and how many of a second pass are to be dropped. */
  #produced: number;
  #drop: number;
  /** Whether zeros may stand where the next gzip member begins. */
  #isPadding: boolean;
  /** File offset from which a second pass goes octet by octet; Infinity in the first pass. */
  #carefulFrom: number;

  /**
   * @param input the compressed file; stays the caller's to close
   * @param head  its first octets, already read; copied
   */
  constructor(kind: 'gzip' | 'zstd', input: SavefileInput, head: Uint8Array) {
    this.#kind = kind;
    this.#input = input;
    this.#stage = new Stage(kind);
    this.#rest = Uint8Array.from(head);
    this.#piece = new Uint8Array(0);
    this.#pieceEnd = 0;
    this.#pending = new Uint8Array(0);
    this.#produced = 0;
    this.#drop = 0;
    this.#isPadding = false;
    this.#carefulFrom = Number.POSITIVE_INFINITY;
  }

  async read(target: Uint8Array, off: number): Promise<number> {
    while (this.#pending.length === 0) {
      let output: Uint8Array | null;
      try {
        output = await this.#pull();
      } catch (cause) {
        if (cause instanceof SavefileError) throw cause;
        if (!this.#startOver()) throw this.#streamError(cause);
        continue;
      }
      if (output === null) return 0;
      const dropped = Math.min(this.#drop, output.length);
      this.#drop -= dropped;
      this.#pending = output.subarray(dropped);
    }
    const count = Math.min(this.#pending.length, target.length - off);
    target.set(this.#pending.subarray(0, count), off);
    this.#pending = this.#pending.subarray(count);
    this.#produced += count;
    return count;
  }

  /** Stops the decompressor. Idempotent. */
  close(): void {
    this.#stage.stream.destroy();
  }

  /** The next unpacked octets, or null at the end. Throws the stream's own error. */
  async #pull(): Promise<Uint8Array | null> {
    for (;;) {
      const stage = this.#stage;
      const output: Uint8Array | null = stage.stream.read();
      if (output !== null) return output;
      if (stage.error !== null) throw stage.error;
      if (stage.isEnded && stage.isFinishing) return null;
      if (stage.hasLeftover) {
        this.#nextStage(stage);
        continue;
      }
      if (stage.stream.destroyed) return null; // the reader was closed
      if (!stage.isBusy) {
        const piece = await this.#nextPiece();
        if (piece !== null) stage.write(piece);
        else if (stage.given === 0) return null;
        else stage.finish();
      }
      await stage.wait();
    }
  }

  /** Puts back what the stage did not take, for a new one. */
  #nextStage(ended: Stage): void {
    const left = this.#piece.subarray(ended.stream.bytesWritten - ended.givenBefore);
    const rest = new Uint8Array(left.length + this.#rest.length);
    rest.set(left);
    rest.set(this.#rest, left.length);
    this.#rest = rest;
    this.#pieceEnd -= left.length;
    this.#isPadding = this.#kind === 'gzip';
    this.#stage = new Stage(this.#kind);
    ended.stream.destroy();
  }

  async #nextPiece(): Promise<Uint8Array | null> {
    if (this.#isPadding) this.#skipZeros();
    while (this.#rest.length === 0) {
      const buffer = new Uint8Array(PIECE_LEN);
      const got = await this.#input.read(buffer, 0);
      if (got === 0) return null;
      this.#rest = buffer.subarray(0, got);
      if (this.#isPadding) this.#skipZeros();
    }
    this.#isPadding = false;
    const untilCareful = this.#carefulFrom - this.#pieceEnd;
    const limit = untilCareful > 0 ? Math.min(PIECE_LEN, untilCareful) : 1;
    this.#piece = this.#rest.subarray(0, limit);
    this.#rest = this.#rest.subarray(this.#piece.length);
    this.#pieceEnd += this.#piece.length;
    return this.#piece;
  }

  /** Padding of tapes and block devices behind a gzip member, which gzip(1) passes over too. */
  #skipZeros(): void {
    const first = this.#rest.findIndex((octet) => octet !== 0);
    const zeros = first < 0 ? this.#rest.length : first;
    this.#rest = this.#rest.subarray(zeros);
    this.#pieceEnd += zeros;
  }

  /** Begins the second pass; false when there was one or the input cannot be read again. */
  #startOver(): boolean {
    if (this.#carefulFrom !== Number.POSITIVE_INFINITY || !this.#input.isSeekable) return false;
    this.#carefulFrom = this.#pieceEnd - this.#piece.length;
    this.#drop = this.#produced;
    this.#pieceEnd = 0;
    this.#rest = new Uint8Array(0);
    this.#isPadding = false;
    this.#input.position = 0;
    this.#stage.stream.destroy();
    this.#stage = new Stage(this.#kind);
    return true;
  }

  #streamError(cause: unknown): SavefileError {
    const text = cause instanceof Error ? cause.message : String(cause);
    const lost = this.#input.isSeekable ? '' : '; up to 256 KiB before it may be missing';
    return new SavefileError(
      'SAVEFILE_COMPRESSION',
      this.#input.file,
      this.#produced,
      `the ${this.#kind} stream is broken or cut: ${text}${lost}`,
      { cause },
    );
  }
}
