import { controlTarget } from './control-target.ts';
import { decodeTarget } from './decode-target.ts';
import { hintTarget } from './hint-target.ts';
import { filterJsonTarget } from './filter-json-target.ts';
import { filterTarget } from './filter-target.ts';
import { meterTarget } from './meter-target.ts';
import { packetLineTarget } from './packet-line-target.ts';
import { pcapngTarget, pcapTarget } from './savefile-target.ts';
import type { Target } from './target.ts';
import { tunnelTarget } from './tunnel-target.ts';

/** Everything that is fuzzed, and its share of the executions. */
export const TARGETS: readonly { make: () => Target; share: number }[] = [
  { make: decodeTarget, share: 0.25 },
  { make: tunnelTarget, share: 0.15 },
  { make: () => meterTarget(), share: 0.08 },
  { make: () => meterTarget('both'), share: 0.08 },
  { make: packetLineTarget, share: 0.03 },
  { make: pcapTarget, share: 0.1 },
  { make: pcapngTarget, share: 0.1 },
  { make: filterTarget, share: 0.04 },
  { make: filterJsonTarget, share: 0.02 },
  { make: controlTarget, share: 0.05 },
  { make: hintTarget, share: 0.1 },
];
