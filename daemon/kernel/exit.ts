import { libc } from './libc.ts';

const exitCall = libc.func('void _exit(int status)');

/**
 * Ends the process at once, with all its threads. process.exit waits for threads that are in a system call, and so for as
 * long as a pipe is silent (read) or a FIFO has no writer (open). Nothing is flushed: what must be seen before is written
 * with writeSync. _exit(2)
 * @param status exit status, 0 to 255
 */
export function exitNow(status: number): never {
  exitCall(status);
  throw new Error('_exit returned');
}
