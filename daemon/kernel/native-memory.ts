import koffi from 'koffi';

/**
 * Memory outside of V8's heap: its address stays the same for its whole life, so it may stand inside another struct
 * (msghdr, sock_fprog) and be kept by the kernel between two calls. V8 may move a small typed array, so those must not.
 */
export class NativeMemory {
  /** Address of the first octet. */
  readonly address: bigint;
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly view: DataView<ArrayBuffer>;
  #open = true;

  /** @param length octets, at least 1; they start as zeros */
  constructor(length: number) {
    this.address = koffi.alloc('uint8_t', length);
    const buffer = koffi.view(this.address, length);
    this.bytes = new Uint8Array(buffer);
    this.view = new DataView(buffer);
    this.bytes.fill(0);
  }

  /** Frees the memory. Later reads through `bytes` or `view` find no octets instead of freed ones. Idempotent. */
  close(): void {
    if (!this.#open) return;
    this.#open = false;
    detach(this.bytes.buffer);
    koffi.free(this.address);
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/**
 * Takes the memory away from every view of an ArrayBuffer, so that a view someone kept reads nothing (`undefined`, or a
 * TypeError from DataView) where it would have crashed the process. Call it before munmap or free.
 * @param buffer from `koffi.view`; its memory is not touched
 */
export function detach(buffer: ArrayBuffer): void {
  // A transfer without a length moves the backing store instead of copying it; the new owner is dropped at once.
  if (!buffer.detached) buffer.transfer();
}
