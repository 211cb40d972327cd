/**
 * Why a decoder stopped. Malformed traffic is data, not an exception: the hot path returns one of these and counts it.
 * `Ok` is 0 so that `if (status !== Status.Ok)` is one compare.
 */
export const Status = {
  /** The header was whole and consistent. */
  Ok: 0,
  /** The captured bytes end inside the header (snaplen cut, or a runt frame). */
  Truncated: 1,
  /** A length or version field contradicts the specification or the frame. */
  Malformed: 2,
  /** The link type (or nothing we know how to walk) has no decoder. */
  Unsupported: 3,
} as const;

export type Status = (typeof Status)[keyof typeof Status];

/** The status in words, for reports and errors; index is the `Status` value. */
export const STATUS_NAMES = ['ok', 'truncated', 'malformed', 'unsupported'] as const;
