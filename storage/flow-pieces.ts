import type { FlowDatabase } from './database.ts';

/**
 * Flows whose ids are alike but for so many bits are a piece. Indexes of what comes in any order (addresses, ports) begin with the
 * number of the piece: so what is inserted touches the entries of the newest piece only, however large the file is, and what is
 * asked has to be asked of each piece. It is part of the schema. Of 14 to 18 bits, see docs/decisions/0026-indexes-by-piece.md.
 */
export const PIECE_BITS = 17;

/** The number of a flow's piece, as the schema says it: SQLite compares the words. */
export const PIECE_SQL = `(f.flow_id >> ${PIECE_BITS})`;

const COLUMNS = ['src', 'dst', 'src_port', 'dst_port'] as const;

/** A column of `flows` whose index begins with the piece. */
export type PieceColumn = (typeof COLUMNS)[number];

export function isPieceColumn(column: string): column is PieceColumn {
  return (COLUMNS as readonly string[]).includes(column);
}

/** Whether an index of `flows` begins with the piece. */
export function isByPiece(index: string): boolean {
  return isPieceColumn(index.replace('flows_', ''));
}

/**
 * The pieces that a file has flows of, in ascending order: some microseconds each. Ids of replays in between may leave gaps of any size.
 * @param schema of the file, as SQL names it
 */
export function piecesOf(db: FlowDatabase, schema: string): number[] {
  const next = db
    .prepare<[number], number>(
      `SELECT flow_id FROM ${schema}.flows WHERE flow_id >= ? ORDER BY flow_id LIMIT 1`,
    )
    .pluck();
  const size = 2 ** PIECE_BITS;
  const pieces: number[] = [];
  for (let id = next.get(0); id !== undefined; id = next.get((pieces.at(-1)! + 1) * size))
    pieces.push(Math.floor(id / size));
  return pieces;
}
