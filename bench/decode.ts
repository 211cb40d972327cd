import { Meter } from '../daemon/capture/meter.ts';
import { FlowTable } from '../daemon/flow/table.ts';
import type { FlowTableOptions } from '../daemon/flow/table-options.ts';
import { DEFAULT_TIMEOUTS } from '../daemon/flow/timeouts.ts';
import { decodePacket } from '../decoders/packet.ts';
import { PacketFields } from '../decoders/packet-fields.ts';
import { FlowBatch } from '../storage/flow-batch.ts';
import { frame } from '../test/support/frames.ts';
import { noRoutes } from '../test/support/no-routes.ts';
import { median, printTable } from './support.ts';

const PACKETS = 2_000_000;
const ROUNDS = 5;
/** Octets between two frames of `packets`. */
export const STRIDE = 256;
const PAYLOAD = 100;
/** Of the TCP sequence number in a frame of `packets` that nothing is wrapped around. */
const SEQ_OFF = 14 + 20 + 4;

/** Frames of so many flows, one each STRIDE octets. */
export interface BenchPackets {
  view: DataView;
  length: number;
}

/** Cost of decoding, and of decoding and metering, a packet that lies in memory. One thread, no storage. */
export async function run(): Promise<void> {
  const rows: string[][] = [];
  for (const flows of [1_000, 60_000]) {
    const { view, length } = packets(flows);
    const decoded: number[] = [];
    const metered: number[] = [];
    const f = new PacketFields();
    const repeated: number[] = [];
    const meter = new Meter(newTable());
    const repeater = new Meter(newTable());
    const sequence = { view, next: new Int32Array(flows) };
    for (let round = 0; round <= ROUNDS; round++) {
      const a = perPacket(f, flows, (off) => decodePacket(view, off, off + length, f), length);
      const b = perPacket(meter.fields, flows, (off) => meter.packet(view, off, length), length, sequence);
      const c = perPacket(repeater.fields, flows, (off) => repeater.packet(view, off, length), length);
      if (round === 0) continue; // the compiler's warm-up
      decoded.push(a);
      metered.push(b);
      repeated.push(c);
    }
    rows.push([`${flows} flows`, ...[decoded, metered, repeated].map((ns) => median(ns).toFixed(0))]);
  }
  printTable(['ns CPU a packet', 'decode', 'decode + flow', 'all sent again'], rows);
}

/** @param wrap what is done to each frame; it must come out with one length, below STRIDE @param payload octets of TCP payload */
export function packets(
  flows: number,
  wrap = (inner: Uint8Array): Uint8Array => inner,
  payload = PAYLOAD,
): BenchPackets {
  const bytes = new Uint8Array(flows * STRIDE);
  let length = 0;
  for (let i = 0; i < flows; i++) {
    const one = wrap(
      frame({
        flags: 'PA',
        src: `10.1.${(i >> 8) & 255}.${i & 255}`,
        sport: 1024 + (i % 60000),
        payload,
      }),
    );
    bytes.set(one, i * STRIDE);
    length = one.length;
  }
  return { view: new DataView(bytes.buffer), length };
}

/** A flow table whose records go nowhere. @param more over its options */
export function newTable(
  tunnels = false,
  tagger = noRoutes(),
  more: Partial<FlowTableOptions> = {},
): FlowTable {
  const batch = new FlowBatch(1024, undefined, 1 << 20);
  const sink = {
    batch: (): FlowBatch => {
      if (batch.isFull) batch.clear();
      return batch;
    },
    changes: (): null => null,
  };
  const options = {
    maxFlows: 1 << 17,
    timeouts: DEFAULT_TIMEOUTS,
    checkpointSec: 0,
    seed: 1,
    tunnels,
    ...more,
  };
  return new FlowTable(options, sink, tagger);
}

/** The sequence numbers of flows whose frames lie in `view`. */
interface Sequence {
  view: DataView;
  next: Int32Array;
}

/**
 * Nanoseconds of CPU that `packet` takes, over packets of `flows` flows in no order.
 * @param sequence the sequence number is set, so that each packet follows its flow's last one
 * @param seed     of the order
 */
export function perPacket(
  f: PacketFields,
  flows: number,
  packet: (off: number) => unknown,
  length: number,
  sequence?: Sequence,
  count = PACKETS,
  seed = 1,
): number {
  f.linkType = 1;
  f.wireLen = length;
  const before = process.cpuUsage();
  let state = seed;
  for (let i = 0; i < count; i++) {
    state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff;
    f.tsSec = 1_790_000_000 + ((i / 1e6) | 0);
    const flow = state % flows;
    if (sequence !== undefined) {
      // Every packet sends what follows its flow's last one: else all but the first were retransmissions.
      sequence.view.setInt32(flow * STRIDE + SEQ_OFF, sequence.next[flow]!);
      sequence.next[flow]! += PAYLOAD;
    }
    packet(flow * STRIDE);
  }
  const { user, system } = process.cpuUsage(before);
  return ((user + system) * 1000) / count;
}
