import { expect, test, vi } from 'vitest';
import { zeroCounters } from '../../storage/messages.ts';
import { FlowWriter } from '../../storage/writer.ts';
import { batchOf, captureInfo, TEST_RUN } from './records.ts';
import { tempDb } from './temp-db.ts';

test('a commit prepares no statement: each is memory that no garbage collector knows of', () => {
  const writer = new FlowWriter(tempDb(), { ...TEST_RUN, kind: 'daemon' }, true);
  const channel = writer.channel();
  const commit = (seq: number): void =>
    writer.write([
      [channel, { type: 'batch', batch: batchOf({ seq }) }],
      [channel, { type: 'counters', captureIndex: 0, counters: zeroCounters(), span: null, final: false }],
      [channel, { type: 'load', load: { queued: 0, queueSize: 64, cpuNs: 1 } }],
    ]);
  writer.write([[channel, { type: 'capture', info: captureInfo(0) }]]);
  commit(0);
  const prepare = vi.spyOn(writer.db, 'prepare');
  for (let seq = 1; seq < 5; seq++) commit(seq);
  expect(prepare.mock.calls).toEqual([]);
  prepare.mockRestore();
  writer.close();
});
