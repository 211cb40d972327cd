/**
 * The `limit` best of many: the highest values, of equal ones those with the lowest number. A heap whose worst is on top, so
 * that most are turned away by one comparison. Allocates nothing but what it returns.
 */
export class TopK {
  #values = new Float64Array(16);
  #items = new Int32Array(16);
  #limit = 0;
  #count = 0;

  /** Starts over. */
  reset(limit: number): void {
    this.#limit = limit;
    this.#count = 0;
    if (limit <= this.#values.length) return;
    this.#values = new Float64Array(limit);
    this.#items = new Int32Array(limit);
  }

  /** @param item a number of its own, not negative; they are offered in ascending order */
  offer(value: number, item: number): void {
    if (this.#count < this.#limit) {
      this.#rise(this.#count++, value, item);
      return;
    }
    // An equal one came earlier, and stays.
    if (this.#limit === 0 || value <= this.#values[0]!) return;
    this.#sink(value, item);
  }

  /** The items, best first. */
  take(): number[] {
    const order = Array.from({ length: this.#count }, (_, i) => i);
    order.sort((a, b) => this.#values[b]! - this.#values[a]! || this.#items[a]! - this.#items[b]!);
    return order.map((i) => this.#items[i]!);
  }

  #isWorse(value: number, item: number, than: number): boolean {
    return value < this.#values[than]! || (value === this.#values[than]! && item > this.#items[than]!);
  }

  #rise(from: number, value: number, item: number): void {
    let at = from;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!this.#isWorse(value, item, parent)) break;
      this.#put(at, parent);
      at = parent;
    }
    this.#values[at] = value;
    this.#items[at] = item;
  }

  #sink(value: number, item: number): void {
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= this.#count) break;
      if (child + 1 < this.#count && this.#isWorse(this.#values[child + 1]!, this.#items[child + 1]!, child))
        child++;
      if (this.#isWorse(value, item, child)) break;
      this.#put(at, child);
      at = child;
    }
    this.#values[at] = value;
    this.#items[at] = item;
  }

  #put(at: number, from: number): void {
    this.#values[at] = this.#values[from]!;
    this.#items[at] = this.#items[from]!;
  }
}
