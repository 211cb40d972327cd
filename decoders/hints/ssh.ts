import { type Hint, HINT_TEXT_MAX, HintKind } from './hint.ts';

/** "SSH-" */
const MAGIC = 0x5353482d;

/**
 * Reads the identification string that each side of SSH begins with. RFC 4253 §4.2. Allocates nothing.
 * @param off first octet of the line
 * @param end first octet past the bytes at hand; off <= end <= view.byteLength
 * @returns true when it is one, with `name` its line without the line end; a line that is cut counts as far as it goes
 */
export function readSsh(view: DataView, off: number, end: number, hint: Hint): boolean {
  if (end - off < 8 || view.getInt32(off) !== MAGIC) return false;
  const version = view.getUint8(off + 4);
  if (version < 0x31 || version > 0x32) return false; // "1" or "2"
  const stop = Math.min(end, off + HINT_TEXT_MAX);
  let at = off;
  while (at < stop && view.getUint8(at) !== 0x0a && view.getUint8(at) !== 0x0d) at++;
  hint.clear();
  hint.kind = HintKind.ssh;
  hint.name.copy(view, off, at);
  return true;
}
