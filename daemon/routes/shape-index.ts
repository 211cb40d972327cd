import type { SnapshotNextHop, SnapshotRoute } from './snapshot.ts';
import { isCustomLocal, orderOf, type RouteOrder, type RouteShape } from './shapes.ts';

/** Numbers the distinct shapes of routes. */
export class ShapeIndex {
  /** By number. A number that was released may be given to another shape later. */
  readonly shapes: RouteShape[] = [];
  readonly orders: RouteOrder[] = [];
  /** There was such a shape: what the kernel remembers for good, see isCustomLocal. */
  hasCustomLocal = false;
  readonly #ids = new Map<string, number>();
  /** By number; '' for one that was released. */
  readonly #keys: string[] = [];
  readonly #free: number[] = [];

  /**
   * The number of a shape; a new one is added.
   * @param route  its prefix is not looked at
   * @throws RangeError for a source prefix that is none
   */
  idOf(route: SnapshotRoute | RouteShape): number {
    const key = keyOf(route);
    const known = this.#ids.get(key);
    if (known !== undefined) return known;
    const shape: RouteShape & { prefix?: string } = { ...route };
    delete shape.prefix;
    const order = orderOf(shape);
    this.hasCustomLocal ||= isCustomLocal(shape);
    const id = this.#free.pop() ?? this.shapes.length;
    this.shapes[id] = shape;
    this.orders[id] = order;
    this.#keys[id] = key;
    this.#ids.set(key, id);
    return id;
  }

  /** Gives back the number of a shape that no route has any more. */
  release(id: number): void {
    this.#ids.delete(this.#keys[id]!);
    this.#keys[id] = '';
    this.#free.push(id);
  }

  /** True for a number that stands for a shape now. */
  has(id: number): boolean {
    return (this.#keys[id] ?? '') !== '';
  }
}

/** What tells one shape from another. JSON of the same takes a large table three times as long. */
function keyOf(s: (SnapshotRoute | RouteShape) & { isInferred?: boolean }): string {
  let key = `${s.family} ${s.type} ${s.table} ${s.from} ${s.tos} ${s.protocol} ${s.scope} ${s.metric} ${s.prefsrc} ${s.pref} ${s.nhid} ${s.nhBlackhole === true} ${s.isInferred === true}`;
  for (const hop of s.nextHops) key += hopKey(hop);
  return key;
}

function hopKey(h: SnapshotNextHop): string {
  return `|${h.gateway} ${h.gatewayFamily} ${h.dev} ${h.ifIndex} ${h.weight} ${h.onlink} ${h.dead} ${h.linkdown}`;
}
