import { SavefileError } from '../../decoders/savefile-error.ts';
import { SavefileReader } from '../../decoders/savefile.ts';
import type { SavefileInterface, SavefileSink } from '../../decoders/savefile-sink.ts';
import { AHEAD_MAX } from '../flow/ahead.ts';
import { BpfFilter } from './bpf.ts';
import { PacketList } from './packet-list.ts';
import type { LookAhead, PacketSink } from './packet-source.ts';
import type { SharedWindow, SharedWindows } from './shared-windows.ts';
import type { WindowMeter } from './window-meter.ts';

/** Snaplen given to libpcap's compiler: what a filter may look at, beyond any frame. */
const FILTER_SNAPLEN = 0x40000;

/**
 * Makes the filter of a link type, a LINKTYPE_ value.
 * @returns a program of struct sock_filter, see compileFilter
 * @throws PcapError when it means nothing there
 */
export type FilterOf = (linkType: number, snapLen: number) => Uint8Array;

/** Called when a file's interface is met. @returns the index of its capture point */
export type OpenInterface = (file: string, info: SavefileInterface) => number;

/** What one reading of a file saw beyond the packets it delivered. */
export interface FileTimes {
  /** Smallest and largest packet time, [seconds, nanoseconds]; null before the first packet that has one. */
  first: [number, number] | null;
  last: [number, number] | null;
  /** Packets that the filter left out. */
  filtered: number;
  /** Packets lost where the file was captured, as its statistics blocks tell; null when it has none. */
  dropped: number | null;
}

/** How a thread reads a file together with others. */
export interface Together {
  windows: SharedWindows;
  meter: WindowMeter;
  /** Of the replay's files, from 0. */
  fileNumber: number;
  /** Octets of each file's windows. */
  windowLen: number;
}

/** What a source may do beyond reading a file to its end. */
export interface FileSourceOptions {
  /** See SavefileOptions. */
  octets?: number | undefined;
  /** null or left out: alone. */
  together?: Together | null;
}

/**
 * A savefile as a packet source: reads chunk by chunk and hands each packet to the sink, in place in the reader's buffer. To a sink that
 * wants to look ahead it hands them in groups.
 */
export class FileSource implements SavefileSink {
  readonly times: FileTimes = { first: null, last: null, filtered: 0, dropped: null };
  readonly #file: string;
  readonly #filter: FilterOf | null;
  readonly #sink: PacketSink;
  readonly #open: OpenInterface;
  readonly #octets: number | undefined;
  readonly #together: Together | null;
  readonly #captures: number[] = [];
  readonly #linkTypes: number[] = [];
  readonly #dropped: number[] = [];
  readonly #programs: (BpfFilter | null)[] = [];
  readonly #ahead: LookAhead | null;
  /** Packets that wait until AHEAD_MAX of them are there. */
  readonly #waiting = new PacketList(AHEAD_MAX);
  #view: DataView = new DataView(new ArrayBuffer(0));
  /** Where packets are listed and not handed over: of the window that is being read for all threads. */
  #list: PacketList | null = null;
  #firstSec = Number.POSITIVE_INFINITY;
  #firstNsec = 0;
  #lastSec = Number.NEGATIVE_INFINITY;
  #lastNsec = 0;

  /**
   * @param filter asked once for each link type of the file; null for all packets
   */
  constructor(
    file: string,
    filter: FilterOf | null,
    sink: PacketSink,
    open: OpenInterface,
    { octets, together = null }: FileSourceOptions = {},
  ) {
    this.#file = file;
    this.#filter = filter;
    this.#sink = sink;
    this.#open = open;
    this.#octets = octets;
    this.#together = together;
    this.#ahead = sink.ahead ?? null;
  }

  /**
   * Reads the file to its end.
   * @param progress called after each chunk with octets read (compressed ones) and the file's size, null for stdin
   * @param shallStop asked after each chunk; true ends the reading there
   * @throws SavefileError after the packets before the damage were delivered
   */
  async read(
    progress: (bytesRead: number, totalBytes: number | null) => void,
    shallStop = (): boolean => false,
  ): Promise<void> {
    const together = this.#together;
    const chunk = together === null ? {} : { chunkLen: together.windowLen };
    const reader = new SavefileReader(this.#file, this, { octets: this.#octets, ...chunk });
    try {
      while ((await reader.next()) && !shallStop()) {
        progress(reader.bytesRead, reader.totalBytes);
        if (together === null || !reader.isAddressable) continue;
        if (this.#readTogether(reader, together, progress, shallStop)) break;
      }
    } finally {
      reader.close();
      if (this.#firstSec !== Number.POSITIVE_INFINITY) {
        this.times.first = [this.#firstSec, this.#firstNsec];
        this.times.last = [this.#lastSec, this.#lastNsec];
      }
    }
  }

  /**
   * Reads on with all other threads that meter this file, up to where only the reader knows what there is: the end, damage, a record
   * longer than a window.
   * @returns true when it was stopped
   */
  #readTogether(
    reader: SavefileReader,
    { windows, meter, fileNumber }: Together,
    progress: (bytesRead: number, totalBytes: number | null) => void,
    shallStop: () => boolean,
  ): boolean {
    const begin = reader.offset;
    windows.begin(fileNumber, begin, reader.lastSec, reader.lastNsec);
    const read = (window: SharedWindow, offset: number): void => this.#listPackets(reader, window, offset);
    for (;;) {
      const window = windows.next(read);
      meter.meter(window.view, window.list, this.#captures, this.#linkTypes);
      this.#add(window);
      const { isLast, endOff, timeSec, timeNsec } = window;
      windows.release();
      progress(endOff, reader.totalBytes);
      if (isLast) {
        // Where nothing was read, the reader may be within the record that is next.
        if (endOff === begin) return false;
        reader.passed(endOff, timeSec, timeNsec);
        reader.seek(endOff);
        return false;
      }
      if (shallStop()) return true;
    }
  }

  /** Reads a window and lists its packets. */
  #listPackets(reader: SavefileReader, window: SharedWindow, offset: number): void {
    const { times } = this;
    const before = [times.filtered, this.#firstSec, this.#firstNsec, this.#lastSec, this.#lastNsec] as const;
    times.filtered = 0;
    this.#firstSec = Number.POSITIVE_INFINITY;
    this.#lastSec = Number.NEGATIVE_INFINITY;
    this.#list = window.list;
    window.list.count = 0;
    reader.passed(offset, window.timeSec, window.timeNsec);
    let used = 0;
    window.isLast = true;
    try {
      used = reader.deliverAt(window.bytes, window.view, offset);
      window.isLast = used === 0;
    } catch (error) {
      // The reader will meet it again, and tell.
      if (!(error instanceof SavefileError)) throw error;
      used = error.offset === null ? 0 : error.offset - offset;
    }
    this.#list = null;
    window.timeSec = reader.lastSec;
    window.timeNsec = reader.lastNsec;
    window.endOff = offset + used;
    window.filtered = times.filtered;
    window.firstSec = this.#firstSec;
    window.firstNsec = this.#firstNsec;
    window.lastSec = this.#lastSec;
    window.lastNsec = this.#lastNsec;
    [times.filtered, this.#firstSec, this.#firstNsec, this.#lastSec, this.#lastNsec] = before;
  }

  #add(window: SharedWindow): void {
    this.times.filtered += window.filtered;
    if (window.firstSec === Number.POSITIVE_INFINITY) return;
    this.#note(window.firstSec, window.firstNsec);
    this.#note(window.lastSec, window.lastNsec);
  }

  #note(sec: number, nsec: number): void {
    if (sec < this.#firstSec || (sec === this.#firstSec && nsec < this.#firstNsec)) {
      this.#firstSec = sec;
      this.#firstNsec = nsec;
    }
    if (sec > this.#lastSec || (sec === this.#lastSec && nsec > this.#lastNsec)) {
      this.#lastSec = sec;
      this.#lastNsec = nsec;
    }
  }

  onInterface(info: SavefileInterface): void {
    this.#captures[info.index] = this.#open(this.#file, info);
    this.#linkTypes[info.index] = info.linkType;
    this.#programs[info.index] =
      this.#filter === null ? null : new BpfFilter(this.#filter(info.linkType, FILTER_SNAPLEN));
  }

  onStatistics(interfaceIndex: number, dropped: number): void {
    this.#dropped[interfaceIndex] = dropped;
    this.times.dropped = this.#dropped.reduce((sum, n) => sum + n, 0);
  }

  onPacket(
    interfaceIndex: number,
    view: DataView,
    off: number,
    capLen: number,
    wireLen: number,
    tsSec: number,
    tsNsec: number,
    timeKnown: boolean,
    pktType: number,
  ): void {
    const program = this.#programs[interfaceIndex]!;
    if (program !== null && !program.matches(view, off, capLen, wireLen)) {
      this.times.filtered++;
      return;
    }
    if (timeKnown) this.#note(tsSec, tsNsec);
    if (this.#list !== null) {
      const shard = this.#together!.meter.whose(view, off, capLen, wireLen, this.#linkTypes[interfaceIndex]!);
      this.#list.add(interfaceIndex, off, capLen, wireLen, tsSec, tsNsec, pktType, shard);
      return;
    }
    const ahead = this.#ahead;
    const waiting = this.#waiting;
    if (ahead === null || (waiting.count === 0 && !ahead.begin())) {
      this.#hand(interfaceIndex, view, off, capLen, wireLen, tsSec, tsNsec, pktType);
      return;
    }
    ahead.see(view, off, off + capLen, this.#linkTypes[interfaceIndex]!, this.#captures[interfaceIndex]!);
    this.#view = view;
    waiting.add(interfaceIndex, off, capLen, wireLen, tsSec, tsNsec, pktType, 0);
    if (waiting.count === AHEAD_MAX) this.onWindowEnd();
  }

  /** Hands over the packets that wait. */
  onWindowEnd(): void {
    const waiting = this.#waiting;
    const { count } = waiting;
    if (count === 0) return;
    waiting.count = 0; // also when the sink throws: nothing is handed over twice
    this.#ahead!.fetch();
    for (let i = 0; i < count; i++)
      this.#hand(
        waiting.interfaces[i]!,
        this.#view,
        waiting.offs[i]!,
        waiting.capLens[i]!,
        waiting.wireLens[i]!,
        waiting.secs[i]!,
        waiting.nsecs[i]!,
        waiting.pktTypes[i]!,
      );
  }

  #hand(
    interfaceIndex: number,
    view: DataView,
    off: number,
    capLen: number,
    wireLen: number,
    tsSec: number,
    tsNsec: number,
    pktType: number,
  ): void {
    const f = this.#sink.fields;
    f.captureIndex = this.#captures[interfaceIndex]!;
    f.linkType = this.#linkTypes[interfaceIndex]!;
    f.tsSec = tsSec;
    f.tsNsec = tsNsec;
    f.wireLen = wireLen;
    f.pktType = pktType;
    f.strippedTci = -1;
    f.strippedTpid = 0;
    this.#sink.packet(view, off, capLen);
  }
}
