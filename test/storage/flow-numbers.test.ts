import { expect, test } from 'vitest';
import { FlowWriter } from '../../storage/writer.ts';
import { ID_BLOCK } from '../../storage/writer-channel.ts';
import { batchOf, captureInfo, TEST_RUN } from './records.ts';
import { readFlows, tempDb } from './temp-db.ts';

test('in the only run of a database flows have their number and 1, whichever is written first', () => {
  const path = tempDb();
  const writer = new FlowWriter(path, TEST_RUN);
  const channel = writer.channel();
  const seqs = [5 * ID_BLOCK + 3, 0, 2 * ID_BLOCK, ID_BLOCK - 1, 7 * ID_BLOCK];
  writer.write([[channel, { type: 'capture', info: captureInfo(0) }]]);
  for (const seq of seqs)
    writer.write([[channel, { type: 'batch', batch: batchOf({ seq, ports: [seq % 65_536, 80] }) }]]);
  writer.close();
  const ids = readFlows(path).map(({ flowId }) => flowId);
  expect(ids).toEqual(seqs.map((seq) => seq + 1).sort((a, b) => a - b));
});
