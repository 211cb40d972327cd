/** In the first word of a talker's key, beside its capture: the address is one of IPv6, of four words. */
export const IPV6_TALKER = 1 << 16;

/** The address in the key of a talker that begins at `off`, in hexadecimal. */
export function addressOf(keys: Int32Array, off: number): string {
  const words = (keys[off]! & IPV6_TALKER) !== 0 ? 4 : 1;
  let text = '';
  for (let i = 1; i <= words; i++) text += (keys[off + i]! >>> 0).toString(16).padStart(8, '0');
  return text;
}
