import { SavefileReader } from '../../decoders/savefile.ts';
import type { SavefileInterface, SavefileSink } from '../../decoders/savefile-sink.ts';
import { compileFilter } from '../kernel/libpcap.ts';
import { AHEAD_MAX } from '../flow/ahead.ts';
import { BpfFilter } from './bpf.ts';
import type { LookAhead, PacketSink } from './packet-source.ts';

/** Snaplen given to libpcap's compiler: what a filter may look at, beyond any frame. */
const FILTER_SNAPLEN = 0x40000;

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

/**
 * A savefile as a packet source: reads chunk by chunk and hands each packet to the sink, in place in the reader's buffer. To a sink that
 * wants to look ahead it hands them in groups.
 */
export class FileSource implements SavefileSink {
  readonly times: FileTimes = { first: null, last: null, filtered: 0, dropped: null };
  readonly #file: string;
  readonly #filter: string | null;
  readonly #sink: PacketSink;
  readonly #open: OpenInterface;
  readonly #octets: number | undefined;
  readonly #captures: number[] = [];
  readonly #linkTypes: number[] = [];
  readonly #dropped: number[] = [];
  readonly #programs: (BpfFilter | null)[] = [];
  readonly #ahead: LookAhead | null;
  /** Packets that wait until AHEAD_MAX of them are there. */
  #waiting = 0;
  #view: DataView = new DataView(new ArrayBuffer(0));
  readonly #interfaces = new Int32Array(AHEAD_MAX);
  readonly #offs = new Int32Array(AHEAD_MAX);
  readonly #capLens = new Int32Array(AHEAD_MAX);
  readonly #wireLens = new Int32Array(AHEAD_MAX);
  readonly #secs = new Float64Array(AHEAD_MAX);
  readonly #nsecs = new Int32Array(AHEAD_MAX);
  readonly #pktTypes = new Int32Array(AHEAD_MAX);
  #firstSec = Number.POSITIVE_INFINITY;
  #firstNsec = 0;
  #lastSec = Number.NEGATIVE_INFINITY;
  #lastNsec = 0;

  /**
   * @param filter tcpdump expression, compiled anew for each link type of the file; null for all packets
   * @param octets see SavefileOptions
   */
  constructor(file: string, filter: string | null, sink: PacketSink, open: OpenInterface, octets?: number) {
    this.#file = file;
    this.#filter = filter;
    this.#sink = sink;
    this.#open = open;
    this.#octets = octets;
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
    const reader = new SavefileReader(this.#file, this, { octets: this.#octets });
    try {
      while ((await reader.next()) && !shallStop()) progress(reader.bytesRead, reader.totalBytes);
    } finally {
      reader.close();
      if (this.#firstSec !== Number.POSITIVE_INFINITY) {
        this.times.first = [this.#firstSec, this.#firstNsec];
        this.times.last = [this.#lastSec, this.#lastNsec];
      }
    }
  }

  onInterface(info: SavefileInterface): void {
    this.#captures[info.index] = this.#open(this.#file, info);
    this.#linkTypes[info.index] = info.linkType;
    const expression = this.#filter;
    this.#programs[info.index] =
      expression === null ? null : new BpfFilter(compileFilter(expression, info.linkType, FILTER_SNAPLEN));
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
    if (timeKnown) {
      if (tsSec < this.#firstSec || (tsSec === this.#firstSec && tsNsec < this.#firstNsec)) {
        this.#firstSec = tsSec;
        this.#firstNsec = tsNsec;
      }
      if (tsSec > this.#lastSec || (tsSec === this.#lastSec && tsNsec > this.#lastNsec)) {
        this.#lastSec = tsSec;
        this.#lastNsec = tsNsec;
      }
    }
    const ahead = this.#ahead;
    if (ahead === null || (this.#waiting === 0 && !ahead.begin())) {
      this.#hand(interfaceIndex, view, off, capLen, wireLen, tsSec, tsNsec, pktType);
      return;
    }
    ahead.see(view, off, off + capLen, this.#linkTypes[interfaceIndex]!, this.#captures[interfaceIndex]!);
    const at = this.#waiting++;
    this.#view = view;
    this.#interfaces[at] = interfaceIndex;
    this.#offs[at] = off;
    this.#capLens[at] = capLen;
    this.#wireLens[at] = wireLen;
    this.#secs[at] = tsSec;
    this.#nsecs[at] = tsNsec;
    this.#pktTypes[at] = pktType;
    if (at + 1 === AHEAD_MAX) this.onWindowEnd();
  }

  /** Hands over the packets that wait. */
  onWindowEnd(): void {
    const count = this.#waiting;
    if (count === 0) return;
    this.#waiting = 0; // also when the sink throws: nothing is handed over twice
    this.#ahead!.fetch();
    for (let i = 0; i < count; i++)
      this.#hand(
        this.#interfaces[i]!,
        this.#view,
        this.#offs[i]!,
        this.#capLens[i]!,
        this.#wireLens[i]!,
        this.#secs[i]!,
        this.#nsecs[i]!,
        this.#pktTypes[i]!,
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
