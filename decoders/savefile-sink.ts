/** One interface of a savefile: a pcap file has one, a pcapng file one for each interface description block. */
export interface SavefileInterface {
  /** From 0, over all sections of the file. */
  index: number;
  /** LINKTYPE_ value (pcap-linktype(7)), 16 bits. */
  linkType: number;
  /** Limit on captured octets as the file states it; 0: none. */
  snapLen: number;
  /** pcapng if_name and if_description, or null. */
  name: string | null;
  description: string | null;
}

/** Where a savefile reader delivers to. Throwing from a method ends the reading with that error. */
export interface SavefileSink {
  /** Called once for each interface, before its first packet. */
  onInterface(info: SavefileInterface): void;

  /**
   * Called for each packet in file order. The view is the reader's own buffer: its bytes are valid until `onWindowEnd`.
   * @param interfaceIndex `SavefileInterface.index`
   * @param off       first octet of the frame in `view`
   * @param capLen    captured octets; off + capLen <= view.byteLength
   * @param wireLen   octets on the wire, >= capLen; at most 2^31 - 1, whatever the record says
   * @param tsSec     seconds since the epoch
   * @param tsNsec    0..999999999; a record's fraction of a second or more is carried into `tsSec`
   * @param timeKnown false for records without a time (pcapng simple packet block): the time is the last known one, or 0
   * @param pktType   `PacketType` when the record tells it (pcapng epb_flags, modified pcap), else PacketType.Unknown
   */
  onPacket(
    interfaceIndex: number,
    view: DataView,
    off: number,
    capLen: number,
    wireLen: number,
    tsSec: number,
    tsNsec: number,
    timeKnown: boolean,
    pktType: number,
  ): void;

  /**
   * Called when the octets of the packets so far are about to be reused: at the end of each window of the file, and before an
   * error is thrown. A sink that implements it may keep views until then.
   */
  onWindowEnd?(): void;

  /**
   * Called for each statistics block of pcapng that tells losses: what the file's writer says of itself.
   * @param dropped packets that interface and kernel dropped, since the interface's start; each call replaces the one before
   */
  onStatistics?(interfaceIndex: number, dropped: number): void;
}

/** Reads records out of a window of the file. Implemented for each format. */
export interface SavefileParser {
  /** Octets that must be in the window, from the offset that `parse` returned, before it can go on. */
  readonly needed: number;

  /** Whether the file may not end here although the window is empty: within a record that is being skipped. */
  readonly isMidRecord: boolean;

  /**
   * Delivers every whole record of [off, end) and returns the offset of the first octet that it did not use.
   * @param fileOff offset in the (uncompressed) file of `view`'s octet 0; for errors
   * @throws SavefileError on damage, after the records before it were delivered
   */
  parse(view: DataView, off: number, end: number, fileOff: number): number;

  /** Offset in the (uncompressed) file of the record whose packet is being delivered. */
  readonly packetOffset: number;

  /**
   * Prepares for a record at another offset. Interfaces that were announced are not announced again.
   * @returns where reading must go on: `offset`, or before it when what is between has to be seen first
   */
  resume(offset: number): number;

  /** While true packets are passed over. */
  isMuted: boolean;

  /** While true it stops in front of every record that tells more than one packet, for all parsers of the file have to see it. */
  isPacketsOnly: boolean;

  /** Time of the last packet that has one, for records without one. */
  readonly lastSec: number;
  readonly lastNsec: number;

  /**
   * Tells that another parser of the same file has read on with `isPacketsOnly`.
   * @param offset of the record where it stopped @param sec, nsec its `lastSec` and `lastNsec`
   */
  passed(offset: number, sec: number, nsec: number): void;

  /** What is being read when the file ends too soon, for the error: "record header", "block of 120 octets", … */
  describeNeed(): string;
}

/** Largest record that is read; a longer one is damage, not a packet. */
export const SAVEFILE_RECORD_MAX = 256 * 1024 * 1024;

/** Wire lengths are capped here, so that they stay small integers. */
export const WIRE_LEN_MAX = 0x7fffffff;
