import { existsSync } from 'node:fs';
import type { FlowDatabase } from './database.ts';
import { localHost } from './host.ts';
import { flowSchemas } from './partition-views.ts';
import { countDropped } from './retained.ts';

/** Rows looked at in one transaction: some milliseconds of work when their pages have to be read first. */
const CHUNK = 200;
/** Rows of flows looked at for so many that are old: some that live on may stand in front. */
const LOOK = 2000;
/** Pages given back to the file system in one transaction. */
const VACUUM_PAGES = 64;
/** PRAGMA auto_vacuum of a file that can give pages back one by one. */
const INCREMENTAL = 2;

interface RunOver {
  endedNs: bigint | null;
  pid: bigint;
  isHere: bigint;
}

/**
 * Deletes from the main file what is too old, row by row: flows that are in no partition, and what belonged to flows that are
 * gone. Every method works until a deadline (performance.now()), in transactions of some milliseconds, so that it never holds
 * up whoever writes beside it.
 */
export class MainSweep {
  readonly #db: FlowDatabase;
  readonly #runId: number;
  readonly #canVacuum: boolean;
  #pass: Iterator<void> | null = null;

  /** @param runId of the run that is being written: nothing of it is old */
  constructor(db: FlowDatabase, runId: number) {
    this.#db = db;
    this.#runId = runId;
    this.#canVacuum = db.pragma('main.auto_vacuum', { simple: true }) === INCREMENTAL;
  }

  /** False for a file of an early nstap: its free pages are used again, but the file system does not get them. */
  get canVacuum(): boolean {
    return this.#canVacuum;
  }

  /** Octets of the main file that hold something. */
  get usedOctets(): number {
    const get = (pragma: string): number => this.#db.pragma(`main.${pragma}`, { simple: true }) as number;
    return (get('page_count') - get('freelist_count')) * get('page_size');
  }

  /**
   * Deletes old flows, those that were written first in front.
   * @param beforeNs nanoseconds since the epoch: flows that ended earlier, but of a replay, whose packets may be of any time,
   *                 flows of one that ended earlier
   * @returns how many
   */
  deleteFlows(beforeNs: bigint, deadlineMs: number): number {
    const find = this.#db
      .prepare<[bigint], number>(
        `SELECT f.flow_id FROM (SELECT flow_id, end_ns, capture_id FROM main.flows ORDER BY flow_id LIMIT ${LOOK}) f
         LEFT JOIN main.captures c USING (capture_id) LEFT JOIN main.runs r USING (run_id)
         WHERE ? > CASE r.kind WHEN 'replay' THEN coalesce(r.ended_ns, max(r.started_ns, f.end_ns)) ELSE f.end_ns END
         LIMIT ${CHUNK}`,
      )
      .pluck();
    const deletes = ['flow_series', 'route_changes', 'flows'].map((table) =>
      this.#db.prepare<[number]>(`DELETE FROM main.${table} WHERE flow_id = ?`),
    );
    let deleted = 0;
    for (let found = CHUNK; found > 0 && performance.now() < deadlineMs; deleted += found) {
      found = this.#write(() => {
        const ids = find.all(beforeNs);
        for (const id of ids) for (const statement of deletes) statement.run(id);
        if (ids.length > 0) countDropped(this.#db, { dropped_flows: ids.length });
        return ids.length;
      });
    }
    return deleted;
  }

  /**
   * Deletes what is of use for nothing any more: captures and runs that were over before the oldest flow, and route updates
   * that no table since then can be made from. Goes on where it stopped.
   * @param beforeNs earliest end of a flow
   * @returns true when something is left to be looked at
   */
  tidy(beforeNs: bigint, deadlineMs: number): boolean {
    this.#pass ??= this.#tidySteps(beforeNs);
    while (performance.now() < deadlineMs) {
      if (!this.#pass.next().done) continue;
      this.#pass = null;
      return false;
    }
    return true;
  }

  /** Gives free pages back to the file system. @returns true when some are left */
  vacuum(deadlineMs: number): boolean {
    if (!this.#canVacuum) return false;
    while (this.#db.pragma('main.freelist_count', { simple: true }) !== 0) {
      if (performance.now() >= deadlineMs) return true;
      // exec: it steps through all rows of the answer, and each step is a page.
      this.#db.exec(`PRAGMA main.incremental_vacuum(${VACUUM_PAGES})`);
    }
    return false;
  }

  *#tidySteps(beforeNs: bigint): Generator<void> {
    yield* this.#tidyCaptures(beforeNs);
    this.#tidyRuns(beforeNs);
    yield* this.#tidyRouteUpdates(beforeNs);
  }

  *#tidyCaptures(beforeNs: bigint): Generator<void> {
    const next = this.#db
      .prepare<[number], { captureId: bigint; runId: bigint; startedNs: bigint } & RunOver>(
        `SELECT capture_id AS captureId, run_id AS runId, started_ns AS startedNs, ended_ns AS endedNs, pid, ${isHere()} AS isHere
         FROM (SELECT capture_id, run_id FROM main.captures WHERE capture_id > ? ORDER BY capture_id LIMIT ${CHUNK})
         JOIN main.runs USING (run_id) JOIN main.hosts USING (host_id) ORDER BY capture_id`,
      )
      .safeIntegers();
    const remove = this.#db.prepare<[bigint]>('DELETE FROM main.captures WHERE capture_id = ?');
    for (let after = 0; ; ) {
      const captures = next.all(after);
      if (captures.length === 0) return;
      after = Number(captures.at(-1)!.captureId);
      // A partition may have come or gone since the step before.
      const uses = flowSchemas(this.#db).map((schema) =>
        this.#db.prepare<[bigint]>(`SELECT 1 FROM ${schema}.flows WHERE capture_id = ? LIMIT 1`),
      );
      this.#write(() => {
        for (const { captureId, runId, startedNs, ...run } of captures) {
          if (Number(runId) === this.#runId || (run.endedNs ?? startedNs) >= beforeNs || !isOver(run))
            continue;
          if (uses.every((use) => use.get(captureId) === undefined)) remove.run(captureId);
        }
      });
      yield;
    }
  }

  #tidyRuns(beforeNs: bigint): void {
    const runs = this.#db
      .prepare<[number, bigint], { runId: bigint } & RunOver>(
        `SELECT run_id AS runId, ended_ns AS endedNs, pid, ${isHere()} AS isHere FROM main.runs r JOIN main.hosts USING (host_id)
         WHERE run_id <> ? AND coalesce(ended_ns, started_ns) < ?
           AND NOT EXISTS (SELECT 1 FROM main.captures c WHERE c.run_id = r.run_id) LIMIT ${CHUNK}`,
      )
      .safeIntegers()
      .all(this.#runId, beforeNs);
    const deletes = ['route_audits', 'route_mirrors', 'runs'].map((table) =>
      this.#db.prepare<[bigint]>(`DELETE FROM main.${table} WHERE run_id = ?`),
    );
    this.#write(() => {
      for (const { runId, ...run } of runs)
        if (isOver(run)) for (const statement of deletes) statement.run(runId);
    });
  }

  /** Tables of a time are made from the last full update before it and what follows: all before that one may go. */
  *#tidyRouteUpdates(beforeNs: bigint): Generator<void> {
    const names = this.#db.prepare<[], string>('SELECT DISTINCT netns FROM main.route_updates').pluck().all();
    const full = this.#db
      .prepare<[string, bigint], number>(
        `SELECT update_id FROM main.route_updates WHERE netns = ? AND is_full = 1 AND at_ns <= ?
         ORDER BY at_ns DESC, update_id DESC LIMIT 1`,
      )
      .pluck();
    // Few at a time: a table of a million routes is one row of many megabytes.
    const remove = this.#db.prepare<[string, number, bigint]>(
      `DELETE FROM main.route_updates WHERE update_id IN
         (SELECT update_id FROM main.route_updates WHERE netns = ? AND update_id < ? AND at_ns <= ? LIMIT 8)`,
    );
    for (const netns of names) {
      const keep = full.get(netns, beforeNs);
      if (keep === undefined) continue;
      while (this.#write(() => remove.run(netns, keep, beforeNs).changes) > 0) yield;
      yield;
    }
  }

  #write<T>(work: () => T): T {
    return this.#db.transaction(work).immediate();
  }
}

/** SQL that is 1 where the run of a row was on this host. */
function isHere(): string {
  const { machineId, name } = localHost();
  const quoted = (text: string): string => `'${text.replaceAll("'", "''")}'`;
  return `(machine_id = ${quoted(machineId)} AND name = ${quoted(name)})`;
}

/** True when nothing more comes of a run: it said so, or its process is gone. Of another host that cannot be told. */
function isOver({ endedNs, pid, isHere }: RunOver): boolean {
  return endedNs !== null || (isHere === 1n && !existsSync(`/proc/${pid}`));
}
