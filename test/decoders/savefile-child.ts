// Run by savefile.test.ts in a process of its own: reads the savefile that is its argument ("-": stdin), and prints what
// it held and how much memory its buffers took at most.

import { SavefileReader } from '../../decoders/savefile.ts';
import { SavefileError } from '../../decoders/savefile-error.ts';

/** Chunks between two looks at the memory. */
const SAMPLE_EVERY = 32;

let packets = 0;
let bytes = 0;
let bufferPeak = 0;
let error: string | null = null;
try {
  const reader = new SavefileReader(process.argv[2] ?? '-', {
    onInterface: () => {},
    onPacket: (_index, _view, _off, capLen) => {
      packets++;
      bytes += capLen;
    },
  });
  try {
    for (let chunk = 0; await reader.next(); chunk++) {
      if (chunk % SAMPLE_EVERY !== 0) continue;
      // What is held, not what waits to be collected: the collector lets some 64 MB of buffers pile up.
      globalThis.gc?.();
      bufferPeak = Math.max(bufferPeak, process.memoryUsage().arrayBuffers);
    }
  } finally {
    reader.close();
  }
} catch (cause) {
  if (!(cause instanceof SavefileError)) throw cause;
  error = `${cause.code} ${cause.offset}`;
}
process.stdout.write(JSON.stringify({ packets, bytes, bufferPeak, error }));
