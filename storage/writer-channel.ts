import { createHash } from 'node:crypto';
import { COUNTER_COLUMNS } from './counter-columns.ts';
import type { FlowDatabase } from './database.ts';
import type { FlowBatch } from './flow-batch.ts';
import { ExtraKind, hintsJson } from './flow-extras.ts';
import type { FlowHome } from './flow-home.ts';
import { FlowRecord, type SqlValue } from './flow-columns.ts';
import { anyShape, fillValues, shapeOf } from './flow-shapes.ts';
import type { CaptureInfo } from './messages.ts';
import { DECISION_KEYS, type RouteDecision } from './route-decision.ts';
import type { CaptureState, SharedCaptures } from './shared-captures.ts';
import { clampNs, nowNs, toNs } from './time.ts';

/**
 * Flows of one capture thread take database ids in blocks of this many: id = block's base + sequence number within it.
 * So the id of any flow of a long run is known without keeping a map of all flows: 8 octets per 1024 flows.
 */
export const ID_BLOCK = 1024;

/** Further back no block is taken before its time: 67 million flows, more than a table holds at once. */
const BLOCKS_BEFORE = 65_536;

/** Columns of `route_decisions` after its digest, in the order of the decision object. */
const DECISION_COLUMNS = DECISION_KEYS.map((key) => (key === 'table' ? 'table_name' : key));

/** The statements of the main file, which all channels of a connection share. */
export type WriterStatements = ReturnType<typeof prepareStatements>;

/** Prepares every statement of the main file that the hot part of a writer needs. */
export function prepareStatements(db: FlowDatabase) {
  const decisionColumns = ['digest', ...DECISION_COLUMNS];
  return {
    reserveIds: db
      .prepare<[number], number>(
        `UPDATE meta SET value = value + ? WHERE name = 'next_flow_id' RETURNING value`,
      )
      .pluck(),
    insertCapture: db.prepare<SqlValue[]>(
      `INSERT INTO captures (run_id, netns, netns_id, interface, if_index, link_type, source, file, filter, opened_ns,
                             gap_reason, gap_from_ns)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    ),
    // What went before under the same identity. An interface that never had a packet is as of when it was opened, and so is one of
    // which not every thread has counted anything: the first packet of another may have waited in its ring since before that.
    lastOf: db
      .prepare<[string | null, number | null], bigint | null>(
        `SELECT coalesce(last_ns, min(opened_ns, coalesce(first_ns, opened_ns))) FROM captures WHERE netns_id = ? AND if_index = ?
         ORDER BY capture_id DESC LIMIT 1`,
      )
      .pluck()
      .safeIntegers(),
    updateCounters: db.prepare<SqlValue[]>(
      `UPDATE captures SET ended = ?, first_ns = ?, last_ns = ?, ${COUNTER_COLUMNS.map(([, column]) => `${column} = ?`).join(', ')}
       WHERE capture_id = ?`,
    ),
    // All that is run with every commit is prepared once: a statement is some KiB that no garbage collector knows of, and at five
    // commits a second they were 2 MiB a minute.
    updateRun: db.prepare<SqlValue[]>(
      'UPDATE runs SET flows = ?, records = ?, clamped_times = ?, ended_ns = ? WHERE run_id = ?',
    ),
    updateLoad: db.prepare<SqlValue[]>(
      'UPDATE runs SET queued = ?, queue_size = ?, capture_cpu_ns = ? WHERE run_id = ?',
    ),
    updateFilter: db.prepare<[string | null, number]>('UPDATE captures SET filter = ? WHERE capture_id = ?'),
    findDecision: db
      .prepare<[Buffer], number>('SELECT decision_id FROM route_decisions WHERE digest = ?')
      .pluck(),
    decisionText: db
      .prepare<[number], string>('SELECT coalesce(text, type) FROM route_decisions WHERE decision_id = ?')
      .pluck(),
    readDecision: db.prepare<[number], RouteDecision>(
      `SELECT ${DECISION_KEYS.map((key) => (key === 'table' ? 'table_name AS "table"' : key)).join(', ')}
       FROM route_decisions WHERE decision_id = ?`,
    ),
    insertDecision: db.prepare<SqlValue[]>(
      `INSERT INTO route_decisions (${decisionColumns.join(', ')})
       VALUES (${decisionColumns.map(() => '?').join(', ')})`,
    ),
  };
}

/** What a channel shares with its writer. */
export interface ChannelOwner {
  readonly statements: WriterStatements;
  readonly runId: number;
  readonly hostId: number;
  /** Where new flows go. */
  readonly home: FlowHome;
  readonly sharedCaptures: SharedCaptures;
  /** Called when the open transaction is rolled back, latest first: what the channel remembered is to be forgotten. */
  onRollback(undo: () => void): void;
}

/**
 * The numbering of one capture thread (captures, decisions, flows) and its way into the database. Every method must be
 * called inside FlowWriter.transaction.
 */
export class WriterChannel {
  readonly #owner: ChannelOwner;
  /** Database ids by the thread's own numbers. */
  readonly #captures: number[] = [];
  readonly #decisions: number[] = [];
  readonly #blocks: number[] = [];
  /** Where the flows from a sequence number on are, the latest first: a flow stays in the file that it began in. */
  readonly #homes: { fromSeq: number; home: FlowHome }[];
  /** One past the highest sequence number seen. */
  #nextSeq = 0;
  #record: FlowRecord | null = null;
  readonly #values: SqlValue[] = [];

  constructor(owner: ChannelOwner) {
    this.#owner = owner;
    this.#homes = [{ fromSeq: 0, home: owner.home }];
  }

  /** From now on new flows go to another file. Outside of a transaction. */
  moveTo(home: FlowHome): void {
    if (this.#homes[0]!.fromSeq === this.#nextSeq) this.#homes.shift();
    this.#homes.unshift({ fromSeq: this.#nextSeq, home });
  }

  /** The flows of a file are dropped: what still comes of them goes to `refuge`. Outside of a transaction. */
  leave(gone: FlowHome, refuge: FlowHome): void {
    for (const entry of this.#homes) if (entry.home === gone) entry.home = refuge;
    // Neighbours of one home are one entry: the list is as long as there are files, however long the run.
    for (let i = this.#homes.length - 1; i > 0; i--)
      if (this.#homes[i]!.home === this.#homes[i - 1]!.home)
        this.#homes[i - 1]!.fromSeq = this.#homes.splice(i, 1)[0]!.fromSeq;
  }

  /** Times that were clamped to 64 bits so far. */
  get clampedTimes(): number {
    return this.#record?.clampedTimes ?? 0;
  }

  /** Writes a capture point, unless another channel that shares it has; its number is `info.index`. */
  addCapture(info: CaptureInfo): void {
    const { sharedBy = 1 } = info;
    const { sharedCaptures } = this.#owner;
    let id = sharedBy > 1 ? sharedCaptures.idOf(info.index) : undefined;
    if (id === undefined) {
      id = this.#insertCapture(info);
      if (sharedBy > 1) sharedCaptures.add(info.index, id, sharedBy);
    }
    this.#remember(this.#captures, info.index, id);
  }

  #insertCapture(info: CaptureInfo): number {
    const { insertCapture, lastOf } = this.#owner.statements;
    const isGap = info.gapReason !== undefined;
    const { lastInsertRowid } = insertCapture.run(
      this.#owner.runId,
      info.netns,
      info.netnsId,
      info.interface,
      info.ifIndex,
      info.linkType,
      info.source,
      info.file,
      info.filter,
      info.file === null ? nowNs() : null,
      info.gapReason ?? null,
      isGap ? (lastOf.get(info.netnsId, info.ifIndex) ?? null) : null,
    );
    return Number(lastInsertRowid);
  }

  /** Writes decisions number `base`, `base + 1`, …; one that any run has written before is not written again. */
  addDecisions(base: number, list: readonly RouteDecision[]): void {
    const { findDecision, insertDecision } = this.#owner.statements;
    for (const [k, decision] of list.entries()) {
      const values = DECISION_KEYS.map((key) => decision[key]);
      const digest = createHash('sha256').update(JSON.stringify(values)).digest();
      const id = findDecision.get(digest) ?? Number(insertDecision.run(digest, ...values).lastInsertRowid);
      this.#remember(this.#decisions, base + k, id);
    }
  }

  /** Writes the counters of a capture point over the earlier ones; of a shared one what all channels count. */
  setCounters(captureIndex: number, state: CaptureState): void {
    const id = known(this.#captures, captureIndex, 'capture');
    const { counters, firstNs, lastNs, final } = this.#owner.sharedCaptures.tell(this, captureIndex, state);
    const times = [firstNs, lastNs].map((ns) => (ns === null ? null : clampNs(ns)));
    const values = COUNTER_COLUMNS.map(([key]) => counters[key]);
    this.#owner.statements.updateCounters.run(final ? 1 : 0, ...times, ...values, id);
  }

  /** The id of a flow whose records were written. Needs no transaction. */
  idOf(flowSeq: number): number {
    const block = Math.floor(flowSeq / ID_BLOCK);
    return known(this.#blocks, block, 'block of flows') + (flowSeq - block * ID_BLOCK);
  }

  /** A decision that was written, as one line. Needs no transaction. @throws SqliteError */
  decisionText(index: number): string | null {
    return this.#owner.statements.decisionText.get(known(this.#decisions, index, 'decision')) ?? null;
  }

  /** A decision that was written, or null when none has this number (yet). Needs no transaction. @throws SqliteError */
  decision(index: number): RouteDecision | null {
    const id = this.#decisions[index];
    return id === undefined ? null : (this.#owner.statements.readDecision.get(id) ?? null);
  }

  /** Writes the filter of a capture point over the earlier one. */
  setFilter(captureIndex: number, filter: string | null): void {
    this.#owner.statements.updateFilter.run(filter, known(this.#captures, captureIndex, 'capture'));
  }

  /**
   * Writes the route changes of a batch, and every record: a new flow is inserted, a later record of a flow replaces the
   * earlier one in place.
   * @returns flows inserted
   */
  writeBatch(batch: FlowBatch): number {
    this.#writeChanges(batch);
    this.#record ??= new FlowRecord(batch);
    const record = this.#record;
    record.setBatch(batch);
    record.hostId = this.#owner.hostId;
    const { clampedTimes } = record;
    this.#owner.onRollback(() => {
      record.clampedTimes = clampedTimes;
    });
    const { flowSeq, captureIndex, routeFwd, routeRev, isNew, tunnelType, outerSeq } = batch.columns;
    let inserted = 0;
    for (let i = 0; i < batch.count; i++) {
      record.setRecord(i);
      const home = this.#home(flowSeq[i]!);
      record.flowId = this.#flowId(flowSeq[i]!);
      const isInside = tunnelType[i] !== 0 && outerSeq[i]! >= 0;
      record.outerFlowId = isInside ? this.#flowId(outerSeq[i]!) : null;
      record.captureId = known(this.#captures, captureIndex[i]!, 'capture');
      record.routeFwd = this.#decision(routeFwd[i]!);
      record.routeRev = this.#decision(routeRev[i]!);
      home.series?.add(record);
      const { flows } = home.statements;
      const shape = shapeOf(record);
      // Spread: better-sqlite3 binds arguments a quarter faster than an array.
      if (isNew[i] === 1) {
        home.added++;
        flows.insert(shape).run(...fillValues(this.#values, shape.insertColumns, record));
        inserted++;
      } else if (
        flows.update(shape).run(...fillValues(this.#values, shape.updateColumns, record)).changes === 0
      ) {
        // Turned around, or removed by retention meanwhile: the record is whole, so it can stand alone.
        flows.upsert.run(...fillValues(this.#values, anyShape().insertColumns, record));
      }
    }
    if (batch.extraLength > 0) this.#writeExtras(batch);
    return inserted;
  }

  /** Each stands behind the record of its flow. */
  #writeExtras(batch: FlowBatch): void {
    for (const { flowSeq, kind, octets } of batch.extras.entries(batch.extraLength)) {
      const { setHints, setPayloadFwd, setPayloadRev } = this.#home(flowSeq).statements;
      const flowId = this.#flowId(flowSeq);
      if (kind === ExtraKind.hint) setHints.run(hintsJson(octets), flowId);
      else (kind === ExtraKind.payloadFwd ? setPayloadFwd : setPayloadRev).run(octets, flowId);
    }
  }

  /** A change may come before the first record of its flow, whose id is known all the same. */
  #writeChanges(batch: FlowBatch): void {
    const c = batch.changes;
    for (let i = 0; i < batch.changeCount; i++) {
      const { insertChange, appendChange } = this.#home(c.flowSeq[i]!).statements;
      const flowId = this.#flowId(c.flowSeq[i]!);
      const side = c.side[i]!;
      const since = clampNs(toNs(c.sec[i]!, c.nsec[i]!));
      const decision = this.#decision(c.decision[i]!);
      if (c.isFirst[i] === 1) {
        insertChange.run(flowId, side, 0, null, this.#decision(c.previous[i]!));
        insertChange.run(flowId, side, 1, since, decision);
      } else appendChange.run(flowId, side, since, decision, flowId, side);
    }
  }

  #home(flowSeq: number): FlowHome {
    if (flowSeq >= this.#nextSeq) this.#nextSeq = flowSeq + 1;
    let i = 0;
    while (flowSeq < this.#homes[i]!.fromSeq) i++;
    return this.#homes[i]!.home;
  }

  #flowId(flowSeq: number): number {
    const block = Math.floor(flowSeq / ID_BLOCK);
    // Blocks before it as well: so ids go up with the numbers, and of the only run of a database are those and 1.
    let first = block;
    const least = Math.max(0, block - BLOCKS_BEFORE);
    while (first >= least && this.#blocks[first] === undefined) first--;
    if (first < block) this.#reserve(first + 1, block);
    const base = this.#blocks[block]!;
    return base + (flowSeq - block * ID_BLOCK);
  }

  /** Takes ids for the blocks from `first` to `last`, one behind the other. */
  #reserve(first: number, last: number): void {
    const ids = (last - first + 1) * ID_BLOCK;
    let base = this.#owner.statements.reserveIds.get(ids)! - ids;
    for (let block = first; block <= last; block++, base += ID_BLOCK)
      this.#remember(this.#blocks, block, base);
  }

  #decision(index: number): number | null {
    return index < 0 ? null : known(this.#decisions, index, 'decision');
  }

  #remember(ids: number[], index: number, id: number): void {
    const before = ids[index];
    ids[index] = id;
    this.#owner.onRollback(() => {
      if (before === undefined) delete ids[index];
      else ids[index] = before;
    });
  }
}

function known(ids: readonly number[], index: number, what: string): number {
  const id = ids[index];
  if (id === undefined)
    throw new RangeError(`storage: a record names ${what} ${index}, which was not announced`);
  return id;
}
