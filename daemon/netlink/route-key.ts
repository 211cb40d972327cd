import * as k from '../kernel/netlink-constants.ts';
import { NetlinkFormatError } from './errors.ts';
import { IP_VERSIONS } from './family.ts';

/** struct rtmsg, see route.ts. */
const RTMSG_LEN = 12;
const NLA_HDRLEN = 4;
const DST_LEN_OFF = 1;
const FLAGS_OFF = 8;
const FIRST_KEY_WORDS = 64;

/**
 * A route message taken apart without an object: the prefix, and everything else as a key. Routes with equal keys differ in
 * nothing but their prefix, so what `parseRoute` makes of one serves for all. One object, reused.
 */
export class RouteKey {
  family: 4 | 6 = 4;
  prefixLen = 0;
  table = 0;
  /** Words in host order; unused ones are 0. */
  readonly prefix = new Int32Array(4);
  /** The message without what belongs to the prefix, and without what changes by itself: `keyLen` words, and their hash. */
  key = new Int32Array(FIRST_KEY_WORDS);
  keyLen = 0;
  hash = 0;

  /**
   * Reads an RTM_NEWROUTE or RTM_DELROUTE at [off, end). linux/rtnetlink.h
   * @returns false for a family that is not IP, and for a cached route
   * @throws NetlinkFormatError
   */
  read(view: DataView, off: number, end: number): boolean {
    if (end - off < RTMSG_LEN) throw new NetlinkFormatError(`rtmsg of ${end - off} octets`, off);
    const family = IP_VERSIONS.get(view.getUint8(off));
    if (family === undefined || (view.getUint32(off + FLAGS_OFF, k.LITTLE_ENDIAN) & k.RTM_F_CLONED) !== 0)
      return false;
    this.family = family;
    this.prefixLen = view.getUint8(off + DST_LEN_OFF);
    if (this.prefixLen > (family === 4 ? 32 : 128))
      throw new NetlinkFormatError(`prefix length ${this.prefixLen} of IPv${family}`, off);
    this.table = view.getUint8(off + 4);
    this.prefix.fill(0);
    this.keyLen = 0;
    this.hash = 0;
    this.#put(view.getInt32(off, k.LITTLE_ENDIAN) & ~0xff00);
    this.#put(view.getInt32(off + 4, k.LITTLE_ENDIAN));
    this.#put(view.getInt32(off + FLAGS_OFF, k.LITTLE_ENDIAN));
    for (let at = off + RTMSG_LEN; end - at >= NLA_HDRLEN; ) {
      const length = view.getUint16(at, k.LITTLE_ENDIAN);
      if (length < NLA_HDRLEN || length > end - at)
        throw new NetlinkFormatError(`attribute of ${length} octets where ${end - at} are left`, at);
      this.#attribute(view, at, length);
      at += (length + 3) & ~3;
    }
    return true;
  }

  #attribute(view: DataView, at: number, length: number): void {
    const type = view.getUint16(at + 2, k.LITTLE_ENDIAN) & k.NLA_TYPE_MASK;
    const value = at + NLA_HDRLEN;
    switch (type) {
      case k.RTA_DST: {
        const words = this.family === 4 ? 1 : 4;
        if (length < NLA_HDRLEN + words * 4)
          throw new NetlinkFormatError(`destination of ${length - NLA_HDRLEN} octets`, at);
        for (let i = 0; i < words; i++) this.prefix[i] = view.getInt32(value + i * 4);
        return;
      }
      // How long it was not used, and how often it was.
      case k.RTA_CACHEINFO:
        return;
      case k.RTA_TABLE:
        if (length >= NLA_HDRLEN + 4) this.table = view.getUint32(value, k.LITTLE_ENDIAN);
        break;
    }
    const whole = length & ~3;
    for (let i = 0; i < whole; i += 4) this.#put(view.getInt32(at + i, k.LITTLE_ENDIAN));
    if (whole === length) return;
    let rest = 0;
    for (let i = whole; i < length; i++) rest = (rest << 8) | view.getUint8(at + i);
    this.#put(rest);
  }

  #put(word: number): void {
    if (this.keyLen === this.key.length) {
      const larger = new Int32Array(this.keyLen * 2);
      larger.set(this.key);
      this.key = larger;
    }
    this.key[this.keyLen++] = word;
    const h = Math.imul(this.hash ^ word, 0x9e3779b1);
    this.hash = h ^ (h >>> 15);
  }
}
