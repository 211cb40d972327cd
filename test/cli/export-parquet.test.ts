import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Table, tableFromIPC } from 'apache-arrow';
import { readParquet } from 'parquet-wasm/node';
import { afterAll, describe, expect, test } from 'vitest';
import { TYPED_COLUMNS } from '../../cli/export/columns.ts';
import type { Destination } from '../../cli/export/destination.ts';
import { ROW_GROUP_ROWS, writeParquet } from '../../cli/export/parquet.ts';
import { flowJson } from '../../cli/format/flow-json.ts';
import type { FlowRow } from '../../storage/query.ts';
import { readFlows, tempFolder } from '../storage/temp-db.ts';
import { nstap } from '../support/nstap.ts';
import { sampleDb } from './sample-db.ts';

const db = sampleDb();
afterAll(db.remove);

/** Reads a file with the Parquet reader of Apache Arrow for Rust, which has nothing in common with what wrote it. */
function read(octets: Uint8Array): Table {
  return tableFromIPC(readParquet(octets).intoIPCStream());
}

/** Keeps what is written. */
class Memory implements Destination {
  readonly octets = null;
  readonly pieces: Uint8Array[] = [];
  async write(piece: string | Uint8Array): Promise<void> {
    this.pieces.push(typeof piece === 'string' ? Buffer.from(piece) : piece);
  }
  async finish(): Promise<void> {}
  discard(): void {}
}

async function written(rows: Iterable<FlowRow>, codec: 'snappy' | 'zstd' | 'none'): Promise<Memory> {
  const to = new Memory();
  await writeParquet(rows, to, codec, () => undefined);
  return to;
}

describe('export --format parquet', () => {
  test.each(['snappy', 'zstd', 'none'] as const)(
    'another reader sees the same flows in %s',
    async (codec) => {
      const flows = readFlows(db.path);
      const { pieces } = await written(flows, codec);
      const table = read(Buffer.concat(pieces));
      expect(table.numRows).toBe(flows.length);
      for (const [i, flow] of flows.entries()) {
        const json: Record<string, unknown> = flowJson(flow);
        const row = table.get(i)!.toJSON() as Record<string, unknown>;
        for (const { name, type } of TYPED_COLUMNS) {
          const [, key, part] = /^(route_fwd|route_rev|tunnel)_(.*)$/.exec(name) ?? [];
          const want =
            key === undefined ? json[name] : ((json[key] as Record<string, unknown> | null)?.[part!] ?? null);
          const got = row[name];
          if (name === 'duration_ns') expect(got).toBe(flow.endNs - flow.startNs);
          else if (type === 'time') expect(Math.floor(got as number)).toBe(Date.parse(want as string));
          else if (type.endsWith('list')) expect([...(got as Iterable<unknown>)], name).toEqual(want);
          else if (name === 'route_changes') expect(got).toBe(flow.routeChanges === null ? null : 1);
          else expect(typeof got === 'bigint' ? Number(got) : got, name).toEqual(want);
        }
      }
    },
  );

  test('times are 64-bit nanoseconds in UTC, exact to the last one', async () => {
    const { pieces } = await written(readFlows(db.path), 'snappy');
    const table = read(Buffer.concat(pieces));
    const type = (name: string): string =>
      String(table.schema.fields.find((field) => field.name === name)!.type);
    expect(type('start')).toBe('Timestamp<NANOSECOND, UTC>');
    expect(type('end')).toBe('Timestamp<NANOSECOND, UTC>');
    expect(type('bytes_fwd')).toBe('Int64');
    expect(type('src')).toBe('Utf8');
    expect(type('vlan')).toBe('List<Int32>');
    expect(type('originator_guessed')).toBe('Bool');
    const raw = table.getChild('start')!.data[0]!.values as BigInt64Array;
    expect([...raw]).toEqual(readFlows(db.path).map(({ startNs }) => startNs));
  });

  test('many flows are handed on a row group at a time', async () => {
    const [flow] = readFlows(db.path);
    const count = 2 * ROW_GROUP_ROWS + 5;
    const groups: number[] = [];
    const to = new Memory();
    function* many(): Iterable<FlowRow> {
      for (let i = 0; i < count; i++) yield { ...flow!, flowId: 2 ** 40 + i };
    }
    expect(await writeParquet(many(), to, 'snappy', (rows) => groups.push(rows))).toBe(count);
    expect(groups).toEqual([ROW_GROUP_ROWS, 2 * ROW_GROUP_ROWS, count]);
    expect(to.pieces).toHaveLength(4);
    const ids = read(Buffer.concat(to.pieces)).getChild('flow_id')!;
    expect([ids.length, ids.get(0), ids.get(count - 1)]).toEqual([
      count,
      2n ** 40n,
      2n ** 40n + BigInt(count - 1),
    ]);
  });

  test('a file of no flows has the columns all the same', async () => {
    const table = read(Buffer.concat((await written([], 'snappy')).pieces));
    expect(table.numRows).toBe(0);
    expect(table.schema.fields.map(({ name }) => name)).toEqual(TYPED_COLUMNS.map(({ name }) => name));
  });

  test('the command writes it by the name of the file', () => {
    const file = join(tempFolder(), 'a.parquet');
    expect(nstap(['export', '--db', db.path, '-o', file, 'tcp']).status).toBe(0);
    expect(read(readFileSync(file)).numRows).toBe(2);
  });
});
