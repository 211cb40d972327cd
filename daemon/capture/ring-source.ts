import type { PacketSpan } from '../../storage/messages.ts';
import { close } from '../kernel/libc.ts';
import { PacketRing } from '../kernel/packet-ring.ts';
import {
  attachFilter,
  isInterfaceGone,
  RING_RETIRE_MS,
  replaceFilter,
  type RingGeometry,
  snapLenFilter,
  takePacketStatistics,
} from '../kernel/packet-socket.ts';
import { takeSocketError } from '../kernel/socket.ts';
import type { LiveSource, PacketSink, SourceStats } from './packet-source.ts';
import { type BlockWalk, walkBlock } from './tpacket3.ts';

/** Blocks that one `drain` delivers at most, so that a busy interface does not starve the others of its thread. */
const BLOCKS_PER_DRAIN = 16;

/**
 * Under load the kernel wakes the reader for each block: 700 times a second at 1.2 million small packets, each time in front of a
 * sender that runs and into cold caches. A drain that gave so many packets is followed by a rest of REST_MS, as far as that is no
 * more than a millisecond for each twelve blocks of the ring; a drain that found an eighth of the blocks full is not.
 */
const REST_PACKETS = 512;
const REST_MS = 10;
const REST_BLOCKS_A_MS = 12;
const REST_SHARE = 8;

/** After its interface is gone a ring gets this long for its last, partly filled block to be retired. */
const LAST_BLOCK_MS = 3 * RING_RETIRE_MS;
/** And this long when packets are known to be in it: a busy host's timer is late. */
const LAST_BLOCK_MAX_MS = 500;

/**
 * The kernel may stamp a packet so long before it counts it: on its way through the backlog of a CPU (netdev_tstamp_prequeue in
 * net/core/dev.c), or with its softirq interrupted.
 */
const STAMP_LEAD_MS = 20;

/** What a RingSource is told about its capture. Plain data: it crosses processes and threads. */
export interface RingSourceOptions {
  captureIndex: number;
  /** LINKTYPE_ value. */
  linkType: number;
  /** See LinkLayer. */
  cooked: boolean;
  /** True for an interface with IFF_LOOPBACK. */
  loopback: boolean;
  ring: RingGeometry;
  /** Interface and namespace, for error messages: "veth0 in a". */
  object: string;
}

/** A packet socket's TPACKET_V3 ring as a source: walks it in place, without a copy. */
export class RingSource implements LiveSource {
  readonly fd: number;
  readonly #object: string;
  readonly #ring: PacketRing;
  readonly #walk: BlockWalk;
  #stats: SourceStats = { received: 0, drops: 0, freezes: 0 };
  readonly #closeFd: (fd: number) => void;
  #block = 0;
  /** Since the ring was opened, whoever it was handed over to: taken by the kernel and not dropped, and given to a sink or left out. */
  #taken = 0;
  #given = 0;
  #drainedUntilMs = 0;
  #goneAtMs = -1;
  #ended: string | null = null;
  #open = true;
  #stopped = false;
  readonly #restMs: number;
  #mayRest = false;

  /**
   * Maps the ring; needs no capability.
   * @param fd      a socket of openPacketSocket, possibly opened by another process; owned by this object once it is made
   * @param closeFd closes it in the end. The kernel waits for two grace periods of RCU then (packet_release in
   *                net/packet/af_packet.c): 31 ms on Linux 6.18, for which a thread that has other rings leaves it to another
   * @throws SyscallError when the ring cannot be mapped; the descriptor is still the caller's then
   */
  constructor(fd: number, options: RingSourceOptions, closeFd: (fd: number) => void = close) {
    this.fd = fd;
    this.#closeFd = closeFd;
    this.#object = options.object;
    this.#ring = new PacketRing(fd, options.ring, options.object);
    const { blockCount } = options.ring;
    this.#restMs = Math.min(REST_MS, Math.floor(blockCount / REST_BLOCKS_A_MS));
    this.#walk = {
      captureIndex: options.captureIndex,
      linkType: options.linkType,
      dropOutgoing: options.loopback,
      cooked: options.cooked,
      duplicates: 0,
      firstSec: -1,
      firstNsec: 0,
      lastSec: 0,
      lastNsec: 0,
    };
  }

  get span(): PacketSpan {
    return this.#walk;
  }

  get drainedUntilMs(): number {
    return this.#drainedUntilMs;
  }

  get ended(): string | null {
    return this.#ended;
  }

  get restMs(): number {
    return this.#mayRest ? this.#restMs : 0;
  }

  get duplicates(): number {
    return this.#walk.duplicates;
  }

  drain(sink: PacketSink): number {
    if (!this.#open) return 0;
    const ring = this.#ring;
    const duplicatesBefore = this.#walk.duplicates;
    let delivered = 0;
    let blocks = 0;
    while (blocks < BLOCKS_PER_DRAIN && ring.isReady(this.#block)) {
      delivered += walkBlock(ring, this.#block, this.#walk, sink);
      ring.release(this.#block);
      this.#block = this.#block + 1 === ring.blockCount ? 0 : this.#block + 1;
      blocks++;
    }
    this.#given += delivered + this.#walk.duplicates - duplicatesBefore;
    this.#mayRest = delivered >= REST_PACKETS && blocks * REST_SHARE < ring.blockCount;
    if (blocks === 0) this.#checkInterface();
    return delivered;
  }

  stats(): SourceStats {
    if (this.#open) {
      const nowMs = Date.now();
      const since = takePacketStatistics(this.fd, this.#object);
      this.#taken += since[0]! - since[1]!;
      if (this.#taken === this.#given) this.#drainedUntilMs = nowMs - STAMP_LEAD_MS;
      this.#stats.received += since[0]!;
      this.#stats.drops += since[1]!;
      this.#stats.freezes += since[2]!;
    }
    return this.#stats;
  }

  pending(): number {
    this.stats();
    return this.#taken - this.#given;
  }

  handOver(captureIndex: number): void {
    // What the kernel has counted since they were read last goes to the next capture: each is counted once.
    this.#stats = { received: 0, drops: 0, freezes: 0 };
    this.#walk.duplicates = 0;
    this.#walk.firstSec = -1;
    this.#walk.captureIndex = captureIndex;
  }

  /**
   * By a filter that no packet passes: what a filter leaves out is neither in the ring nor in PACKET_STATISTICS, so after the
   * last drain `received` is what was delivered, left out as duplicate, and dropped.
   */
  stop(): void {
    this.#stopped = true;
    if (this.#open) attachFilter(this.fd, snapLenFilter(0), this.#object);
  }

  setFilter(program: Uint8Array | null): void {
    if (this.#open && !this.#stopped) replaceFilter(this.fd, program, this.#object);
  }

  close(): void {
    if (!this.#open) return;
    // What the kernel counted until now would be lost with the socket.
    this.stats();
    this.#open = false;
    this.#ring.close();
    this.#closeFd(this.fd);
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /**
   * An interface that goes down, and one that is removed, leave the same ENETDOWN in the socket (packet_notifier in
   * net/packet/af_packet.c), and only the removal ends the source. A removal comes after a "down" and then leaves no
   * second error, so the index that the socket is bound to is what tells, each time that nothing is ready.
   */
  #checkInterface(): void {
    if (this.#ended !== null) return;
    // Taking the error also ends POLLERR, or the thread would spin on an interface that is down.
    takeSocketError(this.fd, this.#object);
    if (this.#goneAtMs < 0) {
      if (isInterfaceGone(this.fd, this.#object)) this.#goneAtMs = performance.now();
    } else {
      const goneMs = performance.now() - this.#goneAtMs;
      if (goneMs >= LAST_BLOCK_MAX_MS || (goneMs >= LAST_BLOCK_MS && this.pending() === 0))
        this.#ended = 'interface removed';
    }
  }
}
