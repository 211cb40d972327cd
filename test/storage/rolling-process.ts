import { Retention } from '../../storage/retention.ts';
import { put, startParted } from './parted.ts';

/**
 * A process that writes five flows, begins a partition and drops the oldest one, for ever: `node rolling-process.ts DB`. It tells
 * each drop on stdout.
 */
const [writer, channel] = startParted(process.argv[2]!);
const size = { octets: 1, percent: null };
const retention = new Retention(writer, { ageSec: null, size, free: null }, ({ partition }) =>
  process.stdout.write(`${partition}\n`),
);
for (let seq = 0; ; seq += 5) {
  put(writer, channel, ...[0, 1, 2, 3, 4].map((i) => ({ seq: seq + i })));
  if (seq >= 20) await retention.check();
  else writer.partitions!.begin();
}
