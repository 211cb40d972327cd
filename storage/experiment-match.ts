import type { FlowDatabase } from './database.ts';
import { netnsMatcher } from './experiment-flows.ts';
import { type Experiment, experimentsNamed, readExperiments } from './experiments.ts';
import type { ExperimentMatch, Match } from './filter-match.ts';
import type { FilterSubject } from './filter-subject.ts';
import { clampNs, fromNs } from './time.ts';

type Time = ReturnType<typeof fromNs>;

/**
 * The experiments there are now, for `matcher`: finds the same flows as experimentCondition. One that is started or stopped later
 * is not known: make the matcher anew.
 * @param db is asked later, too, once for each namespace and pattern
 * @throws StorageError
 */
export function experimentMatch(db: FlowDatabase): ExperimentMatch {
  const all = readExperiments(db);
  const isIn = netnsMatcher(db);
  return (names) => {
    const wanted = new Set(names.flatMap((name) => experimentsNamed(all, name)));
    const spans = [...wanted].map((each) => spanMatch(each, isIn));
    return (s) => {
      for (let i = 0; i < spans.length; i++) if (spans[i]!(s)) return true;
      return false;
    };
  };
}

function spanMatch(
  { startedNs, endedNs, netns: pattern }: Experiment,
  isIn: (netns: string, pattern: string) => boolean,
): Match {
  const since = fromNs(startedNs);
  const until = endedNs === null ? null : fromNs(clampNs(endedNs + 1n));
  const known = new Map<string, boolean>();
  const isOfNetns = (netns: string | null): boolean => {
    if (pattern === null) return true;
    if (netns === null) return false;
    let matches = known.get(netns);
    if (matches === undefined) {
      matches = isIn(netns, pattern);
      known.set(netns, matches);
    }
    return matches;
  };
  return (s) => endsFrom(s, since) && (until === null || startsBefore(s, until)) && isOfNetns(s.netns);
}

function endsFrom(s: FilterSubject, { sec, nsec }: Time): boolean {
  return s.endSec > sec || (s.endSec === sec && s.endNsec >= nsec);
}

function startsBefore(s: FilterSubject, { sec, nsec }: Time): boolean {
  return s.startSec < sec || (s.startSec === sec && s.startNsec < nsec);
}
