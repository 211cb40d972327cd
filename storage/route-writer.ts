import type { FlowDatabase } from './database.ts';
import type { SqlValue } from './flow-columns.ts';
import type { RouteRequest } from './messages.ts';
import type { RouteGap } from './route-backlog.ts';
import { clampNs } from './time.ts';

/** Writes what is known of the routes of namespaces over time; in whatever transaction is open. */
export class RouteWriter {
  readonly #statements: ReturnType<typeof prepareStatements>;
  readonly #runId: number;

  /** @param runId the run that everything belongs to */
  constructor(db: FlowDatabase, runId: number) {
    this.#statements = prepareStatements(db);
    this.#runId = runId;
  }

  /** Adds an update, or puts counts in the place of the earlier ones of the run and namespace. */
  write(request: RouteRequest | RouteGap): void {
    const { netns, netnsId } = request;
    switch (request.type) {
      case 'routeUpdate': {
        const { buffer, byteOffset, byteLength } = request.data;
        this.#statements.update.run(
          this.#runId,
          netns,
          netnsId,
          clampNs(request.atNs),
          request.isFull ? 1 : 0,
          Buffer.from(buffer, byteOffset, byteLength),
        );
        break;
      }
      case 'routeGap':
        this.#statements.update.run(this.#runId, netns, netnsId, clampNs(request.atNs), 0, null);
        this.#statements.shed.run(this.#runId, netns, netnsId, request.lost);
        break;
      case 'routeAudit': {
        const { asked, agreed, disagreed, unasked } = request;
        this.#statements.audit.run(this.#runId, netns, netnsId, asked, agreed, disagreed, unasked);
        break;
      }
      case 'routeMirror': {
        const { resyncs, reloads, applied, interrupted } = request;
        this.#statements.mirror.run(this.#runId, netns, netnsId, resyncs, reloads, applied, interrupted);
      }
    }
  }
}

function prepareStatements(db: FlowDatabase) {
  const upsert = (table: string, counts: readonly string[]) => {
    const changing = ['netns', ...counts].map((name) => `${name} = excluded.${name}`);
    return db.prepare<SqlValue[]>(
      `INSERT INTO ${table} (run_id, netns, netns_id, ${counts.join(', ')})
       VALUES (?, ?, ?, ${counts.map(() => '?').join(', ')})
       ON CONFLICT (run_id, netns_id) DO UPDATE SET ${changing.join(', ')}`,
    );
  };
  return {
    update: db.prepare<SqlValue[]>(
      'INSERT INTO route_updates (run_id, netns, netns_id, at_ns, is_full, data) VALUES (?, ?, ?, ?, ?, ?)',
    ),
    shed: db.prepare<SqlValue[]>(
      `INSERT INTO route_mirrors (run_id, netns, netns_id, resyncs, reloads, applied, interrupted, shed_updates)
       VALUES (?, ?, ?, 0, 0, 0, 0, ?)
       ON CONFLICT (run_id, netns_id) DO UPDATE SET shed_updates = shed_updates + excluded.shed_updates`,
    ),
    audit: upsert('route_audits', ['asked', 'agreed', 'disagreed', 'unasked']),
    mirror: upsert('route_mirrors', ['resyncs', 'reloads', 'applied', 'interrupted']),
  };
}
