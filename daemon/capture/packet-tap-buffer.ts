/** Capture points that can be selected. See MAX_CAPTURES in flow/table.ts. */
export const TAP_CAPTURES = 65_536;

/** Room for copies, powers of two: at 5 ms between two looks, some 200 MiB a second of headers, and more of whole packets. */
const BUFFER_LEN = 1 << 20;
const BUFFER_LEN_WHOLE = 8 << 20;
/** Up to here the smaller buffer is used. */
const HEADERS_MAX = 512;

/** Words of the control block: octets written and read so far; packets that were selected, and of those that found no room. All wrap. */
export const TapWord = { written: 0, read: 1, matched: 2, skipped: 3 } as const;
const CONTROL_WORDS = 4;

// The buffer holds records one after the other, each at a multiple of 8: length in octets i32 0, kind i32 4, then what the kind
// says. None goes around the end of the buffer: what remains there is a record of kind `pad`.
export const RECORD_ALIGN = 8;
export const RecordKind = { pad: 0, packet: 1, decision: 2 } as const;

/** A packet: words behind length and kind, then tsSec as a double, then its octets. */
export const PacketWord = {
  nsec: 2,
  captureIndex: 3,
  linkType: 4,
  pktType: 5,
  wireLen: 6,
  capLen: 7,
  octets: 8,
  tci: 9,
  tpid: 10,
  /** Number of its route decision, which a record before it has told; -1: none. */
  decision: 11,
} as const;
export const PACKET_SEC_OFF = 48;
export const PACKET_OCTETS_OFF = 56;

/** A route decision: its number i32 8, length of the text i32 12, then the object as JSON in UTF-8. */
export const DECISION_NUMBER_OFF = 8;
export const DECISION_LENGTH_OFF = 12;
export const DECISION_TEXT_OFF = 16;
/** Decisions that have a number at the same time; then the oldest one's is given to the next. */
export const DECISIONS = 256;

/** The buffer between the capture thread and one reader as plain data, to hand to both. */
export interface PacketTapShared {
  control: SharedArrayBuffer;
  buffer: SharedArrayBuffer;
  /** Octets of a packet that are copied, at most. */
  snapLen: number;
}

/** Octets that a tap takes, which are touched only when they are used. */
export function tapBytes(snapLen: number): number {
  return snapLen <= HEADERS_MAX ? BUFFER_LEN : BUFFER_LEN_WHOLE;
}

/** Allocates what lies between both ends of a tap. @param snapLen 1 to PACKET_SNAP_LEN_MAX */
export function createPacketTap(snapLen: number): PacketTapShared {
  return {
    control: new SharedArrayBuffer(CONTROL_WORDS * 4),
    buffer: new SharedArrayBuffer(tapBytes(snapLen)),
    snapLen,
  };
}
