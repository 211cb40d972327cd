import { CONN_STATES, EndReasonCode } from '../storage/flow-batch.ts';
import { zeroCounters } from '../storage/messages.ts';
import { FlowWriter } from '../storage/writer.ts';
import { addRecord, batchOf, captureInfo, decision } from '../test/storage/records.ts';
import { Random } from '../test/support/random.ts';

const BATCH = 2048;
const BEGIN_SEC = 1_790_000_000;
/** Port, share and protocol of what is talked. */
const SERVICES = [
  [443, 0.42, 6],
  [53, 0.24, 17],
  [80, 0.12, 6],
  [5432, 0.07, 6],
  [22, 0.03, 6],
  [123, 0.03, 17],
  [8080, 0.05, 6],
  [5201, 0.04, 6],
] as const;
const DECISIONS = [
  decision(),
  decision({
    type: 'local',
    verdict: 'deliver',
    table: 'local',
    prefix: '10.1.0.7/32',
    gateway: null,
    dev: 'lo',
  }),
  decision({ prefix: '0.0.0.0/0', gateway: '10.0.0.1', dev: 'uplink0' }),
  decision({
    type: 'blackhole',
    verdict: 'drop',
    prefix: '10.66.0.0/16',
    gateway: null,
    dev: null,
    observed: 'n/a',
    reason: 'a blackhole route matches',
  }),
  decision({
    type: 'martian',
    verdict: 'drop',
    table: null,
    prefix: null,
    gateway: null,
    dev: null,
    observed: 'n/a',
    reason: 'the reverse path to the source is another interface (rp_filter)',
  }),
];

/**
 * Makes a database of flows that look like those of a small network: few hosts have most of the octets, an hour of time.
 * @param flows to the next 2,048
 */
export function fillDatabase(path: string, flows: number, isSeries = false): void {
  const numbers = new Random(7);
  const random = (): number => numbers.fraction();
  const writer = new FlowWriter(path, {
    kind: 'daemon',
    version: '0.1.0',
    commandLine: "nstap daemon --netns 'lab-*'",
    timeseries: isSeries,
  });
  const channel = writer.channel();
  const places = [
    ['lab-a', 'eth0'],
    ['lab-a', 'veth-b'],
    ['lab-b', 'eth0'],
    ['router', 'uplink0'],
  ] as const;
  for (const [index, [netns, name]] of places.entries())
    writer.write([[channel, { type: 'capture', info: captureInfo(index, { netns, interface: name }) }]]);
  writer.write([[channel, { type: 'decisions', base: 0, list: DECISIONS }]]);
  const batch = batchOf(...Array.from({ length: BATCH }, () => ({})));
  const perFlow = 3600 / flows;
  for (let seq = 0; seq < flows; ) {
    batch.count = 0;
    for (let i = 0; i < BATCH; i++, seq++) {
      const at = BEGIN_SEC + Math.floor(seq * perFlow * (0.8 + 0.2 * Math.sin((seq / flows) * 12)));
      const host = Math.floor(40 * random() ** 3);
      const peer = Math.floor(200 * random() ** 4);
      let pick = random();
      const [port, , proto] =
        SERVICES.find(([, share]) => {
          pick -= share;
          return pick < 0;
        }) ?? SERVICES[0];
      const isTcp = proto === 6;
      const isLost = random() < 0.03;
      const size = Math.floor(10 ** (2.5 + 4 * random() ** 2.5));
      const way = isLost ? 3 + Math.floor(random() * 2) : Math.floor(random() * 3);
      const lasting = Math.floor(random() ** 4 * 90);
      const states = ['SF', 'SF', 'SF', 'SF', 'S1', 'RSTO', 'REJ', 'RSTR', 'OTH'] as const;
      const state = isLost ? 'S0' : isTcp ? states[Math.floor(random() * states.length)]! : 'SF';
      addRecord(batch, {
        seq,
        capture: Math.floor(random() ** 2 * places.length),
        proto,
        src: [10, 1, 0, host + 2],
        dst: isLost ? [10, 66, 0, peer] : [10, 2, peer >> 4, peer],
        ports: [20_000 + Math.floor(random() * 40_000), port],
        start: [at, Math.floor(random() * 1e9)],
        end: [at + lasting + 1, Math.floor(random() * 1e9)],
        packets: isLost ? [1, 0] : [4 + Math.floor(size / 900), 3 + Math.floor(size / 700)],
        bytes: isLost ? [74, 0] : [400 + Math.floor(size * 0.1), size],
        retransmits: isTcp && random() < 0.06 ? [Math.floor(random() * 5), Math.floor(random() * 9)] : [0, 0],
        rttNs: isTcp && !isLost ? Math.floor(10 ** (5 + 3 * random())) : -1,
        connState: CONN_STATES.indexOf(state),
        endReason: isLost ? EndReasonCode.idle : EndReasonCode.fin,
        history: isTcp ? (isLost ? 'S' : 'ShADadFf') : 'Dd',
        route: [way, isLost ? -1 : 1],
      });
    }
    writer.write([[channel, { type: 'batch', batch }]]);
  }
  for (const [captureIndex] of places.entries()) {
    const packets = 40 * flows;
    const counters = {
      ...zeroCounters(),
      packets,
      bytes: packets * 600,
      decodedIpv4: packets - 12,
      undecoded: 12,
      received: packets,
      kernelDrops: captureIndex === 3 ? 1732 : 0,
      evictedFlows: captureIndex === 0 ? 5 : 0,
    };
    writer.write([[channel, { type: 'counters', captureIndex, counters, span: null, final: true }]]);
  }
  writer.close();
}
