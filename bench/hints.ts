import { Meter } from '../daemon/capture/meter.ts';
import type { FlowTableOptions } from '../daemon/flow/table-options.ts';
import { newTable, packets, perPacket } from './decode.ts';
import { median, printTable } from './support.ts';

const FLOWS = 1000;
const ROUNDS = 5;
const KINDS: [string, Partial<FlowTableOptions>][] = [
  ['neither', {}],
  ['--hints', { hints: true }],
  ['--hints --payload 1024', { hints: true, payloadOctets: 1024 }],
];

/** Cost of decoding and metering a packet that lies in memory, with hints and payload kept. One thread, no storage. */
export async function run(): Promise<void> {
  const rows: string[][] = [];
  for (const payload of [0, 100]) {
    const { view, length } = packets(FLOWS, undefined, payload);
    const meters = KINDS.map(([, options]) => new Meter(newTable(false, undefined, options)));
    const costs = meters.map((): number[] => []);
    for (let round = 0; round <= ROUNDS; round++)
      for (const [i, meter] of meters.entries()) {
        const cost = perPacket(meter.fields, FLOWS, (off) => meter.packet(view, off, length), length);
        if (round > 0) costs[i]!.push(cost); // the first is the compiler's warm-up
      }
    rows.push([`${payload} octets of payload`, ...costs.map((each) => median(each).toFixed(0))]);
  }
  printTable(['ns CPU a packet', ...KINDS.map(([name]) => name)], rows);
}
