// Meters packets of so many flows at once and prints what they cost as JSON. Arguments: flows, rounds.
import { Meter } from '../daemon/capture/meter.ts';
import { newTable, packets } from './decode.ts';
import type { FlowCost } from './flow.ts';

const [flows = 0, rounds = 0] = process.argv.slice(2).map(Number);
const LEAST_PACKETS = 2_000_000;
/** Of the frame that all packets are made of: originator's address, sequence number. */
const SRC_OFF = 14 + 12;
const SEQ_OFF = 14 + 20 + 4;
const PAYLOAD = 100;
/** A prime: in steps of it each flow comes once, far from the one before. */
const STEP = 7_368_787;

const capacity = 2 ** Math.max(17, Math.ceil(Math.log2(flows * 1.1)));
const { view, length } = packets(1);
const warm = new Meter(newTable());
packetsOf(warm, 1000, 0, 500_000);

const meter = new Meter(newTable(false, undefined, { maxFlows: capacity }));
const rssBefore = process.memoryUsage.rss();
const newNs = packetsOf(meter, flows, 0, flows);
const octetsPerFlow = (process.memoryUsage.rss() - rssBefore) / flows;
const passes = Math.max(1, Math.ceil(LEAST_PACKETS / flows));
packetsOf(meter, flows, 1, passes * flows); // the compiler's warm-up
const knownNs = Array.from({ length: rounds }, (_, round) =>
  packetsOf(meter, flows, 1 + passes * (round + 1), passes * flows),
);
process.stdout.write(`${JSON.stringify({ newNs, knownNs, octetsPerFlow } satisfies FlowCost)}\n`);

/**
 * Meters packets, each flow once a pass, with the segment that follows its last one.
 * @param firstPass passes before @returns nanoseconds of CPU a packet
 */
function packetsOf(into: Meter, of: number, firstPass: number, count: number): number {
  const f = into.fields;
  f.linkType = 1;
  f.wireLen = length;
  const step = STEP % of;
  let flow = 0;
  let pass = firstPass;
  let inPass = 0;
  const before = process.cpuUsage();
  for (let n = 0; n < count; n++) {
    f.tsSec = 1_790_000_000 + (((firstPass * of + n) / 1e6) | 0);
    view.setUint32(SRC_OFF, 0x0a00_0000 + flow);
    view.setInt32(SEQ_OFF, 1 + Math.imul(pass, PAYLOAD));
    into.packet(view, 0, length);
    flow += step;
    if (flow >= of) flow -= of;
    if (++inPass === of) {
      inPass = 0;
      pass++;
    }
  }
  const { user, system } = process.cpuUsage(before);
  return ((user + system) * 1000) / count;
}
