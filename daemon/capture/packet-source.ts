import type { PacketFields } from '../../decoders/packet-fields.ts';
import type { PacketSpan } from '../../storage/messages.ts';

/** A look at packets before they are handed over; see FlowsAhead, whose methods these are. */
export interface LookAhead {
  /** @returns false when none is to be seen */
  begin(): boolean;
  see(view: DataView, off: number, end: number, linkType: number, captureIndex: number): void;
  fetch(): void;
}

/**
 * What a source hands each packet to. The source sets the source-owned group of `fields` (`captureIndex`, `linkType`,
 * `tsSec`, `tsNsec`, `wireLen`, `pktType`, `strippedTci`, `strippedTpid`) and then calls `packet`.
 */
export interface PacketSink {
  /** The one reused result object; the source writes its first group before each call of `packet`. */
  readonly fields: PacketFields;

  /**
   * Where a source that has several packets at hand lets the sink look at them first, in groups of at most AHEAD_MAX: `begin`, and if
   * it says so `see` each, `fetch`, then `packet` for each in the same order. Left out or null: not wanted.
   */
  readonly ahead?: LookAhead | null;

  /**
   * Takes one packet. The bytes belong to the source and are reused after the call returns: copy what must be kept.
   * @param view   the whole ring, file window or packet buffer
   * @param off    first octet of the frame, from the view's start
   * @param capLen captured octets; `off + capLen <= view.byteLength`
   */
  packet(view: DataView, off: number, capLen: number): void;
}

/** Kernel counters of a live source, cumulative since it was opened or handed over. */
export interface SourceStats {
  /** Packets that passed the filter, as the kernel counts them; drops included (PACKET_STATISTICS, packet(7)). */
  received: number;
  /** Packets lost because the ring or buffer was full. */
  drops: number;
  /** Times the ring was full and the kernel queue froze (TPACKET_V3 only; 0 elsewhere). */
  freezes: number;
}

/** A live capture on one interface: the ring, or libpcap. It belongs to the thread that opened it. */
export interface LiveSource {
  /** Descriptor to poll for POLLIN. */
  readonly fd: number;

  /**
   * Delivers what is ready now, at most a bounded amount, and never blocks.
   * @returns packets delivered; 0 when nothing is ready
   */
  drain(sink: PacketSink): number;

  /**
   * Milliseconds that the source can be left alone after the last `drain`, since so much comes that a look at each block would cost
   * more than it tells, and so little of its room is in use that nothing is lost meanwhile. 0: look at it when something is ready.
   */
  readonly restMs: number;

  /** Counters since start. PACKET_STATISTICS clears when it is read, so the source accumulates. */
  stats(): SourceStats;

  /** Packets of `lo` seen a second time (OUTGOING) and left out on purpose, since start; not delivered. */
  readonly duplicates: number;

  /** Of what was drained since start; changes in place. */
  readonly span: PacketSpan;

  /**
   * Until when all that the kernel took is drained, as `stats` found out when it last saw that nothing waits: milliseconds since the
   * epoch. 0: never, or the source cannot tell.
   */
  readonly drainedUntilMs: number;

  /**
   * Goes on as another capture: packets have its index from now on, and `duplicates` and `span` start again, as does `stats`
   * from what it gave last. Read both just before.
   */
  handOver(captureIndex: number): void;

  /** Takes nothing new from now on; what was received until now can still be drained. Idempotent. */
  stop(): void;

  /**
   * Packets that the kernel has taken and that were not delivered yet, those of `lo` that will be left out included. A source
   * that cannot tell says 0.
   */
  pending(): number;

  /**
   * Puts another kernel filter in force; nothing is lost. Left out: the source cannot. After `stop` it does nothing.
   * @param program struct sock_filter[], or null: every packet
   * @throws SyscallError; the old filter is in force then
   */
  setFilter?(program: Uint8Array | null): void;

  /** null while alive, else why it ended ("interface removed", …). An ended source can still be drained and read. */
  readonly ended: string | null;

  /** Idempotent. Nothing may touch the source's bytes afterwards. */
  close(): void;
}
