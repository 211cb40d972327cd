import koffi from 'koffi';
import { SyscallError } from './errors.ts';
import { check, errno, libc } from './libc.ts';
import { detach } from './native-memory.ts';
import type { RingGeometry } from './packet-socket.ts';

const mmapCall = libc.func(
  'void *mmap(void *addr, size_t length, int prot, int flags, int fd, int64_t offset)',
);
const munmapCall = libc.func('int munmap(void *addr, size_t length)');

const PROT_READ = 1;
const PROT_WRITE = 2;
const MAP_SHARED = 1;
/** MAP_FAILED is (void *) -1; FFI gives it as an unsigned address, not as null. */
const MAP_FAILED = 0xffff_ffff_ffff_ffffn;

/** Block states. linux/if_packet.h */
const TP_STATUS_KERNEL = 0;
const TP_STATUS_USER = 1;
/** Offset of tpacket_hdr_v1.block_status in struct tpacket_block_desc (u32 version, u32 offset_to_priv before it). */
const BLOCK_STATUS_OFF = 8;

/**
 * The memory of a TPACKET_V3 ring, mapped: one ArrayBuffer over all blocks. Mapping needs no capability, so the
 * descriptor may come from a privileged process. The views must not leave the thread (a ring's memory cannot be
 * transferred), and find no octets after `close`.
 */
export class PacketRing {
  readonly blockSize: number;
  readonly blockCount: number;
  /** The whole ring: octet 0 is the descriptor of block 0. */
  readonly view: DataView<ArrayBuffer>;
  /** The same memory as u32 and u16 in native order, in which the kernel writes the tpacket headers. */
  readonly words: Uint32Array<ArrayBuffer>;
  readonly halfWords: Uint16Array<ArrayBuffer>;
  readonly #address: bigint;
  readonly #status: Int32Array<ArrayBuffer>;
  #open = true;

  /**
   * @param fd       a packet socket that has a ring of exactly this geometry; stays the caller's
   * @param geometry what PACKET_RX_RING was given
   * @param object   interface and namespace, for the error
   * @throws SyscallError
   */
  constructor(fd: number, geometry: RingGeometry, object: string) {
    this.blockSize = geometry.blockSize;
    this.blockCount = geometry.blockCount;
    const length = geometry.blockSize * geometry.blockCount;
    const address = mmapCall(null, length, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (address === MAP_FAILED) throw new SyscallError('mmap', `${object} (ring)`, errno());
    this.#address = address;
    const buffer = koffi.view(address, length);
    this.view = new DataView(buffer);
    this.words = new Uint32Array(buffer);
    this.halfWords = new Uint16Array(buffer);
    this.#status = new Int32Array(buffer);
  }

  /**
   * True when the kernel has handed over the block, by load-acquire: what the kernel wrote before is visible. A plain
   * read could be hoisted out of the caller's loop.
   */
  isReady(block: number): boolean {
    return (
      (Atomics.load(this.#status, (block * this.blockSize + BLOCK_STATUS_OFF) >>> 2) & TP_STATUS_USER) !== 0
    );
  }

  /** Gives the block back to the kernel, which may overwrite it at once. */
  release(block: number): void {
    Atomics.store(this.#status, (block * this.blockSize + BLOCK_STATUS_OFF) >>> 2, TP_STATUS_KERNEL);
  }

  /** Unmaps the ring. Idempotent. */
  close(): void {
    if (!this.#open) return;
    this.#open = false;
    detach(this.view.buffer);
    check(munmapCall(this.#address, this.blockSize * this.blockCount), 'munmap', 'packet ring');
  }

  [Symbol.dispose](): void {
    this.close();
  }
}
