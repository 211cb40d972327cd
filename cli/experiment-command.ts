import { openForReading } from '../storage/database.ts';
import { sumExperiments } from '../storage/experiment-sums.ts';
import { readExperiments } from '../storage/experiments.ts';
import { nowNs } from '../storage/time.ts';
import { defaultDb } from './default-db.ts';
import { markExperiment, type MarkPlace, writingDaemon } from './experiment-marks.ts';
import { printable } from './format/columns.ts';
import { durationNs, experimentJson, formatExperiments } from './format/experiment-list.ts';
import { formatTime, shortDuration, showTimesIn } from './format/time.ts';
import { stdoutColors, terminalWidth } from './output.ts';
import { pageLines } from './pager.ts';
import { parseTimeZone } from './time-zone.ts';

/** Flags of `nstap experiment start|stop|list` as they were given. */
export interface ExperimentFlags extends MarkPlace {
  netns?: string;
  json?: boolean;
  tz?: string;
}

/** Flags of `nstap experiment run` as they were given. */
export interface ExperimentRunFlags extends MarkPlace {
  netns?: string;
  allNetns?: boolean;
  quiet?: boolean;
}

/** Starts an experiment. @returns exit status @throws as markExperiment */
export async function experimentStartCommand(name: string, flags: ExperimentFlags): Promise<number> {
  const { experiment, database } = await markExperiment(flags, {
    type: 'start',
    name,
    netns: flags.netns ?? null,
  });
  const began = formatTime(experiment.startedNs);
  process.stdout.write(`experiment ${name} runs since ${began}, in ${printable(database)}\n`);
  return 0;
}

/** Stops an experiment. @param name null: the one started last @returns exit status @throws as markExperiment */
export async function experimentStopCommand(name: string | null, flags: ExperimentFlags): Promise<number> {
  const { experiment, database } = await markExperiment(flags, { type: 'stop', name, id: null });
  const took = shortDuration(durationNs(experiment, nowNs()));
  process.stdout.write(
    `experiment ${printable(experiment.name)} ended after ${took}, in ${printable(database)}\n`,
  );
  return 0;
}

/** Lists experiments. @returns exit status @throws StorageError; ControlError when the daemon that `--control` names cannot be asked */
export async function experimentListCommand(flags: ExperimentFlags): Promise<number> {
  showTimesIn(parseTimeZone(flags.tz));
  const path = flags.db ?? (await writingDaemon(flags))?.database ?? defaultDb();
  const now = nowNs();
  const db = openForReading(path);
  try {
    const all = sumExperiments(db, readExperiments(db));
    await pageLines([
      flags.json
        ? `${JSON.stringify(all.map((row) => experimentJson(row, now)))}\n`
        : formatExperiments(all, now, terminalWidth(), stdoutColors().bold),
    ]);
  } finally {
    db.close();
  }
  return 0;
}
