import koffi from 'koffi';

/**
 * Calls back on the event loop when a descriptor is readable: libuv's uv_poll, for descriptors that Node has no object
 * for (netlink sockets). Level-triggered: the callback must read what is there, or it is called again at once.
 */
export class FdWatch {
  readonly #handle: InstanceType<typeof koffi.node.PollHandle>;
  #open = true;

  /** @param fd stays the caller's, and must be closed after this object */
  constructor(fd: number, onReadable: () => void) {
    this.#handle = koffi.node.poll(fd, { readable: true }, () => {
      if (this.#open) onReadable();
    });
    // What keeps the process alive is its own business, not a watch's.
    this.#handle.unref();
  }

  /** Idempotent. */
  close(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#handle.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}
