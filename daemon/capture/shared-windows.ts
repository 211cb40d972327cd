import { PacketList, packetListBytes } from './packet-list.ts';

/** Words: whether somebody reads, windows read, what waiting threads sleep on, stretches begun, whether all of the last one is read; then the windows that each thread has metered. */
const S = { reading: 0, read: 1, signal: 2, stretch: 3, ended: 4, metered: 5 } as const;

/** Doubles: where the next window begins, and the reader's `lastSec` and `lastNsec` there. */
const N = { off: 0, timeSec: 1, timeNsec: 2 } as const;
const NEXT_DOUBLES = 3;

/** What of a SharedWindow stands in front of its octets: doubles, then words, with how many packets it has and whether it is the last one. */
const DOUBLES = ['stretchOff', 'firstSec', 'lastSec', 'endOff', 'timeSec'] as const;
const WORDS = ['file', 'filtered', 'firstNsec', 'lastNsec', 'timeNsec'] as const;
const COUNT = WORDS.length;
const IS_LAST = COUNT + 1;
const HEAD_WORDS = 8;
const HEAD_BYTES = DOUBLES.length * 8 + HEAD_WORDS * 4;

/** Windows that are read and not yet metered by all, at most. */
const WINDOWS = 8;
/** The smallest record of a savefile that is read in windows: of a pcap file, without octets. */
const RECORD_MIN = 16;

/** A thread that waits looks this often whether it waits in vain. */
const LOOK_MS = 100;
/** Nobody takes so long for a window, in milliseconds: storage is waited for half as long. */
const PATIENCE_MS = 120_000;

/** Shared memory of the windows, to be handed to every thread. Plain data. */
export interface SharedWindowsMemory {
  threads: number;
  windowLen: number;
  state: SharedArrayBuffer;
  windows: SharedArrayBuffer[];
}

/** @param windowLen octets of a window */
export function createSharedWindows(threads: number, windowLen: number): SharedWindowsMemory {
  const words = S.metered + threads;
  const bytes = HEAD_BYTES + packetListBytes(capacityOf(windowLen)) + windowLen;
  return {
    threads,
    windowLen,
    state: new SharedArrayBuffer(NEXT_DOUBLES * 8 + words * 4),
    windows: Array.from({ length: WINDOWS }, () => new SharedArrayBuffer(bytes)),
  };
}

function capacityOf(windowLen: number): number {
  return Math.ceil(windowLen / RECORD_MIN);
}

/** A window of a file, and its packets. */
export class SharedWindow {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  readonly list: PacketList;
  /** The stretch that it is of: number of the file, and where it begins in it. */
  file = 0;
  stretchOff = 0;
  /** Packets that the filter left out. */
  filtered = 0;
  /** Times of the others, as in FileTimes; infinite where none has one. */
  firstSec = 0;
  firstNsec = 0;
  lastSec = 0;
  lastNsec = 0;
  /** Offset in the file of what follows, and the reader's `lastSec` and `lastNsec` there; before it is read, those where it begins. */
  endOff = 0;
  timeSec = 0;
  timeNsec = 0;
  /** The next one is not read in this way. */
  isLast = false;
  readonly #doubles: Float64Array;
  readonly #words: Int32Array;

  constructor(buffer: SharedArrayBuffer, windowLen: number) {
    const capacity = capacityOf(windowLen);
    this.#doubles = new Float64Array(buffer, 0, DOUBLES.length);
    this.#words = new Int32Array(buffer, DOUBLES.length * 8, HEAD_WORDS);
    this.list = new PacketList(capacity, buffer, HEAD_BYTES);
    const off = HEAD_BYTES + packetListBytes(capacity);
    this.bytes = new Uint8Array(buffer, off, windowLen);
    this.view = new DataView(buffer, off, windowLen);
  }

  /** Tells the other threads. */
  store(): void {
    const words = this.#words;
    for (const [i, name] of DOUBLES.entries()) this.#doubles[i] = this[name];
    for (const [i, name] of WORDS.entries()) words[i] = this[name];
    words[COUNT] = this.list.count;
    words[IS_LAST] = this.isLast ? 1 : 0;
  }

  /** Takes what the thread has told that read it. */
  load(): void {
    const words = this.#words;
    for (const [i, name] of DOUBLES.entries()) this[name] = this.#doubles[i]!;
    for (const [i, name] of WORDS.entries()) this[name] = words[i]!;
    this.list.count = words[COUNT]!;
    this.isLast = words[IS_LAST] === 1;
  }
}

/**
 * The windows of a file that several threads meter, each its part of the packets: a window is read, and its records are walked, by
 * one of them, whichever is ahead of the others. So what has been read is the same for all, and reading costs once.
 *
 * It is done in stretches, which all threads begin at the same offset of the same file, and end behind the same window: there each
 * of them goes on by itself. docs/decisions/0023-replay-threads.md
 */
export class SharedWindows {
  readonly #words: Int32Array;
  readonly #next: Float64Array;
  readonly #thread: number;
  readonly #threads: number;
  readonly #windows: readonly SharedWindow[];
  /** Stretches begun, and the last one: number of the file, and where it begins in it. */
  #stretch = 0;
  #file = 0;
  #stretchOff = 0;
  /** Windows that this thread has metered, of all stretches. */
  #metered = 0;

  /** @param thread which of them this one is, from 0 */
  constructor(shared: SharedWindowsMemory, thread: number) {
    this.#next = new Float64Array(shared.state, 0, NEXT_DOUBLES);
    this.#words = new Int32Array(shared.state, NEXT_DOUBLES * 8);
    this.#thread = thread;
    this.#threads = shared.threads;
    this.#windows = shared.windows.map((buffer) => new SharedWindow(buffer, shared.windowLen));
  }

  /** Begins a stretch. @param file number of the file @param offset of its next record @param sec, nsec the reader's `lastSec` and `lastNsec` */
  begin(file: number, offset: number, sec: number, nsec: number): void {
    const words = this.#words;
    this.#stretch++;
    this.#file = file;
    this.#stretchOff = offset;
    this.#lock();
    // Another thread may have begun it, or even be in a later one: then its windows are there.
    if (Atomics.load(words, S.stretch) < this.#stretch) {
      this.#next[N.off] = offset;
      this.#next[N.timeSec] = sec;
      this.#next[N.timeNsec] = nsec;
      Atomics.store(words, S.ended, 0);
      Atomics.store(words, S.stretch, this.#stretch);
    }
    this.#unlock();
  }

  /**
   * The next window of the stretch, read by this thread or another one; `release` it, and when it was the last one the stretch is over.
   * @param read fills a window from an offset on, and says in it where it ends and whether it is the last one
   * @throws Error when another thread is elsewhere
   */
  next(read: (window: SharedWindow, offset: number) => void): SharedWindow {
    const words = this.#words;
    const window = this.#windows[this.#metered % WINDOWS]!;
    const deadline = performance.now() + PATIENCE_MS;
    for (;;) {
      const signal = Atomics.load(words, S.signal);
      // At most one window for each that is metered.
      if (this.#shallRead() && Atomics.compareExchange(words, S.reading, 0, 1) === 0) {
        if (this.#shallRead()) this.#read(read);
        this.#unlock();
      }
      if (Atomics.load(words, S.read) > this.#metered) break;
      if (performance.now() > deadline) throw changed();
      Atomics.wait(words, S.signal, signal, LOOK_MS);
    }
    window.load();
    if (window.file !== this.#file || window.stretchOff !== this.#stretchOff) throw changed();
    return window;
  }

  /** The window that `next` gave is metered. */
  release(): void {
    Atomics.store(this.#words, S.metered + this.#thread, ++this.#metered);
    this.#tell();
  }

  /** Who is ahead reads, so that who has more packets of its own has only those. */
  #shallRead(): boolean {
    const words = this.#words;
    if (Atomics.load(words, S.stretch) !== this.#stretch || Atomics.load(words, S.ended) !== 0) return false;
    let least = this.#metered;
    for (let i = 0; i < this.#threads; i++) {
      const metered = Atomics.load(words, S.metered + i);
      if (metered < least) least = metered;
      else if (metered > this.#metered && Atomics.load(words, S.read) > this.#metered) return false;
    }
    return Atomics.load(words, S.read) - least < WINDOWS;
  }

  #read(read: (window: SharedWindow, offset: number) => void): void {
    const words = this.#words;
    const number = Atomics.load(words, S.read);
    const window = this.#windows[number % WINDOWS]!;
    const next = this.#next;
    window.timeSec = next[N.timeSec]!;
    window.timeNsec = next[N.timeNsec]!;
    read(window, next[N.off]!);
    window.file = this.#file;
    window.stretchOff = this.#stretchOff;
    window.store();
    next[N.off] = window.endOff;
    next[N.timeSec] = window.timeSec;
    next[N.timeNsec] = window.timeNsec;
    if (window.isLast) Atomics.store(words, S.ended, 1);
    Atomics.store(words, S.read, number + 1);
    this.#tell();
  }

  #tell(): void {
    Atomics.add(this.#words, S.signal, 1);
    Atomics.notify(this.#words, S.signal);
  }

  #lock(): void {
    while (Atomics.compareExchange(this.#words, S.reading, 0, 1) !== 0)
      Atomics.wait(this.#words, S.reading, 1, LOOK_MS);
  }

  #unlock(): void {
    Atomics.store(this.#words, S.reading, 0);
    Atomics.notify(this.#words, S.reading);
  }
}

function changed(): Error {
  return new Error(
    'replay: one of its threads has read something else than this one: a file was changed while it was read; try again when nobody writes to it',
  );
}
