import { zstdCompressSync } from 'node:zlib';
import { ByteWriter, ParquetWriter, type SchemaElement } from 'hyparquet-writer';
import { version } from '../../daemon/version.ts';
import type { FlowRow } from '../../storage/query.ts';
import { type ColumnType, TYPED_COLUMNS, typedValues } from './columns.ts';
import type { Destination } from './destination.ts';
import { PARQUET_CODECS, type ParquetCodec } from './formats.ts';

/** Flows of a row group: what is held in memory at once, and the unit that a reader can pass over. */
export const ROW_GROUP_ROWS = 32_768;

const COMPRESSORS = { ['ZSTD' as const]: (octets: Uint8Array): Uint8Array => zstdCompressSync(octets) };

const TEXT = { type: 'BYTE_ARRAY', converted_type: 'UTF8', logical_type: { type: 'STRING' } } as const;

/** Parquet's types: apache/parquet-format, LogicalTypes.md. */
const LEAVES = {
  boolean: { type: 'BOOLEAN' },
  int32: { type: 'INT32' },
  int64: { type: 'INT64' },
  double: { type: 'DOUBLE' },
  string: TEXT,
  octets: { type: 'BYTE_ARRAY' },
  time: { type: 'INT64', logical_type: { type: 'TIMESTAMP', isAdjustedToUTC: true, unit: 'NANOS' } },
} as const;

/**
 * Writes flows as a Parquet file, a row group at a time.
 * @param rows  taken one by one
 * @param taken called with the number of flows so far, after each row group
 * @throws Error of the destination, StorageError of the rows
 */
export async function writeParquet(
  rows: Iterable<FlowRow>,
  to: Destination,
  codec: ParquetCodec,
  taken: (rows: number) => void,
): Promise<number> {
  const bytes = new ByteWriter();
  const writer = new ParquetWriter({
    writer: bytes,
    schema: parquetSchema(),
    codec: PARQUET_CODECS[codec],
    compressors: COMPRESSORS,
    createdBy: `nstap version ${version()}`,
  });
  const handOver = async (): Promise<void> => {
    await to.write(bytes.getBytes().slice());
    bytes.index = 0;
  };
  let count = 0;
  let columns = emptyColumns();
  const writeGroup = async (): Promise<void> => {
    if (columns[0]!.length === 0) return;
    const columnData = TYPED_COLUMNS.map(({ name }, i) => ({ name, data: columns[i]! }));
    await writer.write({ columnData, rowGroupSize: ROW_GROUP_ROWS });
    columns = emptyColumns();
    await handOver();
    taken(count);
  };
  for (const row of rows) {
    const values = typedValues(row);
    for (let i = 0; i < values.length; i++) columns[i]!.push(values[i]);
    count++;
    if (columns[0]!.length === ROW_GROUP_ROWS) await writeGroup();
  }
  await writeGroup();
  await writer.finish();
  if (count === 0) nameEmptyList(bytes.getBytes());
  await handOver();
  return count;
}

/** FileMetaData in Thrift's compact protocol: `num_rows` (i64) 0, then `row_groups`, a list of nothing of type 0. */
const NO_ROW_GROUPS = Buffer.from([0x16, 0x00, 0x19, 0x00]);
const LIST_OF_STRUCTS = 0x0c;

/**
 * Says of what the empty list of row groups is. hyparquet-writer 0.17 takes the type of a list from its first element, and writes
 * a type that there is not where there is none, which other readers (arrow-rs) refuse.
 */
function nameEmptyList(octets: Uint8Array): void {
  const at = Buffer.from(octets.buffer, octets.byteOffset, octets.length).lastIndexOf(NO_ROW_GROUPS);
  if (at >= 0) octets[at + 3] = LIST_OF_STRUCTS;
}

function emptyColumns(): unknown[][] {
  return TYPED_COLUMNS.map(() => []);
}

/** The schema: every column may be null; a list is of three levels, as LogicalTypes.md §Lists has it. */
function parquetSchema(): SchemaElement[] {
  const columns = TYPED_COLUMNS.flatMap(({ name, type }) => elements(name, type));
  return [{ name: 'flow', num_children: TYPED_COLUMNS.length }, ...columns];
}

function elements(name: string, type: ColumnType): SchemaElement[] {
  if (type !== 'int32 list' && type !== 'string list')
    return [{ name, repetition_type: 'OPTIONAL', ...LEAVES[type] }];
  const leaf = LEAVES[type === 'int32 list' ? 'int32' : 'string'];
  return [
    {
      name,
      repetition_type: 'OPTIONAL',
      num_children: 1,
      converted_type: 'LIST',
      logical_type: { type: 'LIST' },
    },
    { name: 'list', repetition_type: 'REPEATED', num_children: 1 },
    { name: 'element', repetition_type: 'OPTIONAL', ...leaf },
  ];
}
