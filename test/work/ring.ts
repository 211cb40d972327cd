import { ftruncateSync } from 'node:fs';
import type { LiveSource, PacketSink, SourceStats } from '../../daemon/capture/packet-source.ts';
import { RingSource } from '../../daemon/capture/ring-source.ts';
import { PacketRing } from '../../daemon/kernel/packet-ring.ts';
import { PacketType } from '../../decoders/packet-fields.ts';
import { type LapPacket, move } from './conversations.ts';

const BLOCK_SIZE = 1 << 16;
const BLOCKS = 64;
/** Of struct tpacket_block_desc, see tpacket3.ts. */
const DESCRIPTOR = 48;
const STATUS_OFF = 8;
const TP_STATUS_USER = 1;
/** As on virtual links: there is no checksum to be looked at, and the frames have none. */
const TP_STATUS_CSUM_VALID = 1 << 7;
/** The second in which all packets come: with this clock no flow is idle or due for a checkpoint, however slow the machine. */
export const PACKETS_SEC = 1_790_000_000;
/** From a tpacket3_hdr to its frame: 68 octets, aligned to 16. */
const MAC = 80;

/**
 * A RingSource over a file in place of a socket, with blocks that are laid out and handed over as the kernel does. It always has
 * more until it is stopped. What a socket is asked beyond its ring has no answer here.
 */
export class FileRing implements LiveSource {
  readonly fd: number;
  readonly duplicates = 0;
  readonly restMs = 0;
  readonly drainedUntilMs = 0;
  readonly ended = null;
  blocks = 0;
  packets = 0;
  readonly #source: RingSource;
  readonly #kernel: PacketRing;
  readonly #lap: readonly LapPacket[];
  readonly #blocksADrain: number;
  readonly #status: Int32Array;
  #next = 0;
  #number = 0;
  #block = 0;
  #isStopped = false;

  /**
   * @param fd of an empty file, opened for reading and writing; stays the caller's
   * @param lap packets that come again and again
   * @param blocksADrain handed over before each drain: one is a calm interface, 16 a busy one
   */
  constructor(fd: number, lap: readonly LapPacket[], blocksADrain: number) {
    this.fd = fd;
    this.#lap = lap;
    this.#blocksADrain = blocksADrain;
    const ring = { blockSize: BLOCK_SIZE, blockCount: BLOCKS, frameSize: BLOCK_SIZE };
    ftruncateSync(fd, BLOCK_SIZE * BLOCKS);
    this.#kernel = new PacketRing(fd, ring, 'test');
    this.#status = new Int32Array(this.#kernel.words.buffer);
    this.#source = new RingSource(
      fd,
      { captureIndex: 0, linkType: 1, cooked: false, loopback: false, ring, object: 'test' },
      () => {},
    );
  }

  get span(): LiveSource['span'] {
    return this.#source.span;
  }

  drain(sink: PacketSink): number {
    if (this.#isStopped) return 0;
    for (let i = 0; i < this.#blocksADrain; i++) this.#fill();
    const packets = this.#source.drain(sink);
    this.packets += packets;
    return packets;
  }

  stats(): SourceStats {
    return { received: this.packets, drops: 0, freezes: 0 };
  }

  handOver(captureIndex: number): void {
    this.#source.handOver(captureIndex);
  }

  stop(): void {
    this.#isStopped = true;
  }

  pending(): number {
    return 0;
  }

  close(): void {
    this.#kernel.close();
  }

  /** Puts the next packets into the next block, and gives it to the source. */
  #fill(): void {
    const { view, words, halfWords } = this.#kernel;
    const start = this.#block * BLOCK_SIZE;
    let off = start + DESCRIPTOR;
    let count = 0;
    let last = -1;
    for (;;) {
      const packet = this.#lap[this.#next]!;
      const size = (MAC + packet.bytes.length + 15) & ~15;
      if (off + size > start + BLOCK_SIZE) break;
      if (last >= 0) words[last >>> 2] = off - last;
      const word = off >>> 2;
      words[word] = 0;
      words[word + 1] = PACKETS_SEC;
      words[word + 2] = this.#number * 1000;
      words[word + 3] = packet.bytes.length;
      words[word + 4] = packet.bytes.length;
      words[word + 5] = TP_STATUS_USER | TP_STATUS_CSUM_VALID;
      halfWords[(off >>> 1) + 12] = MAC;
      words[word + 8] = 0;
      view.setUint8(off + 58, PacketType.Host);
      for (let i = 0; i < packet.bytes.length; i++) view.setUint8(off + MAC + i, packet.bytes[i]!);
      move(view, off + MAC, packet, this.#number);
      last = off;
      off += size;
      count++;
      if (++this.#next === this.#lap.length) {
        this.#next = 0;
        this.#number++;
      }
    }
    words[(start >>> 2) + 3] = count;
    words[(start >>> 2) + 4] = DESCRIPTOR;
    this.blocks++;
    this.#block = (this.#block + 1) % BLOCKS;
    Atomics.store(this.#status, (start + STATUS_OFF) >>> 2, TP_STATUS_USER);
  }
}
