import { check, libc } from './libc.ts';

const clockGettimeCall = libc.func('int clock_gettime(int clock, void *time)');

/** linux/time.h */
const CLOCK_THREAD_CPUTIME_ID = 3;

/** struct timespec of the 64-bit ABI: i64 seconds, i64 nanoseconds. */
const time = new BigInt64Array(2);
const words = new Uint32Array(time.buffer);
const LOW_FIRST = new Uint8Array(new Uint32Array([1]).buffer)[0] === 1 ? 0 : 1;

/**
 * CPU that the calling thread has used since it began, in nanoseconds (exact below 104 days). clock_gettime(2). Some
 * hundred nanoseconds a call: for once a ring's turn, not for each packet. Node 22 has no process.threadCpuUsage.
 */
export function threadCpuNs(): number {
  check(clockGettimeCall(CLOCK_THREAD_CPUTIME_ID, time), 'clock_gettime', 'CLOCK_THREAD_CPUTIME_ID');
  return words[LOW_FIRST]! * 1e9 + words[2 + LOW_FIRST]!;
}
