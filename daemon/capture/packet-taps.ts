import type { PacketFields } from '../../decoders/packet-fields.ts';
import type { CaptureInfo } from '../../storage/messages.ts';
import { type Selects, selectsOf } from '../control/selectors.ts';
import type { TapWish } from './capture-messages.ts';
import type { PacketSink } from './packet-source.ts';
import { packetTest } from './packet-subject.ts';
import { PacketTap, type RouteTeller } from './packet-tap.ts';

interface Watched {
  tap: PacketTap;
  selects: Selects;
}

/**
 * The taps of everybody who watches: a sink that hands every packet on to the meter and then offers it to each tap. It stands in
 * the meter's place only while somebody watches, so that nothing is asked of a packet when nobody does.
 */
export class PacketTaps implements PacketSink {
  readonly fields: PacketFields;
  readonly #meter: PacketSink;
  readonly #route: RouteTeller;
  readonly #captures = new Map<number, CaptureInfo>();
  readonly #watched = new Map<number, Watched>();
  /** The same as a list: what the hot path walks. */
  #taps: PacketTap[] = [];

  constructor(meter: PacketSink, route: RouteTeller) {
    this.fields = meter.fields;
    this.#meter = meter;
    this.#route = route;
  }

  /** How many watch. */
  get size(): number {
    return this.#watched.size;
  }

  packet(view: DataView, off: number, capLen: number): void {
    this.#meter.packet(view, off, capLen);
    const taps = this.#taps;
    for (let i = 0; i < taps.length; i++) taps[i]!.offer(view, off, capLen, this.fields);
  }

  /** A capture point begins: who wants it gets it. */
  addCapture(info: CaptureInfo): void {
    this.#captures.set(info.index, info);
    for (const { tap, selects } of this.#watched.values()) tap.want(info.index, selects(placeOf(info)));
  }

  /** A capture point has ended. */
  endCapture(captureIndex: number): void {
    this.#captures.delete(captureIndex);
    for (const { tap } of this.#watched.values()) tap.want(captureIndex, false);
  }

  /** Somebody watches from now on. @param id by which `remove` knows it */
  add(id: number, wish: TapWish): void {
    const captureOf = (index: number): CaptureInfo | undefined => this.#captures.get(index);
    const test = wish.filter === null ? null : packetTest(wish.filter, captureOf, this.#route);
    const tap = new PacketTap(wish.shared, this.#route, test);
    const selects = selectsOf(wish.selection);
    for (const info of this.#captures.values()) tap.want(info.index, selects(placeOf(info)));
    this.#watched.set(id, { tap, selects });
    this.#list();
  }

  /** Somebody watches no more; unknown ids are no error. */
  remove(id: number): void {
    this.#watched.delete(id);
    this.#list();
  }

  #list(): void {
    this.#taps = [...this.#watched.values()].map(({ tap }) => tap);
  }
}

function placeOf({ netns, interface: name }: CaptureInfo): { netns: string; interface: string } {
  return { netns: netns ?? '', interface: name ?? '' };
}
