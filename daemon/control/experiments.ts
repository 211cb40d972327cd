import type { Experiment } from '../../storage/experiments.ts';
import { toNs } from '../../storage/time.ts';
import type { LiveExperiment } from './messages.ts';

const NS_PER_SEC = 1_000_000_000n;

/** An experiment as nstap.proto has it. */
export function liveExperiment({ id, name, number, netns, startedNs, endedNs }: Experiment): LiveExperiment {
  return {
    experimentId: id,
    name,
    number,
    netns: netns ?? '',
    startedS: Number(startedNs / NS_PER_SEC),
    startedNs: Number(startedNs % NS_PER_SEC),
    running: endedNs === null,
    endedS: Number((endedNs ?? 0n) / NS_PER_SEC),
    endedNs: Number((endedNs ?? 0n) % NS_PER_SEC),
  };
}

/** And back. */
export function experimentOf(live: LiveExperiment): Experiment {
  return {
    id: live.experimentId,
    name: live.name,
    number: live.number,
    netns: live.netns === '' ? null : live.netns,
    startedNs: toNs(live.startedS, live.startedNs),
    endedNs: live.running ? null : toNs(live.endedS, live.endedNs),
  };
}
