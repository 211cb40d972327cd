import { readCaptures, readGaps } from '../storage/captures.ts';
import { type FlowDatabase, openForReading } from '../storage/database.ts';
import { StorageError } from '../storage/errors.ts';
import { type CaptureCounters, zeroCounters } from '../storage/messages.ts';
import { readRetained } from '../storage/retained.ts';
import { routeAudits, routeMirrors } from '../storage/route-counts.ts';
import type { RunRow } from '../storage/runs.ts';
import type { DaemonStatus } from './daemon-status.ts';
import { formatTime } from './format/time.ts';
import { currentRun, type RunState, runState } from './run-state.ts';

/** What a capture point counted since it began; `bytes` are frame octets on the wire. */
export interface CaptureCounts {
  /** As the kernel counts them; of a savefile `packets`. Less `packets`, `kernel_drops` and `duplicates`: what is still in the ring. */
  received: number;
  packets: number;
  bytes: number;
  decoded: number;
  undecoded: number;
  /** `packets` less `decoded` less `undecoded`: anything but 0 is a bug of nstap. */
  unaccounted: number;
  truncated: number;
  fragments: number;
  tunnelled: number;
  tunnel_undecoded: number;
  kernel_drops: number;
  duplicates: number;
  shed_records: number;
  shed_route_changes: number;
  evicted_flows: number;
  untracked_flows: number;
  shed_hints: number;
  /** Flows held now. */
  alive_flows: number;
  /** CPU that its packets took in the capture thread; 0 for savefiles. */
  cpu_ns: number;
}

/** A capture point as `nstap status` shows it. */
export interface CaptureStatus extends CaptureCounts {
  netns: string | null;
  netns_id: string | null;
  interface: string | null;
  source: string;
  file: string | null;
  filter: string | null;
  ended: boolean;
}

/** How the routes of a namespace were followed. */
export interface MirrorCounts {
  resyncs: number;
  reloads: number;
  applied: number;
  interrupted: number;
  /** Updates that are missing in the history. */
  shed_updates: number;
}

/** A sample of route decisions against the kernel's own. */
export interface AuditCounts {
  asked: number;
  agreed: number;
  disagreed: number;
  unasked: number;
}

/** A namespace as `nstap status` shows it; null where nothing was counted (yet). */
export interface NamespaceStatus {
  netns: string;
  netns_id: string;
  mirror: MirrorCounts | null;
  audit: AuditCounts | null;
}

/** What the database keeps, and what retention has dropped since it was made. */
export interface RetentionStatus {
  partitions: number;
  /** Of all files of the database. */
  octets: number;
  /** RFC 3339: of the flows that are kept the earliest end; null: there are none. */
  from: string | null;
  dropped_partitions: number;
  dropped_flows: number;
  dropped_octets: number;
}

/** A time in which an interface was not captured, as the engine before this run had ended. */
export interface GapStatus {
  netns: string | null;
  interface: string | null;
  /** RFC 3339: of the last packet counted before, and of the first one after. */
  from: string | null;
  to: string;
  reason: string;
}

/** What `nstap status --json` prints. Every key is always there. */
export interface Status {
  database: string;
  run: {
    run_id: number;
    kind: string;
    version: string;
    pid: number;
    host: string;
    command_line: string;
    /** RFC 3339 with nanoseconds. */
    started: string;
    ended: string | null;
    state: RunState;
    flows: number;
    records: number;
    /** Times that no 64 bits hold. */
    clamped_times: number;
    /** Batches of records that wait for the database, and how many may; 0 of 0: it was not told. */
    queue_waiting: number;
    queue_size: number;
    /** CPU of the capture thread, in nanoseconds; 0 of a replay. */
    capture_cpu_ns: number;
  };
  retention: RetentionStatus;
  captures: CaptureStatus[];
  gaps: GapStatus[];
  namespaces: NamespaceStatus[];
  /** Sums over all captures and namespaces. */
  totals: CaptureCounts & MirrorCounts & AuditCounts;
  /** True when of every capture packets = decoded + undecoded. */
  balanced: boolean;
  /** Of the daemon that writes this database, when it could be asked. */
  daemon: DaemonStatus | null;
}

/** Reads what is stored of the run that is running, else of the latest one; no daemon is asked. @throws StorageError */
export function readStatus(path: string): Status {
  const db = openForReading(path);
  try {
    const run = currentRun(db);
    if (run === null)
      throw new StorageError(
        'query',
        path,
        'NSTAP_NO_RUN',
        'nothing has been written to it yet; run `nstap daemon` or `nstap replay FILE`, or name another with --db',
      );
    return statusOf(db, path, run);
  } finally {
    db.close();
  }
}

const CAPTURE_KEYS = Object.keys(countsOf(zeroCounters())) as (keyof CaptureCounts)[];
const MIRROR_KEYS = ['resyncs', 'reloads', 'applied', 'interrupted', 'shed_updates'] as const;
const AUDIT_KEYS = ['asked', 'agreed', 'disagreed', 'unasked'] as const;

function statusOf(db: FlowDatabase, path: string, run: RunRow): Status {
  const captures = captureStatus(db, run.runId);
  const namespaces = namespaceStatus(db, run.runId);
  return {
    database: path,
    run: {
      run_id: run.runId,
      kind: run.kind,
      version: run.version,
      pid: run.pid,
      host: run.host.name,
      command_line: run.commandLine,
      started: formatTime(run.startedNs),
      ended: run.endedNs === null ? null : formatTime(run.endedNs),
      state: runState(run),
      flows: run.flows,
      records: run.records,
      clamped_times: run.clampedTimes,
      queue_waiting: run.load.queued,
      queue_size: run.load.queueSize,
      capture_cpu_ns: run.load.cpuNs,
    },
    retention: retentionStatus(db),
    captures,
    gaps: readGaps(db, run.runId).map(({ fromNs, toNs, ...gap }) => ({
      netns: gap.netns,
      interface: gap.interface,
      from: fromNs === null ? null : formatTime(fromNs),
      to: formatTime(toNs),
      reason: gap.reason,
    })),
    namespaces,
    totals: {
      ...sum(CAPTURE_KEYS, captures),
      ...sum(
        MIRROR_KEYS,
        namespaces.flatMap(({ mirror }) => mirror ?? []),
      ),
      ...sum(
        AUDIT_KEYS,
        namespaces.flatMap(({ audit }) => audit ?? []),
      ),
    },
    balanced: captures.every(({ unaccounted }) => unaccounted === 0),
    daemon: null,
  };
}

function retentionStatus(db: FlowDatabase): RetentionStatus {
  const kept = readRetained(db);
  return {
    partitions: kept.partitions,
    octets: kept.octets,
    from: kept.fromNs === null ? null : formatTime(kept.fromNs),
    dropped_partitions: kept.droppedPartitions,
    dropped_flows: kept.droppedFlows,
    dropped_octets: kept.droppedOctets,
  };
}

function captureStatus(db: FlowDatabase, runId: number): CaptureStatus[] {
  return readCaptures(db, runId).map((row) => ({
    netns: row.netns,
    netns_id: row.netnsId,
    interface: row.interface,
    source: row.source,
    file: row.file,
    filter: row.filter,
    ended: row.ended === 1,
    ...countsOf(row),
  }));
}

function countsOf(c: CaptureCounters): CaptureCounts {
  const decoded = c.decodedIpv4 + c.decodedIpv6 + c.decodedArp + c.decodedOther;
  return {
    received: c.received,
    packets: c.packets,
    bytes: c.bytes,
    decoded,
    undecoded: c.undecoded,
    unaccounted: c.packets - decoded - c.undecoded,
    truncated: c.truncated,
    fragments: c.fragments,
    tunnelled: c.tunnelled,
    tunnel_undecoded: c.tunnelUndecoded,
    kernel_drops: c.kernelDrops,
    duplicates: c.duplicates,
    shed_records: c.shedRecords,
    shed_route_changes: c.shedRouteChanges,
    evicted_flows: c.evictedFlows,
    untracked_flows: c.untrackedFlows,
    shed_hints: c.shedHints,
    alive_flows: c.aliveFlows,
    cpu_ns: c.cpuNs,
  };
}

/** Namespaces whose routes were followed, by name. */
function namespaceStatus(db: FlowDatabase, runId: number): NamespaceStatus[] {
  const byId = new Map<string, NamespaceStatus>();
  const of = ({ netns, netnsId }: { netns: string; netnsId: string }): NamespaceStatus => {
    const known = byId.get(netnsId);
    if (known !== undefined) return known;
    const fresh = { netns, netns_id: netnsId, mirror: null, audit: null };
    byId.set(netnsId, fresh);
    return fresh;
  };
  for (const row of routeMirrors(db, runId)) {
    const { resyncs, reloads, applied, interrupted, shedUpdates } = row;
    of(row).mirror = { resyncs, reloads, applied, interrupted, shed_updates: shedUpdates };
  }
  for (const row of routeAudits(db, runId)) {
    const { asked, agreed, disagreed, unasked } = row;
    of(row).audit = { asked, agreed, disagreed, unasked };
  }
  return [...byId.values()].sort((a, b) => (a.netns < b.netns ? -1 : a.netns > b.netns ? 1 : 0));
}

/** Each of the keys added up over a list. */
function sum<K extends string>(keys: readonly K[], list: readonly Record<K, number>[]): Record<K, number> {
  return Object.fromEntries(
    keys.map((key) => [key, list.reduce((n, counts) => n + counts[key], 0)]),
  ) as Record<K, number>;
}
