/**
 * What every typed view is: a window on the octets of one header, made by checking once that its fixed part is there.
 * Getters read the bytes anew each time and copy nothing; they are for tools and tests, not for the hot path, which reads
 * into PacketFields. A view is valid as long as the bytes are: those of a ring or reader go with the packet.
 */
export interface Header {
  readonly view: DataView;
  readonly off: number;
  readonly end: number;
}

/**
 * The check at a view's door.
 * @param minLen octets that must be there
 * @throws RangeError when [off, end) does not lie in `view` or is shorter than `minLen`
 */
export function checkHeader(view: DataView, off: number, end: number, minLen: number, what: string): void {
  if (off < 0 || end > view.byteLength || end - off < minLen)
    throw new RangeError(`${what}: ${Math.max(0, end - off)} octets at ${off}, where ${minLen} are needed`);
}

/** Octets [from, to) of a header, cut at the captured end, without a copy. */
export function octetsOf(header: Header, from: number, to: number): Uint8Array {
  const start = Math.min(header.off + from, header.end);
  const stop = Math.max(start, Math.min(header.off + to, header.end));
  return new Uint8Array(header.view.buffer, header.view.byteOffset + start, stop - start);
}
