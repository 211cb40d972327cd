import { FlowWriter } from '../../storage/writer.ts';
import { batchOf, captureInfo, TEST_RUN } from './records.ts';

/**
 * A process of its own that writes: `node writing-process.ts DB TRANSACTIONS FLOWS`. It tells each commit on stdout, so
 * that a test knows what must be there. TRANSACTIONS 0: for ever, until it is killed.
 */
const [path, transactions, flows] = [process.argv[2]!, Number(process.argv[3]), Number(process.argv[4])];
const writer = new FlowWriter(path, TEST_RUN);
const channel = writer.channel();
writer.write([[channel, { type: 'capture', info: captureInfo(0, { netns: `pid${process.pid}` }) }]]);
for (let n = 0; transactions === 0 || n < transactions; n++) {
  const specs = Array.from({ length: flows }, (_, i) => ({
    seq: n * flows + i,
    packets: [n, i] as [number, number],
  }));
  writer.write([[channel, { type: 'batch', batch: batchOf(...specs) }]]);
  process.stdout.write(`${(n + 1) * flows}\n`);
}
writer.close();
