import type { MeteringOptions } from './config.ts';

/** Octets a batch for hints and payload: hundreds of flows that have both in full, thousands with a hint of usual length. */
const EXTRA_BYTES = 512 * 1024;

/** What each batch needs beyond records when hints or payload are asked for. */
export function extraBytes({ hints, payloadOctets }: MeteringOptions): number {
  return hints || payloadOctets > 0 ? EXTRA_BYTES : 0;
}
