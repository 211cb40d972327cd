/** Option kinds. IANA "TCP Option Kind Numbers"; RFC 9293 §3.2, RFC 7323, RFC 2018. */
export const TcpOptionKind = {
  EndOfList: 0,
  NoOperation: 1,
  MaximumSegmentSize: 2,
  WindowScale: 3,
  SackPermitted: 4,
  Sack: 5,
  Timestamps: 8,
  Md5Signature: 19,
  FastOpen: 34,
} as const;

/** SACK blocks that fit into 40 octets of options. RFC 2018 §3. */
export const SACK_BLOCKS_MAX = 4;
/** Largest shift; a larger one counts as this. RFC 7323 §2.3. */
export const WINDOW_SCALE_MAX = 14;

/** Octets of kind and length, and of each option whose length is fixed. */
const HEAD_LEN = 2;
const MSS_LEN = 4;
const WINDOW_SCALE_LEN = 3;
const SACK_PERMITTED_LEN = 2;
const TIMESTAMPS_LEN = 10;
const SACK_BLOCK_LEN = 8;

/** The one reused result of `decodeTcpOptions`. 32-bit values are int32, as in PacketFields. */
export class TcpOptions {
  /** Maximum segment size in octets; -1 when there is none. */
  mss = -1;
  /** Shift of the window, 0 to 14; -1 when there is none. */
  windowScale = -1;
  sackPermitted = false;
  /** Blocks in `sackEdges`: left and right edge (int32) of each. */
  sackBlocks = 0;
  readonly sackEdges = new Int32Array(SACK_BLOCKS_MAX * 2);
  hasTimestamps = false;
  tsVal = 0;
  tsEcr = 0;
  /** A length below 2, past the header, or wrong for its kind. What came before it is kept. */
  isMalformed = false;
  /** The capture ends within the options. What came before is kept. */
  isTruncated = false;
}

/**
 * Decodes the options of a TCP header into `out`, whatever was in it before. RFC 9293 §3.2. Allocates nothing. Of an
 * option that comes twice the last one counts; unknown kinds are passed over by their length.
 * @param off       first octet behind the fixed header
 * @param headerEnd one past the header's last octet, as its data offset says
 * @param end       one past the last captured octet; may lie before `headerEnd`
 */
export function decodeTcpOptions(
  view: DataView,
  off: number,
  headerEnd: number,
  end: number,
  out: TcpOptions,
): void {
  out.mss = -1;
  out.windowScale = -1;
  out.sackPermitted = false;
  out.sackBlocks = 0;
  out.hasTimestamps = false;
  out.tsVal = 0;
  out.tsEcr = 0;
  out.isMalformed = false;
  out.isTruncated = false;
  let cur = off;
  while (cur < headerEnd) {
    if (cur >= end) {
      out.isTruncated = true;
      return;
    }
    const kind = view.getUint8(cur);
    if (kind === TcpOptionKind.EndOfList) return;
    if (kind === TcpOptionKind.NoOperation) {
      cur++;
      continue;
    }
    if (headerEnd - cur < HEAD_LEN) {
      out.isMalformed = true;
      return;
    }
    if (end - cur < HEAD_LEN) {
      out.isTruncated = true;
      return;
    }
    const length = view.getUint8(cur + 1);
    if (length < HEAD_LEN || length > headerEnd - cur) {
      out.isMalformed = true;
      return;
    }
    if (length > end - cur) {
      out.isTruncated = true;
      return;
    }
    if (!takeOption(view, cur, kind, length, out)) {
      out.isMalformed = true;
      return;
    }
    cur += length;
  }
}

/** @returns false when the length is wrong for the kind */
function takeOption(view: DataView, off: number, kind: number, length: number, out: TcpOptions): boolean {
  switch (kind) {
    case TcpOptionKind.MaximumSegmentSize:
      if (length !== MSS_LEN) return false;
      out.mss = view.getUint16(off + 2);
      return true;
    case TcpOptionKind.WindowScale:
      if (length !== WINDOW_SCALE_LEN) return false;
      out.windowScale = Math.min(view.getUint8(off + 2), WINDOW_SCALE_MAX);
      return true;
    case TcpOptionKind.SackPermitted:
      if (length !== SACK_PERMITTED_LEN) return false;
      out.sackPermitted = true;
      return true;
    case TcpOptionKind.Timestamps:
      if (length !== TIMESTAMPS_LEN) return false;
      out.hasTimestamps = true;
      out.tsVal = view.getInt32(off + 2);
      out.tsEcr = view.getInt32(off + 6);
      return true;
    case TcpOptionKind.Sack: {
      const blocks = (length - HEAD_LEN) / SACK_BLOCK_LEN;
      if (!Number.isInteger(blocks) || blocks < 1 || blocks > SACK_BLOCKS_MAX) return false;
      for (let i = 0; i < blocks * 2; i++) out.sackEdges[i] = view.getInt32(off + HEAD_LEN + i * 4);
      out.sackBlocks = blocks;
      return true;
    }
    default:
      return true;
  }
}
