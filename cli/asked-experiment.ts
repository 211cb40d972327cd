import type { FlowDatabase } from '../storage/database.ts';
import { experimentsNamed, readExperiments } from '../storage/experiments.ts';
import { suggestion } from '../daemon/options/suggestion.ts';

/** Flags that ask for the flows of one experiment. */
export interface ExperimentFlags {
  experiment?: string | undefined;
  lastExperiment?: boolean | undefined;
}

/**
 * The experiment that the flags ask for, as a filter names it; null: none.
 * @throws Error when there is no such experiment: in a filter that is no flow, but who asks for one expects it to be there
 */
export function askedExperiment(db: FlowDatabase, flags: ExperimentFlags): string | null {
  const { experiment, lastExperiment } = flags;
  if (experiment === undefined && !lastExperiment) return null;
  const all = readExperiments(db);
  const found = experiment === undefined ? all.at(-1) : experimentsNamed(all, experiment)[0];
  if (found === undefined) {
    const near =
      experiment === undefined
        ? ''
        : suggestion(
            experiment,
            all.map(({ name }) => name),
          );
    throw new Error(
      `${experiment === undefined ? 'there is no experiment' : `there is no experiment ${experiment}`} in ${db.name}${near}; \`nstap experiment list\` shows them`,
    );
  }
  return experiment ?? `${found.name}#${found.number}`;
}
