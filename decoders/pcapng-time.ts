/** if_tsresol when the option is absent: microseconds. draft-ietf-opsawg-pcapng §4.2. */
export const TSRESOL_DEFAULT = 6;

const NSEC_PER_SEC = 1_000_000_000;
const TWO_32 = 4294967296;
const INT32_MAX = 0x7fffffff;
/** Decimal resolutions up to nanoseconds, in which everything fits a double exactly. */
const FAST_EXPONENT_MAX = 9;

/**
 * Turns the 64-bit timestamps of one pcapng interface into seconds and nanoseconds, exactly: `sec` and `nsec` hold the
 * result of the last `read`. Resolutions finer than a nanosecond are cut; seconds behind 2^53 are a double's neighbour. draft-ietf-opsawg-pcapng §4.2, if_tsresol and
 * if_tsoffset.
 *
 * The high word changes every 71 minutes (us) or 4.3 seconds (ns), so its share is kept and a packet costs one division.
 * Powers of two, and units finer than a nanosecond, take BigInt: rare, and slow is better there than wrong.
 */
export class PcapngClock {
  sec: number;
  nsec: number;
  /** Units in a second, or 0: use `#unitsBig`. */
  readonly #units: number;
  readonly #unitsBig: bigint;
  readonly #nsecPerUnit: number;
  readonly #offsetSec: number;
  #high: number;
  #highSec: number;
  #highUnits: number;

  /**
   * @param tsResol   the option's octet: exponent of 10, or of 2 when the top bit is set
   * @param offsetSec seconds to add
   */
  constructor(tsResol: number, offsetSec: number) {
    const exponent = tsResol & 0x7f;
    const isBinary = (tsResol & 0x80) !== 0;
    const isFast = !isBinary && exponent <= FAST_EXPONENT_MAX;
    this.sec = 0;
    this.nsec = 0;
    this.#units = isFast ? 10 ** exponent : 0;
    this.#unitsBig = (isBinary ? 2n : 10n) ** BigInt(exponent);
    this.#nsecPerUnit = isFast ? NSEC_PER_SEC / 10 ** exponent : 0;
    this.#offsetSec = offsetSec;
    this.#high = -1;
    this.#highSec = 0;
    this.#highUnits = 0;
  }

  /**
   * Takes the timestamp at `off`: the high word, then the low one. It is read here and not by the caller because a
   * uint32 above 2^31 that crosses a call is a heap number.
   * @param view 8 octets from `off` must be in it
   */
  read(view: DataView, off: number, little: boolean): void {
    const high = view.getUint32(off, little);
    const low = view.getUint32(off + 4, little);
    if (this.#units === 0) {
      this.#setBig(high, low);
      return;
    }
    if (high !== this.#high) {
      const share = BigInt(high) << 32n;
      this.#high = high;
      this.#highSec = Number(share / this.#unitsBig) + this.#offsetSec;
      this.#highUnits = Number(share % this.#unitsBig);
    }
    const units = this.#highUnits + low; // below 10^9 + 2^32
    const carry = Math.floor(units / this.#units);
    const sec = this.#highSec + carry;
    this.sec = sec <= INT32_MAX ? sec | 0 : sec; // a small integer for V8 until 2038
    this.nsec = ((units - carry * this.#units) * this.#nsecPerUnit) | 0;
  }

  #setBig(high: number, low: number): void {
    const value = BigInt(high) * BigInt(TWO_32) + BigInt(low);
    this.sec = Number(value / this.#unitsBig) + this.#offsetSec;
    this.nsec = Number(((value % this.#unitsBig) * BigInt(NSEC_PER_SEC)) / this.#unitsBig);
  }
}
