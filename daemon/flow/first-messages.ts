/** Directions of flows whose first message can be put together at once; a power of two. */
const BUFFERS = 256;
/** Octets of one: a ClientHello with post-quantum keys, and what browsers add, is below 3 KiB, a request's line rarely longer. */
const BUFFER_LEN = 4096;

/**
 * First octets of connections whose first message came in several segments: a ClientHello with post-quantum keys is longer than
 * one, and so are some requests. Direct mapped and fixed in size, as the table of fragments: another flow in the same place
 * costs a hint, nothing else.
 */
export class FirstMessages {
  readonly view = new DataView(new ArrayBuffer(BUFFERS * BUFFER_LEN));
  readonly #octets = new Uint8Array(this.view.buffer);
  readonly #ids = new Float64Array(BUFFERS).fill(-1);
  readonly #lengths = new Int32Array(BUFFERS);
  readonly #next = new Int32Array(BUFFERS);
  /** Where in `view` the last `begin` or `append` left what there is: first octet, and one past the last. */
  off = 0;
  end = 0;

  /** Keeps the first segment of a flow. @param id of the flow and its side @param nextSeq TCP sequence number that follows it */
  begin(id: number, nextSeq: number, view: DataView, off: number, end: number): void {
    const at = id % BUFFERS;
    this.#ids[at] = id;
    this.#lengths[at] = 0;
    this.#put(at, nextSeq, view, off, end);
  }

  /** Appends a segment if it follows what there is of its flow. @returns false when it does not, or nothing is kept any more */
  append(id: number, seq: number, nextSeq: number, view: DataView, off: number, end: number): boolean {
    const at = id % BUFFERS;
    if (this.#ids[at] !== id || this.#next[at] !== seq) return false;
    this.#put(at, nextSeq, view, off, end);
    return true;
  }

  /** True when no more fits into the buffer of a flow that was put just now. */
  get isFull(): boolean {
    return this.end - this.off >= BUFFER_LEN;
  }

  #put(at: number, nextSeq: number, view: DataView, off: number, end: number): void {
    const had = this.#lengths[at]!;
    const take = Math.min(end - off, BUFFER_LEN - had);
    this.off = at * BUFFER_LEN;
    for (let i = 0; i < take; i++) this.#octets[this.off + had + i] = view.getUint8(off + i);
    this.#lengths[at] = had + take;
    this.#next[at] = nextSeq;
    this.end = this.off + had + take;
  }
}
