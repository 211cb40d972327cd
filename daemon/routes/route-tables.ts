import { RouteStore } from './route-store.ts';
import { type CompiledRoute, compareRoutes, type RouteOrder } from './shapes.ts';
import { FibTable } from './tables.ts';

/** Bits of the first word of an operation: the family below, then prefix length, then count. See RouteOps. */
const LEN_SHIFT = 4;
const COUNT_SHIFT = 12;
/** Routes of one prefix, at most: more than the count's bits hold do not exist in earnest (a metric each). */
export const ROUTES_MAX = 0xffff;

/** All routes of a namespace: the tables of both families, over one store each. */
export class RouteTables {
  v4 = new RouteStore(4);
  v6 = new RouteStore(6);
  readonly tables4 = new Map<number, FibTable>();
  readonly tables6 = new Map<number, FibTable>();
  /** By number of the shape: routes that have it. */
  readonly uses: number[] = [];
  readonly #shapes: readonly CompiledRoute[];
  readonly #searched: boolean;

  /**
   * @param shapes   by number; may grow and change later. Only searches read them
   * @param searched false: the tables are only written and listed
   */
  constructor(shapes: readonly CompiledRoute[], searched: boolean) {
    this.#shapes = shapes;
    this.#searched = searched;
  }

  /** Routes in all tables. */
  get size(): number {
    return this.v4.size + this.v6.size;
  }

  /** Drops all routes of a family. */
  clear(family: 4 | 6): void {
    const tables = family === 4 ? this.tables4 : this.tables6;
    const store = this.store(family);
    for (const table of tables.values())
      table.each((first) => {
        for (let id = first; id >= 0; id = store.next(id)) this.uses[store.shape(id)]!--;
      });
    tables.clear();
    if (family === 4) this.v4 = new RouteStore(4);
    else this.v6 = new RouteStore(6);
  }

  /** A table; one that is not there yet is made, and stays empty until it gets a route. */
  table(family: 4 | 6, id: number): FibTable {
    const tables = family === 4 ? this.tables4 : this.tables6;
    let table = tables.get(id);
    if (table === undefined) {
      table = new FibTable(id, family === 4 ? this.v4 : this.v6, this.#shapes, this.#searched);
      tables.set(id, table);
    }
    return table;
  }

  /** Store of a family. */
  store(family: 4 | 6): RouteStore {
    return family === 4 ? this.v4 : this.v6;
  }

  /** Gives a prefix its routes, see FibTable.set. */
  set(table: FibTable, words: Int32Array, at: number, len: number, first: number, count: number): void {
    const store = this.store(table.family);
    const prefix = at === 0 ? words : words.subarray(at, at + 4);
    // Counted up before down: a shape that stays is never without a use.
    for (let i = 0; i < count; i++) this.uses[words[first + i]!] = (this.uses[words[first + i]!] ?? 0) + 1;
    for (let id = table.first(prefix, len); id >= 0; id = store.next(id)) this.uses[store.shape(id)]!--;
    table.set(words, at, len, first, count);
  }

  /**
   * Adds a route behind those that the kernel looks at first, and behind its equals.
   * @param prefix four words
   * @param orders by number of a shape
   */
  insert(
    table: FibTable,
    prefix: Int32Array,
    len: number,
    shape: number,
    orders: readonly RouteOrder[],
  ): void {
    const list = this.list(table, prefix, len);
    const order = orders[shape]!;
    let at = list.length;
    while (at > 0 && compareRoutes(order, orders[list[at - 1]!]!) < 0) at--;
    list.splice(at, 0, shape);
    this.replace(table, prefix, len, list);
  }

  /** The numbers of the shapes of a prefix, in order. */
  list(table: FibTable, prefix: Int32Array, len: number): number[] {
    const store = this.store(table.family);
    const list: number[] = [];
    for (let id = table.first(prefix, len); id >= 0; id = store.next(id)) list.push(store.shape(id));
    return list;
  }

  /** Gives a prefix the routes of a list. @throws RangeError for more than ROUTES_MAX */
  replace(table: FibTable, prefix: Int32Array, len: number, list: readonly number[]): void {
    if (list.length > ROUTES_MAX) throw new RangeError(`${list.length} routes of one prefix`);
    const words = scratch(4 + list.length);
    words.set(prefix);
    words.set(list, 4);
    this.set(table, words, 0, len, 4, list.length);
  }

  /**
   * Carries out operations of RouteOps.
   * @param from, limit words of `ops`: operations that start in [from, limit) are carried out
   * @returns the word behind the last one
   */
  apply(ops: Int32Array, from: number, limit: number): number {
    let at = from;
    while (at < limit) {
      const head = ops[at]!;
      const family = (head & 15) as 4 | 6;
      const words = family === 4 ? 1 : 4;
      const count = head >>> COUNT_SHIFT;
      const first = at + 2 + words;
      const table = this.table(family, ops[at + 1]! >>> 0);
      this.set(table, ops, at + 2, (head >>> LEN_SHIFT) & 0xff, first, count);
      at = first + count;
    }
    return at;
  }
}

/** Calls back with the prefix of each operation in words [from, to): its family, first word and length. */
export function eachOp(
  ops: Int32Array,
  from: number,
  to: number,
  callback: (family: 4 | 6, first: number, len: number) => void,
): void {
  for (let at = from; at < to; ) {
    const head = ops[at]!;
    const family = (head & 15) as 4 | 6;
    callback(family, ops[at + 2]!, (head >>> LEN_SHIFT) & 0xff);
    at += 2 + (family === 4 ? 1 : 4) + (head >>> COUNT_SHIFT);
  }
}

/** True when words are whole operations, of prefixes that there are. */
export function areOps(ops: Int32Array): boolean {
  let at = 0;
  while (at < ops.length) {
    const family = ops[at]! & 15;
    const len = (ops[at]! >>> LEN_SHIFT) & 0xff;
    if (family !== 4 && family !== 6) return false;
    if (len > (family === 4 ? 32 : 128)) return false;
    at += 2 + (family === 4 ? 1 : 4) + (ops[at]! >>> COUNT_SHIFT);
  }
  return at === ops.length;
}

let buffer = new Int32Array(64);

/** Words to build an operation in; good until the next call. */
function scratch(length: number): Int32Array {
  if (buffer.length < length) buffer = new Int32Array(length * 2);
  return buffer;
}

/**
 * Changes of tables as words: each says which routes a prefix has from now on, so carrying one out twice does no harm.
 *
 * | word | content |
 * | --- | --- |
 * | 0 | family (4 or 6), prefix length << 4, count << 12 |
 * | 1 | table |
 * | 2 | prefix in host order: one word, or four |
 * | 3 or 6 | numbers of `count` shapes, in the order in which the kernel looks at them |
 */
export class RouteOps {
  #words = new Int32Array(1024);
  #length = 0;

  /** Words written so far. */
  get length(): number {
    return this.#length;
  }

  /** Writes one operation. */
  add(family: 4 | 6, table: number, prefix: Int32Array, len: number, shapes: readonly number[]): void {
    const words = family === 4 ? 1 : 4;
    const end = this.#length + 2 + words + shapes.length;
    if (end > this.#words.length) {
      const larger = new Int32Array(Math.max(end, this.#words.length * 2));
      larger.set(this.#words);
      this.#words = larger;
    }
    this.#words[this.#length] = family | (len << LEN_SHIFT) | (shapes.length << COUNT_SHIFT);
    this.#words[this.#length + 1] = table;
    for (let i = 0; i < words; i++) this.#words[this.#length + 2 + i] = prefix[i]!;
    for (let i = 0; i < shapes.length; i++) this.#words[this.#length + 2 + words + i] = shapes[i]!;
    this.#length = end;
  }

  /** What was written, as a buffer of its own that can be transferred; starts over. */
  take(): Int32Array<ArrayBuffer> {
    const words = this.#words.slice(0, this.#length);
    this.#length = 0;
    if (this.#words.length > 1 << 16) this.#words = new Int32Array(1024);
    return words;
  }
}
