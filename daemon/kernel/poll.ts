import { EINTR } from './constants.ts';
import { SyscallError } from './errors.ts';
import { errno, libc } from './libc.ts';
import { NativeMemory } from './native-memory.ts';

const pollCall = libc.func('int poll(void *fds, unsigned long nfds, int timeoutMs)');

/** struct pollfd: fd i32 0, events i16 4, revents i16 6. poll.h */
const POLLFD_LEN = 8;

/**
 * A set of descriptors for poll(2), in memory that stays where it is. `wait` blocks the calling thread (that is its
 * purpose: capture and netlink threads have nothing else to do); an eventfd in the set wakes it from another thread.
 */
export class PollSet {
  #memory: NativeMemory;
  #fds: Int32Array<ArrayBuffer>;
  #events: Int16Array<ArrayBuffer>;
  #capacity: number;
  #length = 0;

  constructor() {
    this.#capacity = 16;
    this.#memory = new NativeMemory(this.#capacity * POLLFD_LEN);
    this.#fds = new Int32Array(this.#memory.bytes.buffer);
    this.#events = new Int16Array(this.#memory.bytes.buffer);
  }

  /** Descriptors in the set. */
  get length(): number {
    return this.#length;
  }

  /** Empties the set. */
  clear(): void {
    this.#length = 0;
  }

  /**
   * Adds a descriptor.
   * @param events POLLIN …; POLLERR, POLLHUP and POLLNVAL are reported without asking
   * @returns its index for `revents`, valid until `clear`
   */
  add(fd: number, events: number): number {
    if (this.#length === this.#capacity) this.#grow();
    const index = this.#length++;
    this.#fds[index * 2] = fd;
    this.#events[index * 4 + 2] = events;
    this.#events[index * 4 + 3] = 0;
    return index;
  }

  /**
   * Blocks until a descriptor is ready or the time is over. A signal (EINTR) counts as time over: the caller looks at
   * its clock anyway.
   * @param timeoutMs -1 waits without end
   * @returns number of ready descriptors
   * @throws SyscallError
   */
  wait(timeoutMs: number): number {
    const ready: number = pollCall(this.#memory.address, this.#length, timeoutMs);
    if (ready >= 0) return ready;
    const code = errno();
    if (code === EINTR) {
      // poll(2) leaves revents undefined then; what was there from the last call must not be seen again.
      for (let i = 0; i < this.#length; i++) this.#events[i * 4 + 3] = 0;
      return 0;
    }
    throw new SyscallError('poll', `${this.#length} descriptors`, code);
  }

  /**
   * Sleeps, but for the first descriptor of the set, which ends it. The others are not looked at, and `revents` stays as it was.
   * @param timeoutMs not negative
   * @throws SyscallError
   */
  rest(timeoutMs: number): void {
    const before = this.#events[3]!;
    if (pollCall(this.#memory.address, 1, timeoutMs) < 0) {
      const code = errno();
      if (code !== EINTR) throw new SyscallError('poll', '1 descriptor', code);
    }
    this.#events[3] = before;
  }

  /** What the last `wait` reported for the descriptor: POLLIN, POLLERR, … or 0. */
  revents(index: number): number {
    return this.#events[index * 4 + 3]!;
  }

  /** Frees the memory; the set is of no use afterwards. Idempotent. */
  close(): void {
    this.#memory.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #grow(): void {
    const old = this.#memory;
    this.#capacity *= 2;
    this.#memory = new NativeMemory(this.#capacity * POLLFD_LEN);
    this.#memory.bytes.set(old.bytes);
    this.#fds = new Int32Array(this.#memory.bytes.buffer);
    this.#events = new Int16Array(this.#memory.bytes.buffer);
    old.close();
  }
}
