import { existsSync } from 'node:fs';
import { ControlError } from '../daemon/control/errors.ts';
import type { LiveCapture } from '../daemon/control/messages.ts';
import { openForReading, openForWriting } from '../storage/database.ts';
import { changeExperiment, type Experiment, type ExperimentChange } from '../storage/experiments.ts';
import { nowNs } from '../storage/time.ts';
import { isSameFile } from './daemon-status.ts';
import { ensureDefaultDb } from './default-db.ts';
import { askRunningDaemon } from './running-daemon.ts';

/** Where experiments are to be marked: `--db` and `--control` as they were given. */
export interface MarkPlace {
  db?: string | undefined;
  control?: string | undefined;
}

/** An experiment that was changed, and the database that it is in. */
export interface Marked {
  experiment: Experiment;
  database: string;
}

/** The daemon that writes the database in question. */
export interface WritingDaemon {
  database: string;
  captures: LiveCapture[];
}

/** The running daemon, if the database is its own; null: nobody writes it, or this user may not ask. @throws ControlError */
export async function writingDaemon({ db, control }: MarkPlace): Promise<WritingDaemon | null> {
  const daemon = await askRunningDaemon(control, (client) => client.status());
  return daemon === null || (db !== undefined && !isSameFile(daemon.database, db)) ? null : daemon;
}

/**
 * Starts or stops an experiment: has the daemon do it that writes the database, which members of the group nstap may; else
 * writes it itself, and makes the database where there is none.
 * @throws ControlError, StorageError or ExperimentError when it cannot be done
 */
export async function markExperiment(place: MarkPlace, change: ExperimentChange): Promise<Marked> {
  const told = await askRunningDaemon(place.control, async (client) => {
    const { database } = await client.status();
    if (place.db !== undefined && !isSameFile(database, place.db)) return null;
    try {
      return { database, experiment: await client.changeExperiment(change) };
    } catch (error) {
      // Its answer is the answer; only a daemon that is not there is done without.
      if (error instanceof ControlError) return error;
      throw error;
    }
  });
  if (told instanceof ControlError) throw told;
  if (told !== null) return told;
  const database = place.db ?? ensureDefaultDb();
  // To stop something is no reason to make a database: this says that there is none.
  const isMissing = change.type === 'stop' && !existsSync(database);
  const db = isMissing ? openForReading(database) : openForWriting(database);
  try {
    return { database, experiment: changeExperiment(db, change, nowNs()) };
  } finally {
    db.close();
  }
}
