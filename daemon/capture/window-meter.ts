import { AHEAD_MAX } from '../flow/ahead.ts';
import type { PacketList } from './packet-list.ts';
import type { ShardMeter } from './shard-meter.ts';

/** Meters one thread's part of the packets that were listed, by any of the threads, see SharedWindows. */
export class WindowMeter {
  readonly #shard: ShardMeter;
  /** Packets that wait until AHEAD_MAX of them are there, by their numbers in the list. */
  readonly #group = new Int32Array(AHEAD_MAX);
  #waiting = 0;

  constructor(shard: ShardMeter) {
    this.#shard = shard;
  }

  /** See ShardMeter.whose. */
  whose(view: DataView, off: number, capLen: number, wireLen: number, linkType: number): number {
    return this.#shard.whose(view, off, capLen, wireLen, linkType);
  }

  /**
   * Takes the packets of a window: its own, and of the others' those that may move the clock.
   * @param captures, linkTypes by number of the interface in the file
   */
  meter(view: DataView, list: PacketList, captures: readonly number[], linkTypes: readonly number[]): void {
    const { count } = list;
    // Short loops, called often: a loop over all packets is compiled while it runs, without what comes behind it, and so is given up at its
    // end, each time anew.
    for (let at = 0; at < count; ) {
      at = this.#gather(view, list, at, captures, linkTypes);
      this.#hand(view, list, captures, linkTypes);
    }
    this.#shard.seen += count;
  }

  /** Takes packets from `at` on into the group, and looks at those that are ours. @returns the number of the packet behind them */
  #gather(
    view: DataView,
    list: PacketList,
    at: number,
    captures: readonly number[],
    linkTypes: readonly number[],
  ): number {
    const { index, clock, ownAhead } = this.#shard;
    const { count, shards, secs } = list;
    const group = this.#group;
    const isLooking = ownAhead?.begin() ?? false;
    const { now } = clock;
    // Packets of other seconds may have moved the clock when it comes to those behind them.
    let isStanding = true;
    let waiting = 0;
    let i = at;
    for (; i < count && waiting < AHEAD_MAX; i++) {
      const isOwn = shards[i] === index;
      if (secs[i] !== now) isStanding = false;
      else if (!isOwn && isStanding) continue;
      group[waiting++] = i;
      if (!isOwn || !isLooking) continue;
      const from = list.interfaces[i]!;
      const off = list.offs[i]!;
      ownAhead!.see(view, off, off + list.capLens[i]!, linkTypes[from]!, captures[from]!);
    }
    if (isLooking) ownAhead!.fetch();
    this.#waiting = waiting;
    return i;
  }

  #hand(view: DataView, list: PacketList, captures: readonly number[], linkTypes: readonly number[]): void {
    const { index, clock, own, fields: f } = this.#shard;
    const waiting = this.#waiting;
    for (let k = 0; k < waiting; k++) {
      const i = this.#group[k]!;
      const isOwn = list.shards[i] === index;
      const sec = list.secs[i]!;
      if (!isOwn && sec === clock.now) continue;
      const at = list.interfaces[i]!;
      f.captureIndex = captures[at]!;
      f.linkType = linkTypes[at]!;
      f.tsSec = sec;
      f.tsNsec = list.nsecs[i]!;
      f.wireLen = list.wireLens[i]!;
      f.pktType = list.pktTypes[i]!;
      f.strippedTci = -1;
      f.strippedTpid = 0;
      if (isOwn) own.packet(view, list.offs[i]!, list.capLens[i]!);
      else this.#shard.pass(view, list.offs[i]!, list.capLens[i]!, f);
    }
  }
}
