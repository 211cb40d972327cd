import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FlowWriter } from '../../storage/writer.ts';
import { batchOf, captureInfo, type RecordSpec, TEST_RUN } from '../storage/records.ts';

const BATCH = 8000;

/**
 * Writes a database of many flows into a new folder.
 * @param spec what differs from a plain flow, by its number from 0 on
 * @returns the database, and what removes it
 */
export function largeDb(
  flows: number,
  spec: (seq: number) => RecordSpec = () => ({}),
): { path: string; remove: () => void } {
  const folder = mkdtempSync(join(tmpdir(), 'nstap-test-'));
  const path = join(folder, 'flows.db');
  const writer = new FlowWriter(path, TEST_RUN);
  const channel = writer.channel();
  writer.write([[channel, { type: 'capture', info: captureInfo(0) }]]);
  for (let first = 0; first < flows; first += BATCH) {
    const records = Array.from({ length: Math.min(BATCH, flows - first) }, (_, i) => ({
      ...spec(first + i),
      seq: first + i,
    }));
    writer.write([[channel, { type: 'batch', batch: batchOf(...records) }]]);
  }
  writer.close();
  return { path, remove: () => rmSync(folder, { recursive: true }) };
}
