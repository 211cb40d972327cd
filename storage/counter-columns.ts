import { type CaptureCounters, zeroCounters } from './messages.ts';

/** The counters of a capture point, and the column of `captures` for each: the same name in snake case. */
export const COUNTER_COLUMNS: readonly (readonly [key: keyof CaptureCounters, column: string])[] = (
  Object.keys(zeroCounters()) as (keyof CaptureCounters)[]
).map((key) => [key, key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)]);
