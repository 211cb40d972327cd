/**
 * Why a savefile could not be read (further). `SAVEFILE_OPEN`: it cannot be opened or read (`cause` has the system's
 * error); `SAVEFILE_FORMAT`: neither pcap nor pcapng; `SAVEFILE_VERSION`: a version or variant that nobody defines;
 * `SAVEFILE_TRUNCATED`: it ends inside a record; `SAVEFILE_DAMAGED`: a length or type that cannot be; `SAVEFILE_COMPRESSION`:
 * the gzip or zstd stream is broken or cut; `SAVEFILE_WRITE`: it cannot be written (further).
 */
export type SavefileErrorCode =
  | 'SAVEFILE_OPEN'
  | 'SAVEFILE_FORMAT'
  | 'SAVEFILE_VERSION'
  | 'SAVEFILE_TRUNCATED'
  | 'SAVEFILE_DAMAGED'
  | 'SAVEFILE_COMPRESSION'
  | 'SAVEFILE_WRITE';

/**
 * A savefile that cannot be read or written, or not to its end. The packets before `offset` have been delivered, or written. The message is
 * "file: reason (at octet N)".
 */
export class SavefileError extends Error {
  readonly code: SavefileErrorCode;
  /** Path as given; "-" for stdin. */
  readonly file: string;
  /** Octets from the start of the record that is wrong, in the uncompressed stream; null before anything was read. */
  readonly offset: number | null;
  /** One clause, without file and offset. */
  readonly reason: string;

  constructor(
    code: SavefileErrorCode,
    file: string,
    offset: number | null,
    reason: string,
    options?: ErrorOptions,
  ) {
    super(`${file}: ${reason}${offset === null ? '' : ` (at octet ${offset})`}`, options);
    this.name = 'SavefileError';
    this.code = code;
    this.file = file;
    this.offset = offset;
    this.reason = reason;
  }
}
