/** What `nstap export --format` takes, and the ends of names by which each is known. */
export const EXPORT_FORMATS = {
  csv: ['.csv'],
  ndjson: ['.ndjson', '.jsonl'],
  parquet: ['.parquet', '.pq'],
  zeek: ['.log'],
} as const;
export type ExportFormat = keyof typeof EXPORT_FORMATS;

/** What `--compress` takes for Parquet, with the names of the format. */
export const PARQUET_CODECS = { snappy: 'SNAPPY', zstd: 'ZSTD', none: 'UNCOMPRESSED' } as const;
export type ParquetCodec = keyof typeof PARQUET_CODECS;

/** The format that a file's name tells, compression aside; null: none. */
export function formatOfName(file: string): ExportFormat | null {
  const name = file.replace(/\.(gz|zst)$/, '');
  const found = Object.entries(EXPORT_FORMATS).find(([, ends]) => ends.some((end) => name.endsWith(end)));
  return (found?.[0] as ExportFormat | undefined) ?? null;
}
