import { Meter } from '../../daemon/capture/meter.ts';
import { TunnelMeter } from '../../daemon/capture/tunnel-meter.ts';
import type { TunnelMode } from '../../daemon/config.ts';
import { FlowTable } from '../../daemon/flow/table.ts';
import { DEFAULT_TIMEOUTS } from '../../daemon/flow/timeouts.ts';
import { FlowBatch } from '../../storage/flow-batch.ts';
import { ExtraKind, hintsJson } from '../../storage/flow-extras.ts';
import { frame } from '../support/frames.ts';
import { clientHello, dnsMessage } from '../support/payloads.ts';
import { tunnelFrames } from '../support/tunnel-frames.ts';
import { Broken, fold, type Target } from './target.ts';

const MAX_FLOWS = 64;
/** Octets of payload that are kept where hints are, too. */
const PAYLOAD = 100;
/** Packets after which all flows are ended and the sums compared. */
const EPISODE = 500;

/** Meter and flow table, and those that follow tunnels and keep hints: what goes in must come out, whatever the packets and times. Octets 0 to 4 are time and length. */
export function meterTarget(tunnels: TunnelMode = 'outer'): Target {
  let meter = newMeter();
  let packets = 0;
  let octets = 0;
  function newMeter() {
    const batch = new FlowBatch(8, undefined, tunnels === 'outer' ? 0 : 1 << 14);
    const sums = { packets: 0, octets: 0 };
    const take = (): void => {
      for (let i = 0; i < batch.count; i++) {
        const { packetsFwd, packetsRev, bytesFwd, bytesRev, startSec, endSec, tunnelType } = batch.columns;
        if (tunnelType[i] === 0) {
          sums.packets += packetsFwd[i]! + packetsRev[i]!;
          sums.octets += bytesFwd[i]! + bytesRev[i]!;
        }
        if (endSec[i]! < startSec[i]!)
          throw new Broken(`a flow ends at ${endSec[i]} and begins at ${startSec[i]}`);
      }
      for (let i = 0; i < batch.changeCount; i++) {
        const { previous, decision } = batch.changes;
        if (previous[i] === decision[i])
          throw new Broken(`a change from decision ${previous[i]} to the same`);
      }
      for (const { kind, octets } of batch.extras.entries(batch.extraLength)) {
        if (kind === ExtraKind.hint) JSON.parse(hintsJson(octets));
        else if (octets.length === 0 || octets.length > PAYLOAD)
          throw new Broken(`payload of ${octets.length}`);
      }
      batch.clear();
    };
    const sink = {
      batch: (): FlowBatch => {
        if (batch.isFull) take();
        return batch;
      },
      changes: (): FlowBatch => {
        if (batch.changeCount === batch.capacity) take();
        return batch;
      },
    };
    const options = {
      maxFlows: MAX_FLOWS,
      timeouts: DEFAULT_TIMEOUTS,
      checkpointSec: 0,
      seed: 1,
      tunnels: tunnels !== 'outer',
      hints: tunnels !== 'outer',
      payloadOctets: tunnels === 'outer' ? 0 : PAYLOAD,
    };
    // The tables change every 16 packets, and with them every decision.
    const tagger = {
      get generation(): number {
        return 1 + (packets >>> 4);
      },
      onStartOver: null,
      arrive: () => {},
      isWaiting: false,
      heldUntil: () => -1,
      tag: () => (packets >>> 4) % 3,
      tagInner: () => 0,
    };
    const table = new FlowTable(options, sink, tagger);
    const meter = tunnels === 'outer' ? new Meter(table) : new TunnelMeter(table, tunnels);
    return { meter, table, sums, take };
  }
  const view = new DataView(new ArrayBuffer(8192));
  const bytes = new Uint8Array(view.buffer);
  return {
    name: tunnels === 'outer' ? 'meter' : 'levels',
    seeds: () =>
      [
        ...['S', 'SA', 'A', 'PA', 'FA', 'R'].map((flags) => frame({ flags, payload: 10 })),
        ...(tunnels === 'outer' ? [] : [...tunnelFrames(), ...hintFrames()]),
      ].map((packet) => Uint8Array.from([0, 0, 0, 1, 0, ...packet])),
    run(input) {
      const packet = input.subarray(5);
      bytes.set(packet);
      const f = meter.meter.fields;
      f.linkType = 1;
      f.captureIndex = 0;
      f.tsSec = ((input[0] ?? 0) << 16) | ((input[1] ?? 0) << 8) | (input[2] ?? 0);
      f.tsNsec = (input[3] ?? 0) * 3_900_000;
      f.wireLen = packet.length + (input[4] ?? 0);
      f.pktType = -1;
      f.strippedTci = -1;
      meter.meter.packet(view, 0, packet.length);
      packets++;
      if (f.status === 0 && f.ipVersion !== 0) octets += f.wireLen;
      if (meter.table.live > MAX_FLOWS) throw new Broken(`${meter.table.live} flows of ${MAX_FLOWS}`);
      const signature = fold(fold(f.status, f.l4Status), fold(f.ipProto, f.tcpFlags));
      if (packets === EPISODE) {
        meter.table.endAll('eof');
        meter.take();
        const c = meter.meter.counters.read(0);
        const ip = c.decodedIpv4 + c.decodedIpv6;
        const { sums } = meter;
        const counted = `${c.packets} packets, ${ip} IP, in flows ${sums.packets}; ${octets} octets, in flows ${sums.octets}`;
        if (ip + c.decodedArp + c.decodedOther + c.undecoded !== c.packets || c.packets !== packets)
          throw new Broken(`received is not decoded and undecodable: ${counted}`);
        if (sums.packets !== ip || sums.octets !== octets) throw new Broken(`lost or doubled: ${counted}`);
        meter = newMeter();
        packets = 0;
        octets = 0;
      }
      return signature;
    },
  };
}

/** Packets of which hints are kept. */
function hintFrames(): Uint8Array[] {
  return [
    frame({ proto: 'udp', dport: 53, payload: dnsMessage('www.example.org', 1) }),
    frame({ flags: 'PA', payload: clientHello({ sni: 'www.example.org', padding: 100, alpn: ['h2'] }) }),
    frame({ flags: 'PA', payload: Buffer.from('GET / HTTP/1.1\r\nHost: example.org\r\n\r\n') }),
    frame({ flags: 'PA', payload: Buffer.from('SSH-2.0-x\r\n') }),
  ];
}
