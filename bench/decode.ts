import { Meter } from '../daemon/capture/meter.ts';
import { FlowTable } from '../daemon/flow/table.ts';
import type { FlowTableOptions } from '../daemon/flow/table-options.ts';
import { DEFAULT_TIMEOUTS } from '../daemon/flow/timeouts.ts';
import { decodePacket } from '../decoders/packet.ts';
import { PacketFields, TcpFlag } from '../decoders/packet-fields.ts';
import { FlowBatch } from '../storage/flow-batch.ts';
import { frame } from '../test/support/frames.ts';
import { noRoutes } from '../test/support/no-routes.ts';
import { type BenchOptions, Report } from './report.ts';
import { median, printTable } from './support.ts';

const PACKETS = 2_000_000;
const ROUNDS = 5;
/** Octets between two frames of `packets`. */
export const STRIDE = 256;
const PAYLOAD = 100;
/** Of fields in a frame of `packets` that nothing is wrapped around: IP length and addresses, TCP. */
const LENGTH_OFF = 14 + 2;
const SRC_OFF = 14 + 12;
const DST_OFF = 14 + 16;
const PORTS_OFF = 14 + 20;
const SEQ_OFF = PORTS_OFF + 4;
const ACK_OFF = PORTS_OFF + 8;
const FLAGS_OFF = PORTS_OFF + 13;

/** Frames of so many flows, one each STRIDE octets. */
export interface BenchPackets {
  view: DataView;
  length: number;
}

/** Cost of decoding, and of decoding and metering, a packet that lies in memory. One thread, no storage. */
export async function run(_options: BenchOptions = {}, report = new Report()): Promise<void> {
  const rows: string[][] = [];
  for (const flows of [1_000, 60_000]) {
    const { view, length } = packets(flows);
    const decoded: number[] = [];
    const metered: number[] = [];
    const f = new PacketFields();
    const repeated: number[] = [];
    const meter = new Meter(newTable());
    const repeater = new Meter(newTable());
    const sequence = oneWay(view, flows);
    const talked: number[] = [];
    const talker = new Meter(newTable());
    const talk = twoWay(flows);
    for (let round = 0; round <= ROUNDS; round++) {
      const a = perPacket(f, flows, (off) => decodePacket(view, off, off + length, f), length);
      const b = perPacket(meter.fields, flows, (off) => meter.packet(view, off, length), length, sequence);
      const c = perPacket(repeater.fields, flows, (off) => repeater.packet(view, off, length), length);
      const d = perPacket(
        talker.fields,
        flows,
        (off) => talker.packet(talk.view, off, length),
        length,
        talk.next,
      );
      if (round === 0) continue; // the compiler's warm-up
      decoded.push(a);
      metered.push(b);
      repeated.push(c);
      talked.push(d);
    }
    report.row(`decode.${flows}`, `decoding alone, ${flows} flows`, 'ns CPU', decoded);
    report.row(`decode.${flows}.flow`, `decoding and flow, ${flows} flows`, 'ns CPU', metered);
    report.row(
      `decode.${flows}.again`,
      `the same, every segment sent again, ${flows} flows`,
      'ns CPU',
      repeated,
    );
    report.row(`decode.${flows}.both`, `the same, conversations both ways, ${flows} flows`, 'ns CPU', talked);
    rows.push([`${flows} flows`, ...[decoded, metered, repeated, talked].map((ns) => median(ns).toFixed(0))]);
  }
  printTable(['ns CPU a packet', 'decode', 'decode + flow', 'all sent again', 'both ways'], rows);
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

/** Prepares the next packet of a flow. @returns where it lies */
type NextPacket = (flow: number) => number;

/** Every packet sends what follows its flow's last one: else all but the first were retransmissions. */
function oneWay(view: DataView, flows: number): NextPacket {
  const next = new Int32Array(flows);
  return (flow) => {
    view.setInt32(flow * STRIDE + SEQ_OFF, next[flow]!);
    next[flow]! += PAYLOAD;
    return flow * STRIDE;
  };
}

/** SYN, SYN+ACK, ACK, and then in a circle: two segments of data, their ACK, one of data back, its ACK. */
function twoWay(flows: number): { view: DataView; next: NextPacket } {
  const { view } = packets(2 * flows);
  for (let i = 0; i < flows; i++) {
    const there = i * STRIDE;
    const back = (flows + i) * STRIDE;
    view.setInt32(back + SRC_OFF, view.getInt32(there + DST_OFF));
    view.setInt32(back + DST_OFF, view.getInt32(there + SRC_OFF));
    const ports = view.getInt32(there + PORTS_OFF);
    view.setInt32(back + PORTS_OFF, (ports << 16) | (ports >>> 16));
  }
  const steps = new Int32Array(flows);
  /** Next sequence number, of both sides of each flow. */
  const sent = new Int32Array(2 * flows).fill(1);
  const next: NextPacket = (flow) => {
    const step = steps[flow]!++;
    const isOpening = step < 3;
    const turn = (step - 3) % 5;
    const isBack = isOpening ? step === 1 : turn === 2 || turn === 3;
    const payload = !isOpening && (turn < 2 || turn === 3) ? PAYLOAD : 0;
    const side = isBack ? flows + flow : flow;
    const at = side * STRIDE;
    view.setUint16(at + LENGTH_OFF, 40 + payload);
    view.setInt32(at + SEQ_OFF, sent[side]!);
    view.setInt32(at + ACK_OFF, step === 0 ? 0 : sent[isBack ? flow : flows + flow]!);
    view.setUint8(at + FLAGS_OFF, step === 0 ? TcpFlag.SYN : TcpFlag.ACK | (step === 1 ? TcpFlag.SYN : 0));
    sent[side]! += payload + (step < 2 ? 1 : 0);
    return at;
  };
  return { view, next };
}

/**
 * Nanoseconds of CPU that `packet` takes, over packets of `flows` flows in no order.
 * @param next gives the packet of a flow; left out: it is always the same
 * @param seed of the order
 */
export function perPacket(
  f: PacketFields,
  flows: number,
  packet: (off: number) => unknown,
  length: number,
  next: NextPacket = (flow) => flow * STRIDE,
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
    packet(next(state % flows));
  }
  const { user, system } = process.cpuUsage(before);
  return ((user + system) * 1000) / count;
}
