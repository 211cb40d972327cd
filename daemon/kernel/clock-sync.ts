import { SyscallError } from './errors.ts';
import { errno, libc } from './libc.ts';

const adjtimexCall = libc.func('int adjtimex(void *buf)');

/** struct timex of 64-bit Linux: modes u32 0 (0: only read), …, status i32 40; with all its reserve 208 octets. linux/timex.h */
const TIMEX_LEN = 208;
const TIMEX_STATUS = 40;
/** What adjtimex returns where nobody keeps the clock right, and the bit that says so. linux/timex.h */
const TIME_ERROR = 5;
const STA_UNSYNC = 0x40;

/** True when something (NTP, PTP, the hypervisor) keeps the clock of this host right. adjtimex(2) @throws SyscallError */
export function isClockSynchronised(): boolean {
  const timex = new Uint8Array(TIMEX_LEN);
  const state = adjtimexCall(timex) as number;
  if (state === -1) throw new SyscallError('adjtimex', 'clock', errno());
  const status = new Int32Array(timex.buffer, TIMEX_STATUS, 1)[0]!;
  return state !== TIME_ERROR && (status & STA_UNSYNC) === 0;
}
