import { FlowWriter } from '../../storage/writer.ts';
import type { WriterChannel } from '../../storage/writer-channel.ts';
import { batchOf, captureInfo, type RecordSpec, TEST_RUN } from './records.ts';

/** The run of a daemon. */
export const DAEMON_RUN = { ...TEST_RUN, kind: 'daemon' } as const;

/** A writer with partitions and one capture announced. */
export function startParted(path: string, timeseries = false): [FlowWriter, WriterChannel] {
  const writer = new FlowWriter(path, { ...DAEMON_RUN, timeseries }, true);
  const channel = writer.channel();
  writer.write([[channel, { type: 'capture', info: captureInfo(0) }]]);
  return [writer, channel];
}

/** Writes records in a transaction. */
export function put(writer: FlowWriter, channel: WriterChannel, ...specs: RecordSpec[]): void {
  writer.write([[channel, { type: 'batch', batch: batchOf(...specs) }]]);
}
