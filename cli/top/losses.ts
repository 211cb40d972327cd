import type { LiveCapture, LiveStatus } from '../../daemon/control/messages.ts';

/** A way to lose something, and how much was lost by it. */
export interface Loss {
  /** What was lost, in a word or two. */
  name: string;
  /** As `nstap status --json` calls it. */
  key: string;
  /** Since the captures began. */
  total: number;
  /** Since the status before. */
  rise: number;
  /** Where most of the rise was, "netns/interface"; '' when there was none. */
  place: string;
}

/** Counters of a capture that count what was lost, worst first. */
const COUNTERS: readonly (readonly [name: string, key: string, counter: keyof LiveCapture])[] = [
  ['kernel', 'kernel_drops', 'kernelDrops'],
  ['undecoded', 'undecoded', 'undecoded'],
  ['evicted', 'evicted_flows', 'evictedFlows'],
  ['shed', 'shed_records', 'shedRecords'],
  ['shed routes', 'shed_route_changes', 'shedRouteChanges'],
  ['untracked', 'untracked_flows', 'untrackedFlows'],
  ['shed hints', 'shed_hints', 'shedHints'],
  ['in tunnels', 'tunnel_undecoded', 'tunnelUndecoded'],
];

/**
 * What was lost, by the part that lost it: those that rise first, then those that rose before. Always all of them.
 * @param before the status before, of the same engine; null: there is none
 */
export function lossesOf(now: LiveStatus, before: LiveStatus | null): Loss[] {
  const earlier = new Map(before?.captures.map((capture) => [capture.index, capture]));
  const losses = COUNTERS.map(([name, key, counter]): Loss => {
    const loss = { name, key, total: 0, rise: 0, place: '' };
    let most = 0;
    for (const capture of now.captures) {
      const total = Number(capture[counter]);
      // Of a capture that is new everything is new.
      const rise =
        before === null ? 0 : Math.max(0, total - Number(earlier.get(capture.index)?.[counter] ?? 0));
      loss.total += total;
      loss.rise += rise;
      if (rise <= most) continue;
      most = rise;
      loss.place = placeText(capture.netns, capture.interface);
    }
    return loss;
  });
  return losses.sort(
    (a, b) => Number(b.rise > 0) - Number(a.rise > 0) || Number(b.total > 0) - Number(a.total > 0),
  );
}

/** "red/eth0"; the host's interfaces have no namespace where it has no name. */
export function placeText(netns: string, name: string): string {
  if (netns === '') return name;
  return name === '' ? netns : `${netns}/${name}`;
}
