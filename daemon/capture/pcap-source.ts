import { PacketType } from '../../decoders/packet-fields.ts';
import type { PacketSpan } from '../../storage/messages.ts';
import type { PcapHandle } from '../kernel/libpcap.ts';
import type { LiveSource, PacketSink, SourceStats } from './packet-source.ts';

/** Packets that one `drain` delivers at most: about as long as the ring's bound takes. */
const PACKETS_PER_DRAIN = 4096;

/**
 * A libpcap handle as a source, for `--backend libpcap`: devices without a packet socket of their own (nflog, usbmon,
 * any), at the price of three foreign calls and a copy per packet. libpcap gives VLAN tags back into the frame and
 * leaves out the duplicates of lo itself; it does not tell the direction of an Ethernet packet.
 */
export class PcapSource implements LiveSource {
  readonly fd: number;
  /** libpcap counts them nowhere. */
  readonly duplicates = 0;
  /** It does not say how full its buffer is. */
  readonly restMs = 0;
  readonly drainedUntilMs = 0;
  readonly #handle: PcapHandle;
  #captureIndex: number;
  readonly #view: DataView;
  readonly #stats: SourceStats = { received: 0, drops: 0, freezes: 0 };
  /** What `stats` gave at last until `handOver`: libpcap counts on. */
  #earlierReceived = 0;
  #earlierDrops = 0;
  readonly #span = { firstSec: -1, firstNsec: 0, lastSec: 0, lastNsec: 0 };
  #ended: string | null = null;
  #open = true;

  /** @param handle owned by this object from now on */
  constructor(handle: PcapHandle, captureIndex: number) {
    this.fd = handle.fd;
    this.#handle = handle;
    this.#captureIndex = captureIndex;
    this.#view = new DataView(handle.packet.buffer);
  }

  get ended(): string | null {
    return this.#ended;
  }

  drain(sink: PacketSink): number {
    if (!this.#open || this.#ended !== null) return 0;
    const handle = this.#handle;
    const fields = sink.fields;
    fields.captureIndex = this.#captureIndex;
    fields.linkType = handle.linkType;
    fields.strippedTci = -1;
    fields.strippedTpid = 0;
    let delivered = 0;
    while (delivered < PACKETS_PER_DRAIN) {
      const status = handle.next();
      if (status === 'packet') {
        fields.tsSec = handle.tsSec;
        fields.tsNsec = handle.tsNsec;
        fields.wireLen = handle.wireLen;
        if (this.#span.firstSec < 0) {
          this.#span.firstSec = fields.tsSec;
          this.#span.firstNsec = fields.tsNsec;
        }
        // The SLL decoders overwrite it; every other link type leaves it unknown.
        fields.pktType = PacketType.Unknown;
        sink.packet(this.#view, 0, handle.capLen);
        delivered++;
      } else {
        if (status === 'ended') this.#ended = handle.reason;
        break;
      }
    }
    if (delivered > 0) {
      this.#span.lastSec = fields.tsSec;
      this.#span.lastNsec = fields.tsNsec;
    }
    return delivered;
  }

  get span(): PacketSpan {
    return this.#span;
  }

  stats(): SourceStats {
    if (this.#open && this.#ended === null) {
      const now = this.#handle.stats();
      this.#stats.received = now[0]! - this.#earlierReceived;
      this.#stats.drops = now[1]! + now[2]! - this.#earlierDrops;
    }
    return this.#stats;
  }

  handOver(captureIndex: number): void {
    this.#earlierReceived += this.#stats.received;
    this.#earlierDrops += this.#stats.drops;
    this.#stats.received = 0;
    this.#stats.drops = 0;
    this.#span.firstSec = -1;
    this.#captureIndex = captureIndex;
  }

  /** Nothing: libpcap has no such call that every kind of device knows. What comes until `close` is still taken. */
  stop(): void {}

  /** 0: what libpcap counts as received has another meaning on each kind of device. pcap_stats(3PCAP) */
  pending(): number {
    return 0;
  }

  close(): void {
    if (!this.#open) return;
    this.stats();
    this.#open = false;
    this.#handle.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}
