// Run by allocation.test.ts in a process of its own: reads the savefile that is its argument again and
// again, and prints how many octets the heap grew per packet in the last reading.
import { getHeapStatistics } from 'node:v8';
import { SavefileReader } from '../../decoders/savefile.ts';

const file = process.argv[2];
if (file === undefined) throw new Error('run with a file');

let packets = 0;
let checksum = 0;
const sink = {
  onInterface: () => {},
  onPacket: (
    _index: number,
    _view: DataView,
    off: number,
    capLen: number,
    wireLen: number,
    sec: number,
    nsec: number,
  ) => {
    packets++;
    checksum = (checksum + off + capLen + wireLen + sec + nsec) | 0;
  },
};

/** Synchronous: a plain file. */
function read(path: string): void {
  const reader = new SavefileReader(path, sink);
  while (reader.next() === true);
  reader.close();
}

for (let i = 0; i < 8; i++) read(file); // until the optimizing compiler has settled
// No collection here: it would drop the optimized code with the readers it was made for.
const before = getHeapStatistics().used_heap_size;
packets = 0;
read(file);
const after = getHeapStatistics().used_heap_size;
process.stdout.write(JSON.stringify({ octetsPerPacket: (after - before) / packets, packets, checksum }));
