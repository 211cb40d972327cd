import { closeSync, openSync, readSync } from 'node:fs';
import { gunzipSync, zstdDecompressSync } from 'node:zlib';
import { RouteTextError } from './text-words.ts';

/** Octets read at a time. */
const PIECE_LEN = 1 << 20;
const LINE_FEED = 0x0a;

/** First octets of compressed files. RFC 1952 §2.3.1, RFC 8878 §3.1.1 */
const COMPRESSIONS = [
  { name: 'gzip', magic: Buffer.from('1f8b', 'hex'), unpack: gunzipSync },
  { name: 'zstd', magic: Buffer.from('28b52ffd', 'hex'), unpack: zstdDecompressSync },
] as const;

/**
 * The octets of a file in pieces, unpacked when it is gzip or zstd by its first octets. Those are unpacked in one piece, in
 * memory: node:zlib has no synchronous stream.
 * @throws RouteTextError for a compression that is broken, Error that names the file when it cannot be read
 */
function* contentPieces(path: string): Generator<Buffer> {
  const source = filePieces(path);
  try {
    const { value: first } = source.next();
    if (first === undefined) return;
    const compression = COMPRESSIONS.find(({ magic }) => first.subarray(0, magic.length).equals(magic));
    if (compression === undefined) {
      yield first;
      yield* source;
    } else yield unpack(path, compression, Buffer.concat([first, ...source]));
  } finally {
    source.return(undefined);
  }
}

function unpack(path: string, { name, unpack }: (typeof COMPRESSIONS)[number], packed: Buffer): Buffer {
  try {
    return unpack(packed);
  } catch (error) {
    throw new RouteTextError(path, 0, name, `cannot be unpacked: ${(error as Error).message}`);
  }
}

function* filePieces(path: string): Generator<Buffer, undefined> {
  const fd = openInput(path);
  try {
    for (;;) {
      const piece = Buffer.allocUnsafe(PIECE_LEN);
      const length = readPiece(fd, piece, path);
      if (length === 0) return;
      yield piece.subarray(0, length);
    }
  } finally {
    closeSync(fd);
  }
}

function openInput(path: string): number {
  try {
    return openSync(path, 'r');
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    let why = message;
    if (code === 'ENOENT') why = 'there is no such file (ENOENT); check its name and folder';
    if (code === 'EACCES') why = 'it may not be read (EACCES); check its permissions, or run as its owner';
    throw new Error(`read ${path}: ${why}`, { cause: error });
  }
}

function readPiece(fd: number, piece: Buffer, path: string): number {
  try {
    return readSync(fd, piece);
  } catch (error) {
    // Unlike that of open(2), the message of read(2) does not name the file: "EISDIR: illegal operation on a directory".
    throw new Error(`${path}: ${(error as Error).message}`, { cause: error });
  }
}

/**
 * The lines of a file without their line ends, however large it is; compressed ones are unpacked.
 * @throws as `readText`
 */
export function* fileLines(path: string): Generator<Buffer> {
  let rest: Buffer[] = [];
  for (const piece of contentPieces(path)) {
    let at = 0;
    for (let end = piece.indexOf(LINE_FEED); end !== -1; end = piece.indexOf(LINE_FEED, at)) {
      const line = piece.subarray(at, end);
      yield rest.length === 0 ? line : Buffer.concat([...rest, line]);
      rest = [];
      at = end + 1;
    }
    if (at < piece.length) rest.push(piece.subarray(at));
  }
  if (rest.length > 0) yield Buffer.concat(rest);
}

/** Puts lines together again. */
export function joinLines(first: Buffer, lines: Iterable<Buffer>): Buffer {
  const newline = Buffer.from('\n');
  const rest = [...lines].flatMap((line) => [newline, line]);
  return rest.length === 0 ? first : Buffer.concat([first, ...rest]);
}

/**
 * The text of a file; a compressed one is unpacked.
 * @throws RouteTextError when its compression is broken or it is too large for one string; Error when it cannot be read
 */
export function readText(path: string): string {
  return toText(Buffer.concat([...contentPieces(path)]), path, 0);
}

/**
 * Octets as UTF-8.
 * @param line for the error; 0 for the whole file
 * @throws RouteTextError when it is too long for a string of V8 (512 MiB)
 */
export function toText(bytes: Buffer, path: string, line: number): string {
  try {
    return bytes.toString('utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'ERR_STRING_TOO_LONG') throw error;
    const size = `${Math.round(bytes.length / 1e6)} MB`;
    throw new RouteTextError(path, line, size, 'is too large to be read; save it with `nstap snapshot save`');
  }
}
