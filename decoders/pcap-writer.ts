import { LinkType } from './link-types.ts';
import { PCAP_FILE_HEADER_LEN, PCAP_MAGIC_NANO, PCAP_RECORD_HEADER_LEN } from './pcap-reader.ts';
import { FrameCopier, type SourceFields } from './frame-copier.ts';
import { SavefileOutput } from './savefile-output.ts';

/** Largest second of a pcap record: 2106-02-07. */
const SEC_MAX = 0xffff_ffff;
/** What libpcap writes as limit when there is none. */
export const SNAPLEN_NONE = 262_144;

export interface PcapWriterOptions {
  /** LINKTYPE_ value of all packets. */
  linkType: number;
  /** Limit on captured octets; default SNAPLEN_NONE. */
  snapLen?: number;
}

/**
 * Writes a pcap file with nanoseconds, little-endian, version 2.4. pcap-savefile(5). Allocates nothing per packet. A VLAN tag
 * that the kernel took out of an Ethernet frame is put back, as libpcap does.
 */
export class PcapWriter {
  /** Packets written, and those left out because pcap has no number for their time (before 1970, after 2106). */
  packets = 0;
  refused = 0;
  readonly #output: SavefileOutput;
  readonly #isEthernet: boolean;
  readonly #copier = new FrameCopier();

  /** @param file path, made anew if it is there; "-" is stdout. @throws SavefileError (SAVEFILE_WRITE) */
  constructor(file: string, { linkType, snapLen = SNAPLEN_NONE }: PcapWriterOptions) {
    this.#output = new SavefileOutput(file, recordLength);
    this.#isEthernet = linkType === LinkType.ETHERNET;
    const off = this.#output.reserve(PCAP_FILE_HEADER_LEN);
    const { view } = this.#output;
    view.setUint32(off, PCAP_MAGIC_NANO, true);
    view.setUint16(off + 4, 2, true);
    view.setUint16(off + 6, 4, true);
    view.setUint32(off + 8, 0, true);
    view.setUint32(off + 12, 0, true);
    view.setUint32(off + 16, snapLen, true);
    view.setUint32(off + 20, linkType, true);
    this.#output.commit(PCAP_FILE_HEADER_LEN);
  }

  /** Octets of the file so far. */
  get position(): number {
    return this.#output.position;
  }

  /**
   * Writes one packet.
   * @param off first octet of the frame in `view`; off + capLen <= view.byteLength
   * @param f   its time, its length on the wire (a tag that was taken out counts), and that tag
   * @returns false when it was left out, see `refused`
   * @throws SavefileError (SAVEFILE_WRITE), see SavefileOutput.flush
   */
  packet(view: DataView, off: number, capLen: number, f: SourceFields): boolean {
    if (f.tsSec < 0 || f.tsSec > SEC_MAX) {
      this.refused++;
      return false;
    }
    const storedLen = this.#copier.start(this.#isEthernet, capLen, f);
    const at = this.#output.reserve(PCAP_RECORD_HEADER_LEN + storedLen);
    const to = this.#output.view;
    to.setUint32(at, f.tsSec, true);
    to.setUint32(at + 4, f.tsNsec, true);
    to.setUint32(at + 8, storedLen, true);
    to.setUint32(at + 12, f.wireLen, true);
    this.#copier.put(this.#output, at + PCAP_RECORD_HEADER_LEN, view, off, capLen, f);
    this.#output.commit(PCAP_RECORD_HEADER_LEN + storedLen);
    this.packets++;
    return true;
  }

  /** Writes what is gathered to the file. @throws SavefileError (SAVEFILE_WRITE) */
  flush(): void {
    this.#output.flush();
  }

  /** Writes the rest and closes; idempotent. @throws SavefileError (SAVEFILE_WRITE) */
  close(): void {
    this.#output.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

function recordLength(view: DataView, off: number, isFirst: boolean): number {
  return isFirst ? PCAP_FILE_HEADER_LEN : PCAP_RECORD_HEADER_LEN + view.getUint32(off + 8, true);
}
