import { durably, type FlowDatabase } from './database.ts';
import { StorageError, toStorageError } from './errors.ts';
import { parseExperimentName, whyNoExperimentName, whyNoNetnsPattern } from './experiment-name.ts';
import { isoTime } from './time.ts';

/** A marked time: flows that were alive in it belong to it. */
export interface Experiment {
  id: number;
  name: string;
  /** 1 for the first of that name, by time, and so on. */
  number: number;
  /** Only flows of namespaces with this name, or whose name matches this pattern; null: all. */
  netns: string | null;
  /** Nanoseconds since the epoch. */
  startedNs: bigint;
  /** Inclusive; null: it goes on. */
  endedNs: bigint | null;
}

/** What can be done to experiments. */
export type ExperimentChange =
  | { type: 'start'; name: string; netns: string | null }
  /**
   * `id` names one, which may have been stopped already: whoever is not sure may ask again. Else the one of that name that was
   * started last, of those that go on; null: of any name.
   */
  | { type: 'stop'; name: string | null; id: number | null };

/** `EXPERIMENT_NAME`: it cannot be called that; `EXPERIMENT_RUNNING`: there is one; `EXPERIMENT_NOT_RUNNING`: there is none. */
export type ExperimentCode = 'EXPERIMENT_NAME' | 'EXPERIMENT_RUNNING' | 'EXPERIMENT_NOT_RUNNING';

/** A change of experiments that does not fit to those there are. */
export class ExperimentError extends Error {
  readonly code: ExperimentCode;

  constructor(code: ExperimentCode, message: string) {
    super(message);
    this.name = 'ExperimentError';
    this.code = code;
  }
}

/** The last nanosecond of a millisecond: clocks here count those, and packets within it are not to be missed. */
const MS_REST_NS = 999_999n;

/**
 * All experiments, in the order in which they were started.
 * @throws StorageError
 */
export function readExperiments(db: FlowDatabase): Experiment[] {
  try {
    const rows = db
      .prepare<
        [],
        { id: bigint; name: string; netns: string | null; startedNs: bigint; endedNs: bigint | null }
      >(
        `SELECT experiment_id AS id, name, netns, started_ns AS startedNs, ended_ns AS endedNs FROM main.experiments
         ORDER BY started_ns, experiment_id`,
      )
      .safeIntegers()
      .all();
    const numbers = new Map<string, number>();
    return rows.map(({ id, name, netns, startedNs, endedNs }) => {
      const number = (numbers.get(name) ?? 0) + 1;
      numbers.set(name, number);
      return { id: Number(id), name, number, netns, startedNs, endedNs };
    });
  } catch (error) {
    throw toStorageError('query', db.name, error);
  }
}

/** Those that a name means, see parseExperimentName. */
export function experimentsNamed(all: readonly Experiment[], text: string): Experiment[] {
  const { name, number } = parseExperimentName(text);
  return all.filter((each) => each.name === name && (number === null || each.number === number));
}

/**
 * Starts or stops an experiment, in a transaction of its own that is on the disk when this returns. Not within a transaction.
 * @param db    open for writing
 * @param atNs  now, in nanoseconds since the epoch, rounded down to the millisecond
 * @throws ExperimentError, StorageError
 */
export function changeExperiment(db: FlowDatabase, change: ExperimentChange, atNs: bigint): Experiment {
  const work = db.transaction(() =>
    change.type === 'start' ? start(db, change, atNs) : stop(db, change, atNs),
  );
  try {
    return durably(db, () => work.immediate());
  } catch (error) {
    throw toStorageError(`${change.type} an experiment in`, db.name, error);
  }
}

function start(
  db: FlowDatabase,
  { name, netns }: Extract<ExperimentChange, { type: 'start' }>,
  atNs: bigint,
): Experiment {
  const reason = whyNoExperimentName(name) ?? (netns === null ? null : whyNoNetnsPattern(netns));
  if (reason !== null)
    throw new ExperimentError('EXPERIMENT_NAME', `start experiment ${JSON.stringify(name)}: ${reason}`);
  const same = readExperiments(db).filter((each) => each.name === name);
  const running = same.find(({ endedNs }) => endedNs === null);
  if (running !== undefined)
    throw new ExperimentError(
      'EXPERIMENT_RUNNING',
      `experiment ${name} is running since ${isoTime(running.startedNs)}; stop it first (\`nstap experiment stop\`), or take another name`,
    );
  const { lastInsertRowid } = db
    .prepare('INSERT INTO main.experiments (name, netns, started_ns) VALUES (?, ?, ?)')
    .run(name, netns, atNs);
  return stored(db, Number(lastInsertRowid));
}

function stop(
  db: FlowDatabase,
  { name, id }: Extract<ExperimentChange, { type: 'stop' }>,
  atNs: bigint,
): Experiment {
  const running = readExperiments(db).findLast((each) =>
    id !== null ? each.id === id : each.endedNs === null && (name === null || each.name === name),
  );
  if (running === undefined)
    throw new ExperimentError(
      'EXPERIMENT_NOT_RUNNING',
      `${name === null ? 'no experiment is' : `experiment ${name} is not`} running; \`nstap experiment list\` shows them`,
    );
  if (running.endedNs !== null) return running;
  // A clock that was set back meanwhile must not make it end before it began.
  const endedNs = atNs < running.startedNs ? running.startedNs : atNs;
  db.prepare('UPDATE main.experiments SET ended_ns = ? WHERE experiment_id = ?').run(
    endedNs + MS_REST_NS,
    running.id,
  );
  return stored(db, running.id);
}

function stored(db: FlowDatabase, id: number): Experiment {
  const row = readExperiments(db).find((each) => each.id === id);
  if (row === undefined)
    throw new StorageError('query', db.name, 'NSTAP_DANGLING', `experiment ${id} is gone`);
  return row;
}
