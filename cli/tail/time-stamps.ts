const DAY_SEC = 86_400;
/** An offset of a time zone changes at a multiple of this at most. */
const OFFSET_STEP_SEC = 900;

/** Times in the manner of tcpdump's -t, which counts up to five. */
export class TimeStamps {
  readonly #style: number;
  readonly #digits: 6 | 9;
  readonly #offset: (sec: number) => number;
  #step = Number.NaN;
  #offsetSec = 0;
  /** What -ttt and -ttttt count from: the packet before, or the first one. */
  #from: readonly [number, number] | null = null;

  /**
   * @param style 0: HH:MM:SS.ffffff, 1: none, 2: seconds since the epoch, 3: since the packet before, 4: with the date, 5: since
   *   the first packet
   * @param zone  as parseTimeZone has it
   */
  constructor(style: number, zone: string | null, isNano: boolean) {
    this.#style = style;
    this.#digits = isNano ? 9 : 6;
    this.#offset = zone === null ? localOffset : zoneOffset(zone);
  }

  /** The time of a packet with a blank behind it; '' when none is wanted. */
  format(sec: number, nsec: number): string {
    switch (this.#style) {
      case 1:
        return '';
      case 2:
        return `${sec}.${this.#fraction(nsec)} `;
      case 3:
      case 5: {
        // Cut before, not after: so does tcpdump.
        const cut = this.#digits === 9 ? nsec : nsec - (nsec % 1000);
        const from = this.#from ?? [sec, cut];
        if (this.#style === 3 || this.#from === null) this.#from = [sec, cut];
        return this.#since(from, sec, cut);
      }
      case 4: {
        const date = new Date((sec + this.#zoned(sec)) * 1000).toISOString().slice(0, 10);
        return `${date} ${this.#clock(sec, nsec)} `;
      }
      default:
        return `${this.#clock(sec, nsec)} `;
    }
  }

  #clock(sec: number, nsec: number): string {
    const ofDay = (((sec + this.#zoned(sec)) % DAY_SEC) + DAY_SEC) % DAY_SEC;
    return `${clock(ofDay)}.${this.#fraction(nsec)}`;
  }

  /** Packets of several rings may come a little out of order. */
  #since(from: readonly [number, number], sec: number, nsec: number): string {
    const isBefore = sec < from[0] || (sec === from[0] && nsec < from[1]);
    const [a, b] = isBefore ? [[sec, nsec] as const, from] : [from, [sec, nsec] as const];
    const borrow = b[1] < a[1] ? 1 : 0;
    const text = `${clock(b[0] - a[0] - borrow)}.${this.#fraction(b[1] - a[1] + borrow * 1e9)}`;
    return `${isBefore ? '-' : ' '}${text} `;
  }

  #fraction(nsec: number): string {
    return String(nsec).padStart(9, '0').slice(0, this.#digits);
  }

  #zoned(sec: number): number {
    const step = Math.floor(sec / OFFSET_STEP_SEC);
    if (step !== this.#step) {
      this.#step = step;
      this.#offsetSec = this.#offset(sec);
    }
    return this.#offsetSec;
  }
}

function clock(sec: number): string {
  const two = (value: number): string => String(value).padStart(2, '0');
  return `${two(Math.floor(sec / 3600))}:${two(Math.floor(sec / 60) % 60)}:${two(sec % 60)}`;
}

function localOffset(sec: number): number {
  return -new Date(sec * 1000).getTimezoneOffset() * 60;
}

function zoneOffset(zone: string): (sec: number) => number {
  if (zone === 'UTC') return () => 0;
  const format = new Intl.DateTimeFormat('en-US', { timeZone: zone, timeZoneName: 'longOffset' });
  return (sec) => {
    const name = format.formatToParts(sec * 1000).find(({ type }) => type === 'timeZoneName')!.value;
    const [, sign, hours, minutes, seconds = '0'] = /([+-])(\d\d):(\d\d)(?::(\d\d))?/.exec(name) ?? [];
    if (sign === undefined) return 0; // "GMT"
    return (sign === '-' ? -1 : 1) * (Number(hours) * 3600 + Number(minutes) * 60 + Number(seconds));
  };
}
