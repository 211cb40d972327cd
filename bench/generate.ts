import { closeSync, existsSync, mkdirSync, openSync, statSync, writeSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { frame } from '../test/support/frames.ts';

const FOLDER = fileURLToPath(new URL('../.bench/', import.meta.url));

/** What a generated capture holds. */
export interface CaptureSpec {
  packets: number;
  flows: number;
  /** Octets of every frame, 64 to 1514. */
  frameLen: number;
  seed: number;
}

/**
 * Writes (once) a classic pcap with nanosecond times: TCP and UDP over IPv4, packets of random flows, one microsecond
 * apart. The same spec gives the same octets.
 * @returns its path
 */
export function generateCapture(spec: CaptureSpec): string {
  mkdirSync(FOLDER, { recursive: true });
  const path = `${FOLDER}p${spec.packets}-f${spec.flows}-l${spec.frameLen}-s${spec.seed}.pcap`;
  const record = 16 + spec.frameLen;
  const size = 24 + spec.packets * record;
  if (existsSync(path) && statSync(path).size === size) return path;
  const frames = Array.from({ length: spec.flows }, (_, i) => flowFrame(i, spec.frameLen));
  const fd = openSync(path, 'w');
  const header = Buffer.alloc(24);
  header.writeUInt32LE(0xa1b23c4d, 0);
  header.writeUInt16LE(2, 4);
  header.writeUInt16LE(4, 6);
  header.writeUInt32LE(65535, 16);
  header.writeUInt32LE(1, 20);
  writeSync(fd, header);
  const perChunk = Math.max(1, Math.floor((4 << 20) / record));
  let state = spec.seed >>> 0;
  for (let n = 0; n < spec.packets; ) {
    const count = Math.min(perChunk, spec.packets - n);
    const chunk = Buffer.alloc(count * record);
    for (let i = 0; i < count; i++, n++) {
      // xorshift32: its low bits are as good as its high ones
      state ^= state << 13;
      state ^= state >>> 17;
      state ^= state << 5;
      const at = i * record;
      chunk.writeUInt32LE(1_790_000_000 + Math.floor(n / 1e6), at);
      chunk.writeUInt32LE((n % 1e6) * 1000, at + 4);
      chunk.writeUInt32LE(spec.frameLen, at + 8);
      chunk.writeUInt32LE(spec.frameLen, at + 12);
      chunk.set(frames[(state >>> 0) % spec.flows]!, at + 16);
    }
    writeSync(fd, chunk);
  }
  closeSync(fd);
  return path;
}

function flowFrame(i: number, length: number): Uint8Array {
  const proto = i % 2 === 0 ? 'tcp' : 'udp';
  const headers = proto === 'tcp' ? 54 : 42;
  return frame({
    proto,
    flags: 'PA',
    src: `10.${(i >> 16) & 255}.${(i >> 8) & 255}.${i & 255}`,
    dst: `10.200.${i % 7}.1`,
    sport: 1024 + (i % 60000),
    dport: 80 + (i % 5),
    payload: length - headers,
  });
}
