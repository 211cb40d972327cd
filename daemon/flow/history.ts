import { HISTORY_MAX } from '../../storage/flow-batch.ts';
import * as layout from './slot.ts';

// Copies, because V8 reads what is imported from memory each time it is used and folds a local constant.
const { F, farOf, nearOf, W } = layout;

/**
 * Letters of the history string by code. `s` and `h` share the bit of "already there", as Zeek's HIST_SYN_PKT does: an
 * endpoint sends one or the other.
 */
export const Letter = {
  s: 0,
  h: 1,
  a: 2,
  d: 3,
  f: 4,
  r: 5,
  i: 6,
  q: 7,
  t: 8,
  w: 9,
  c: 10,
  g: 11,
} as const;
export type Letter = (typeof Letter)[keyof typeof Letter];

// Copies, as above: what is exported is read from memory, too.
const LETTER_S = Letter.s;
const LETTER_D = Letter.d;

const NAMES = 'shadfriqtwcg';
/** Bits of "already there", a role: one a letter but for `h`. */
const ONCE_BITS = 11;
const LENGTH_BITS = 5;
const LENGTH_MASK = (1 << LENGTH_BITS) - 1;
/** How a letter is packed: 5 bits, code * 2 and 1 for the originator; 6 letters a word. */
const BITS = 5;
const PER_WORD = 6;
const FLIP = NAMES.length * 2;
const CARET = 0x5e;
const CAPITAL_R = 0x52;
const CAPITAL_S = 0x53;
/** ASCII by packed letter. */
const ASCII = Uint8Array.from({ length: FLIP + 1 }, (_, packed) => {
  if (packed === FLIP) return CARET;
  const lower = NAMES.charCodeAt(packed >> 1);
  return (packed & 1) === 1 ? lower - 0x20 : lower;
});

/** Whether that role has a letter, also when there was no room left for it. */
export function isNoted(words: Int32Array, slot: number, letter: Letter, fromOrig: boolean): boolean {
  return (words[nearOf(slot) + W.historyMeta]! & onceBit(letter, fromOrig)) !== 0;
}

function onceBit(letter: Letter, fromOrig: boolean): number {
  return 1 << (LENGTH_BITS + (letter === LETTER_S ? 0 : letter - 1) + (fromOrig ? 0 : ONCE_BITS));
}

/** Notes a letter unless that role has it. @returns true when it was new */
export function noteOnce(words: Int32Array, slot: number, letter: Letter, fromOrig: boolean): boolean {
  if (isNoted(words, slot, letter, fromOrig)) return false;
  words[nearOf(slot) + W.historyMeta]! |= onceBit(letter, fromOrig);
  putLetter(words, slot, letter, fromOrig);
  return true;
}

/** Notes a letter, once more. */
export function noteAgain(words: Int32Array, slot: number, letter: Letter, fromOrig: boolean): void {
  putLetter(words, slot, letter, fromOrig);
}

/**
 * Notes a letter at the first event and then at the 10th, 100th and so on, as Zeek's ScaledHistoryEntry.
 * @param count events of this sender so far; 0: not known
 */
export function noteScaled(
  words: Int32Array,
  slot: number,
  letter: Letter,
  fromOrig: boolean,
  count: number,
): void {
  if (noteOnce(words, slot, letter, fromOrig) || count < 10) return;
  let threshold = 10;
  while (threshold < count) threshold *= 10;
  if (threshold === count) putLetter(words, slot, letter, fromOrig);
}

/** Notes in the history that originator and responder were exchanged ("^"): what each had noted stays its own. */
export function markFlip(words: Int32Array, slot: number): void {
  const at = nearOf(slot) + W.historyMeta;
  const meta = words[at]!;
  const role = (1 << ONCE_BITS) - 1;
  const orig = (meta >>> LENGTH_BITS) & role;
  const resp = (meta >>> (LENGTH_BITS + ONCE_BITS)) & role;
  words[at] = (meta & LENGTH_MASK) | (resp << LENGTH_BITS) | (orig << (LENGTH_BITS + ONCE_BITS));
  put(words, slot, FLIP);
}

/** Notes in the history that a datagram came from the originator ("D") or the responder ("d"), as Zeek for UDP. */
export function noteDatagram(words: Int32Array, slot: number, fromOrig: boolean): void {
  noteOnce(words, slot, LETTER_D, fromOrig);
}

/** Writes the history of a flow as ASCII to `to` from `off`. @returns its length, at most HISTORY_MAX */
export function readHistory(words: Int32Array, slot: number, to: Uint8Array, off: number): number {
  const length = words[nearOf(slot) + W.historyMeta]! & LENGTH_MASK;
  for (let i = 0; i < length; i++) to[off + i] = letterAt(words, slot, i);
  return length;
}

/** Letters of the originator that an attempt that it gave up by itself has not in front of its `R`. */
const ANSWERING = new Set<number>([...'HAFGIQ'].map((letter) => letter.charCodeAt(0)));

/**
 * Whether the originator began with a SYN and then reset, with nothing that tells of an answer between the two. Zeek's
 * conn_state() looks for `\^?S[^HAFGIQ]*R.*` in the history.
 */
export function isAbortedAttempt(words: Int32Array, slot: number): boolean {
  const length = words[nearOf(slot) + W.historyMeta]! & LENGTH_MASK;
  let i = 0;
  if (i < length && letterAt(words, slot, i) === CARET) i++;
  if (i >= length || letterAt(words, slot, i) !== CAPITAL_S) return false;
  for (i++; i < length; i++) {
    const letter = letterAt(words, slot, i);
    if (letter === CAPITAL_R) return true;
    if (ANSWERING.has(letter)) return false;
  }
  return false;
}

/** The ASCII of a letter. */
function letterAt(words: Int32Array, slot: number, i: number): number {
  const word = words[farOf(words, nearOf(slot)) + F.history + ((i / PER_WORD) | 0)]!;
  return ASCII[(word >>> ((i % PER_WORD) * BITS)) & LENGTH_MASK]!;
}

function putLetter(words: Int32Array, slot: number, letter: Letter, fromOrig: boolean): void {
  put(words, slot, letter * 2 + (fromOrig ? 1 : 0));
}

/** What HISTORY_MAX has no room for is left out. */
function put(words: Int32Array, slot: number, packed: number): void {
  const base = nearOf(slot);
  const length = words[base + W.historyMeta]! & LENGTH_MASK;
  if (length >= HISTORY_MAX) return;
  words[farOf(words, base) + F.history + ((length / PER_WORD) | 0)]! |=
    packed << ((length % PER_WORD) * BITS);
  words[base + W.historyMeta]!++; // the length is in the low bits
}
