import { PcapWriter } from '../../decoders/pcap-writer.ts';
import { type FrameSpec, frame, u32 } from './frames.ts';

/** Microseconds between two packets of a scene. */
const STEP_US = 100;
const CLIENT = { src: '10.0.0.9', sport: 5000, dst: '10.0.0.1', dport: 80 };
const SERVER = { src: '10.0.0.1', sport: 80, dst: '10.0.0.9', dport: 5000 };

/** A packet of a scene, and how many microseconds it comes behind the one before. */
export interface Segment {
  spec: FrameSpec;
  wait: number;
}

/**
 * A packet in short: who (`c`lient or `s`erver), flag letters ("udp" for a datagram), then any of `seq=`, `ack=`, `pay=`,
 * `win=`, `mss=`, `scale=`, `ts=` (timestamp, with its echo in `ecr=`), `wait=` (microseconds), `sport=` and `dport=`: "c S seq=9".
 */
export function segment(text: string): Segment {
  const [who, flags, ...rest] = text.split(' ');
  const values = Object.fromEntries(rest.map((r) => [r.split('=')[0]!, Number(r.split('=')[1])]));
  const options: number[] = [];
  if (values.mss !== undefined) options.push(2, 4, values.mss >> 8, values.mss & 0xff);
  if (values.scale !== undefined) options.push(1, 3, 3, values.scale);
  if (values.ts !== undefined) options.push(1, 1, 8, 10, ...u32(values.ts), ...u32(values.ecr ?? 0));
  const ends = who === 'c' ? CLIENT : SERVER;
  const spec: FrameSpec = {
    ...ends,
    sport: values.sport ?? ends.sport,
    dport: values.dport ?? ends.dport,
    ...(flags === 'udp' ? { proto: 'udp' as const } : { flags: flags! }),
    seq: values.seq ?? 1,
    ack: values.ack ?? (flags!.includes('A') ? 1 : 0),
    payload: values.pay ?? 0,
    window: values.win ?? 1000,
    options,
  };
  return { spec, wait: values.wait ?? STEP_US };
}

/** Writes packets as a pcap file; the first one is at 1,700,000,000 s. */
export function writeSegments(path: string, packets: readonly string[]): void {
  const writer = new PcapWriter(path, { linkType: 1 });
  let micros = 0;
  for (const [i, text] of packets.entries()) {
    const { spec, wait } = segment(text);
    if (i > 0) micros += wait;
    const bytes = frame(spec);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    writer.packet(view, 0, bytes.length, {
      tsSec: 1_700_000_000 + Math.floor(micros / 1e6),
      tsNsec: (micros % 1e6) * 1000,
      wireLen: bytes.length,
      strippedTci: -1,
      strippedTpid: 0,
      pktType: -1,
    });
  }
  writer.close();
}
