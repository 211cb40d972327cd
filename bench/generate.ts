import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { frame } from '../test/support/frames.ts';

/** Where inputs and results are kept from run to run. */
export const BENCH_FOLDER = fileURLToPath(new URL('../.bench/', import.meta.url));

/** Octets of a capture that is kept after its part; larger ones are removed unless `--keep` is given. */
const KEPT_MAX = 3e9;
const FILE_HEADER = 24;
const RECORD_HEADER = 16;
const CHUNK = 4 << 20;
const BEGIN_SEC = 1_790_000_000;
/** Simple IMIX: of twelve frames seven of 64 octets, four of 594, one of 1518. */
const IMIX = [64, 594, 64, 64, 594, 64, 1518, 64, 594, 64, 64, 594];
const FIRST_VLAN = 100;
const VLANS = 8;

/** What a generated capture holds. */
export interface CaptureSpec {
  packets: number;
  /** Of which packets are drawn; of few packets and many flows some have none, see `flowsIn`. */
  flows: number;
  /** Octets of every frame, 64 to 1514; or a mix of sizes. */
  frameLen: number | 'imix';
  seed: number;
  /** 4 when left out. IPv6 takes frames of 74 octets and more. */
  ipVersion?: 4 | 6;
  /** One 802.1Q tag on each frame, of eight ids. */
  isTagged?: boolean;
  /** Each TCP segment sends what follows its flow's last one. Left out: all have sequence number 1, as if sent again. */
  isMoving?: boolean;
  /** Times in microseconds, as old readers need them; nanoseconds when left out. */
  isMicro?: boolean;
}

/**
 * Writes (once) a classic pcap: TCP and UDP, packets of random flows, one microsecond apart, all from originator to responder;
 * checksums are 0. The same spec gives the same octets. A file that is there with its size is taken as it is.
 * @param folder created when it is not there
 * @returns its path
 */
export function generateCapture(spec: CaptureSpec, folder = BENCH_FOLDER): string {
  mkdirSync(folder, { recursive: true });
  const path = join(folder, `${nameOf(spec)}.pcap`);
  if (existsSync(path) && statSync(path).size === captureSize(spec)) return path;
  const partial = `${path}.${process.pid}.partial`;
  const fd = openSync(partial, 'w');
  try {
    writeCapture(spec, (octets) => writeAll(fd, octets));
    fsyncSync(fd); // else the disk would be written to while others are measured
  } catch (error) {
    rmSync(partial, { force: true });
    throw error;
  } finally {
    closeSync(fd);
  }
  renameSync(partial, path);
  return path;
}

/** Removes a capture that is too large to be kept. */
export function releaseCapture(path: string, isKept: boolean): void {
  if (!isKept && existsSync(path) && statSync(path).size > KEPT_MAX) rmSync(path);
}

/** Octets of the file. */
export function captureSize({ packets, frameLen }: CaptureSpec): number {
  const lengths = frameLen === 'imix' ? IMIX : [frameLen];
  const round = lengths.reduce((sum, length) => sum + length + RECORD_HEADER, 0);
  const rest = lengths
    .slice(0, packets % lengths.length)
    .reduce((sum, length) => sum + length + RECORD_HEADER, 0);
  return FILE_HEADER + Math.floor(packets / lengths.length) * round + rest;
}

/** Flows that have a packet. */
export function flowsIn({ packets, flows, seed }: CaptureSpec): number {
  const seen = new Uint8Array(flows);
  const order = new FlowOrder(seed, flows);
  let count = 0;
  for (let n = 0; n < packets; n++) {
    const flow = order.next();
    count += 1 - seen[flow]!;
    seen[flow] = 1;
  }
  return count;
}

/** The flow of one packet after the other: xorshift32, whose low bits are as good as its high ones. */
class FlowOrder {
  #state: number;
  readonly #flows: number;

  constructor(seed: number, flows: number) {
    this.#state = seed | 0;
    this.#flows = flows;
  }

  next(): number {
    let x = this.#state;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.#state = x;
    return (x >>> 0) % this.#flows;
  }
}

function nameOf(spec: CaptureSpec): string {
  const marks = [
    spec.ipVersion === 6 ? '-v6' : '',
    spec.isTagged ? '-vlan' : '',
    spec.isMoving ? '-moving' : '',
    spec.isMicro ? '-us' : '',
  ];
  return `p${spec.packets}-f${spec.flows}-l${spec.frameLen}-s${spec.seed}${marks.join('')}`;
}

/** Writes until all is written: a call may take less. */
function writeAll(fd: number, octets: Uint8Array): void {
  for (let at = 0; at < octets.length; ) at += writeSync(fd, octets, at);
}

function writeCapture(spec: CaptureSpec, write: (octets: Uint8Array) => void): void {
  const { packets, flows, frameLen } = spec;
  const lengths = frameLen === 'imix' ? IMIX : [frameLen];
  const templates = lengths.map((length) => [
    template(spec, length, 'tcp'),
    template(spec, length, 'udp'),
  ]) as [Uint8Array, Uint8Array][];
  const layout = layoutOf(spec);
  const order = new FlowOrder(spec.seed, flows);
  const sent = spec.isMoving ? new Uint32Array(flows).fill(1) : null;
  const chunk = Buffer.alloc(CHUNK);
  const view = new DataView(chunk.buffer, chunk.byteOffset, chunk.length);
  const ticks = spec.isMicro ? 1 : 1000;
  write(fileHeader(spec.isMicro === true));
  let at = 0;
  for (let n = 0; n < packets; n++) {
    const pair = templates[n % lengths.length]!;
    const octets = pair[0].length;
    if (at + octets > CHUNK) {
      write(chunk.subarray(0, at));
      at = 0;
    }
    const flow = order.next();
    const isTcp = flow % 2 === 0;
    chunk.set(pair[isTcp ? 0 : 1], at);
    view.setUint32(at, BEGIN_SEC + Math.floor(n / 1e6), true);
    view.setUint32(at + 4, (n % 1e6) * ticks, true);
    const frameOff = at + RECORD_HEADER;
    view.setUint32(frameOff + layout.src, layout.isV6 ? flow : 0x0a00_0000 + (flow & 0xff_ffff));
    view.setUint8(frameOff + layout.dstNet, flow % 7);
    view.setUint16(frameOff + layout.ports, 1024 + (flow % 60000));
    view.setUint16(frameOff + layout.ports + 2, 80 + (flow % 5));
    if (layout.vlan > 0) view.setUint16(frameOff + layout.vlan, FIRST_VLAN + (flow % VLANS));
    if (sent !== null && isTcp) {
      view.setUint32(frameOff + layout.ports + 4, sent[flow]!);
      sent[flow]! += octets - RECORD_HEADER - layout.ports - 20;
    }
    at += octets;
  }
  write(chunk.subarray(0, at));
}

function fileHeader(isMicro: boolean): Buffer {
  const header = Buffer.alloc(FILE_HEADER);
  header.writeUInt32LE(isMicro ? 0xa1b2c3d4 : 0xa1b23c4d, 0);
  header.writeUInt16LE(2, 4);
  header.writeUInt16LE(4, 6);
  header.writeUInt32LE(65535, 16);
  header.writeUInt32LE(1, 20);
  return header;
}

/** Where in a frame stands what differs from flow to flow; octets from its start. */
function layoutOf(spec: CaptureSpec): {
  isV6: boolean;
  src: number;
  dstNet: number;
  ports: number;
  vlan: number;
} {
  const ip = spec.isTagged ? 18 : 14;
  const isV6 = spec.ipVersion === 6;
  return {
    isV6,
    /** The last four octets of the originator's address. */
    src: isV6 ? ip + 20 : ip + 12,
    /** The octet before the last of the responder's. */
    dstNet: isV6 ? ip + 38 : ip + 18,
    ports: isV6 ? ip + 40 : ip + 20,
    vlan: spec.isTagged ? 14 : 0,
  };
}

/** The record of a frame, with its header. */
function template(spec: CaptureSpec, length: number, proto: 'tcp' | 'udp'): Uint8Array {
  const headers = layoutOf(spec).ports + (proto === 'tcp' ? 20 : 8);
  if (length < headers)
    throw new Error(`generate ${nameOf(spec)}: a frame of ${length} octets has no room for ${headers}`);
  const isV6 = spec.ipVersion === 6;
  const octets = frame({
    proto,
    flags: 'PA',
    src: isV6 ? 'fd00::1' : '10.0.0.0',
    dst: isV6 ? 'fd00:c8::1' : '10.200.0.1',
    vlan: spec.isTagged ? [FIRST_VLAN] : [],
    payload: length - headers,
  });
  const record = Buffer.alloc(RECORD_HEADER + length);
  record.writeUInt32LE(length, 8);
  record.writeUInt32LE(length, 12);
  record.set(octets, RECORD_HEADER);
  return record;
}
