import { writeFileSync } from 'node:fs';
import { frame } from './frames.ts';
import type { Random } from './random.ts';

/** Octets of a pcap file's header, and of a record's. */
export const FILE_HEADER = 24;
export const RECORD_HEADER = 16;

/** What happens to the time between two packets of a capture, as parts in a thousand. */
export interface Steps {
  /** A gap of up to ten minutes. */
  gap: number;
  /** The clock is set back by up to two hours. */
  back: number;
  /** One packet without a time. */
  undated: number;
  /** One packet of a time far ahead. */
  absurd: number;
  /** One packet of up to 50 seconds before. */
  late: number;
}

/** An Ethernet capture out of records. Times in seconds and microseconds. */
export function writeCapture(
  path: string,
  packets: Iterable<readonly [bytes: Uint8Array, sec: number, usec: number]>,
): void {
  const header = Buffer.alloc(FILE_HEADER);
  header.writeUInt32LE(0xa1b2c3d4, 0);
  header.writeUInt16LE(2, 4);
  header.writeUInt16LE(4, 6);
  header.writeUInt32LE(65_535, 16);
  header.writeUInt32LE(1, 20);
  const pieces: Uint8Array[] = [header];
  for (const [bytes, sec, usec] of packets) {
    const record = Buffer.alloc(RECORD_HEADER);
    record.writeUInt32LE(sec, 0);
    record.writeUInt32LE(usec, 4);
    record.writeUInt32LE(bytes.length, 8);
    record.writeUInt32LE(bytes.length, 12);
    pieces.push(record, bytes);
  }
  writeFileSync(path, Buffer.concat(pieces));
}

/** Packets between some hosts, of every kind that a shard is chosen by, at times that jump. */
export function* randomPackets(
  random: Random,
  count: number,
  steps: Steps,
): Generator<[Uint8Array, number, number]> {
  let sec = 1_700_000_000;
  for (let i = 0; i < count; i++) {
    const dice = random.below(1000);
    if (dice < steps.gap) sec += random.below(600);
    else if (dice < steps.gap + steps.back) sec -= random.below(7200);
    else if (random.below(20) === 0) sec++;
    let at = sec;
    if (random.below(1000) < steps.undated) at = 0;
    else if (random.below(1000) < steps.absurd) at = sec + 1_000_000 + random.below(1_000_000);
    else if (random.below(1000) < steps.late) at = sec - random.below(50);
    yield [randomFrame(random), at, at === 0 ? 0 : random.below(1_000_000)];
  }
}

function randomFrame(random: Random): Uint8Array {
  const isIPv6 = random.below(4) === 0;
  const host = (): string =>
    isIPv6 ? `fd00::${random.below(6)}` : `10.0.${random.below(2)}.${random.below(6)}`;
  const bytes = frame({
    src: host(),
    dst: host(),
    proto: random.pick(['tcp', 'tcp', 'udp', isIPv6 ? 58 : 'icmp', 47] as const),
    sport: random.below(4),
    dport: random.below(4),
    flags: random.pick(['S', 'SA', 'A', 'A', 'PA', 'FA', 'R']),
    seq: random.below(1000),
    ack: random.below(1000),
    payload: random.below(40),
    ipId: random.below(50),
    ...(random.below(8) === 0
      ? { vlan: Array.from({ length: 1 + random.below(3) }, () => 1 + random.below(3)) }
      : {}),
    ...(random.below(6) === 0 && !isIPv6 ? { moreFragments: true, fragOff: 8 * random.below(2) } : {}),
  });
  if (random.below(40) === 0) return bytes.subarray(0, random.below(bytes.length));
  if (random.below(40) === 0) bytes[12 + random.below(8)] = random.below(256);
  return bytes;
}
