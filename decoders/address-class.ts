// Classes of addresses, given as 32-bit words in host order.

/** 255.255.255.255 */
export const LBCAST = -1;

/** 0.0.0.0 and ::. */
export function isZero(words: Int32Array): boolean {
  return (words[0]! | words[1]! | words[2]! | words[3]!) === 0;
}

/** 224.0.0.0/4 */
export function isMulticast4(word: number): boolean {
  return word >>> 28 === 0xe;
}

/** 224.0.0.0/24: never leaves the link. */
export function isLocalMulticast4(word: number): boolean {
  return word >>> 8 === 0xe00000;
}

/** 127.0.0.0/8 */
export function isLoopback4(word: number): boolean {
  return word >>> 24 === 127;
}

/** ff00::/8. @param first the first word of the address */
export function isMulticast6(first: number): boolean {
  return first >>> 24 === 0xff;
}

/** fe80::/10 */
export function isLinkLocal6(words: Int32Array): boolean {
  return words[0]! >>> 22 === 0xfe80 >>> 6;
}

/** ::1 */
export function isLoopback6(words: Int32Array): boolean {
  return (words[0]! | words[1]! | words[2]!) === 0 && words[3] === 1;
}

/** rt6_need_strict: the destination means something on one link alone. */
export function needsStrict(words: Int32Array): boolean {
  return isMulticast6(words[0]!) || isLinkLocal6(words) || isLoopback6(words);
}
