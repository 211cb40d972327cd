import { Meter } from '../daemon/capture/meter.ts';
import { TunnelMeter } from '../daemon/capture/tunnel-meter.ts';
import { overUdp, vxlan } from '../test/support/tunnel-frames.ts';
import { newTable, packets, perPacket } from './decode.ts';
import { median, printTable } from './support.ts';

const ROUNDS = 5;
const FLOWS = 1000;

/** Cost of a packet by what `--tunnels` says, in no tunnel and in VXLAN with one outer flow. One thread, no storage. */
export async function run(): Promise<void> {
  const meters = [
    new Meter(newTable()),
    new TunnelMeter(newTable(true), 'inner'),
    new TunnelMeter(newTable(true), 'both'),
  ];
  const rows: string[][] = [];
  for (const [name, wrap] of [
    ['in no tunnel', (inner: Uint8Array) => inner],
    ['in VXLAN', (inner: Uint8Array) => overUdp(4789, vxlan(42, inner))],
  ] as const) {
    const { view, length } = packets(FLOWS, wrap);
    const costs = meters.map((): number[] => []);
    for (let round = 0; round <= ROUNDS; round++) {
      for (const [i, meter] of meters.entries()) {
        const cost = perPacket(meter.fields, FLOWS, (off) => meter.packet(view, off, length), length);
        if (round > 0) costs[i]!.push(cost); // the compiler's warm-up
      }
    }
    rows.push([name, ...costs.map((each) => median(each).toFixed(0))]);
  }
  printTable(['ns CPU a packet', 'outer', 'inner', 'both'], rows);
}
