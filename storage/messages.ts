import type { Experiment } from './experiments.ts';
import type { KnownDecision, RouteDecision } from './route-decision.ts';

/** One capture point: an interface in a namespace, or one interface of a savefile. A row of `captures`. */
export interface CaptureInfo {
  /** Number within its capture thread, from 0; flow records carry it in `captureIndex`. */
  index: number;
  /** Name of the namespace as the user knows it; null for a savefile replayed without `--netns`. */
  netns: string | null;
  /** Identity of the namespace, "dev:inode" of its nsfs file: a namespace re-created under the same name is another. */
  netnsId: string | null;
  /** Interface name; null when a savefile does not name it. */
  interface: string | null;
  ifIndex: number | null;
  /** LINKTYPE_ value. */
  linkType: number;
  source: 'ring' | 'libpcap' | 'file';
  /** Path of the savefile, "-" for stdin; null for live captures. */
  file: string | null;
  /** The user's filter expression, or null. */
  filter: string | null;
  /**
   * Capture threads that share it under the same index, each with a part of its packets: one row of `captures` for all, whose
   * counters are the sum of theirs, and which has ended when all have said so. Each of them announces it. Left out: 1.
   */
  sharedBy?: number;
  /** Why the same interface was captured before and then, for a while, not; left out: it was not, or it was meant so. */
  gapReason?: string;
}

/** Times of the first and the last packet of a capture, whatever became of them; `firstSec` is -1 before the first. */
export interface PacketSpan {
  readonly firstSec: number;
  readonly firstNsec: number;
  readonly lastSec: number;
  readonly lastNsec: number;
}

/** A PacketSpan, and until when no packet is missing in it. */
export interface CountedSpan extends PacketSpan {
  /** Milliseconds since the epoch, as far as that is later than the last packet. Left out or 0: it is not known. */
  readonly countedUntilMs?: number;
}

/**
 * Counters of one capture point, cumulative since its start. Every packet that reached nstap is in exactly one of
 * `decodedIpv4`, `decodedIpv6`, `decodedArp`, `decodedOther`, `undecoded`, and their sum is `packets`.
 */
export interface CaptureCounters {
  packets: number;
  /** Original frame octets. */
  bytes: number;
  decodedIpv4: number;
  decodedIpv6: number;
  decodedArp: number;
  decodedOther: number;
  undecoded: number;
  /** By the upper-layer protocol of the outermost IP header, fragments included; `icmp` is ICMP and ICMPv6. */
  tcp: number;
  udp: number;
  icmp: number;
  sctp: number;
  otherL4: number;
  /** Packets captured shorter than they were on the wire. */
  truncated: number;
  fragments: number;
  /** Packets that carried another one in a tunnel, and those of them whose inside could not be followed; 0 unless asked for. */
  tunnelled: number;
  tunnelUndecoded: number;
  /**
   * Packets that passed the filter, as the kernel (or libpcap) counts them, `kernelDrops` and `duplicates` included; of a
   * savefile `packets`.
   */
  received: number;
  /** Lost before nstap saw them, as the kernel (or libpcap) reports it. */
  kernelDrops: number;
  /** Packets of `lo` seen a second time (OUTGOING) and left out on purpose; not part of `packets`. */
  duplicates: number;
  /** Flow records shed because the storage queue was full. */
  shedRecords: number;
  /** Changes of flows' route decisions that were shed for the same reason. */
  shedRouteChanges: number;
  /** Flows ended early because the flow table was at its bound. */
  evictedFlows: number;
  /** TCP flows whose counts are too low, and some null, because too many flows had retransmissions and the like at once. */
  untrackedFlows: number;
  /** Flows whose hints and payload were not kept because the store of those was at its bound. */
  shedHints: number;
  /** Flows held now: goes up and down. */
  aliveFlows: number;
  /** Nanoseconds of CPU that its packets took in the capture thread; 0 for a savefile. */
  cpuNs: number;
}

/** What a capture thread is doing. */
export interface ThreadLoad {
  /** Batches of records that wait for the database, of `queueSize`. */
  queued: number;
  queueSize: number;
  /** Nanoseconds of CPU since it began. */
  cpuNs: number;
}

/** A CaptureCounters of zeros. */
export function zeroCounters(): CaptureCounters {
  return {
    packets: 0,
    bytes: 0,
    decodedIpv4: 0,
    decodedIpv6: 0,
    decodedArp: 0,
    decodedOther: 0,
    undecoded: 0,
    tcp: 0,
    udp: 0,
    icmp: 0,
    sctp: 0,
    otherL4: 0,
    truncated: 0,
    fragments: 0,
    tunnelled: 0,
    tunnelUndecoded: 0,
    received: 0,
    kernelDrops: 0,
    duplicates: 0,
    shedRecords: 0,
    shedRouteChanges: 0,
    evictedFlows: 0,
    untrackedFlows: 0,
    shedHints: 0,
    aliveFlows: 0,
    cpuNs: 0,
  };
}

/** The host a run was on: a database may hold flows of several. */
export interface HostInfo {
  /** machine-id(5), or "" where there is none. */
  machineId: string;
  name: string;
}

/** Who writes: one row of `runs`. */
export interface RunInfo {
  kind: 'daemon' | 'replay';
  /** Version of nstap. */
  version: string;
  /** As typed, for people. */
  commandLine: string;
  /** Left out: this host. */
  host?: HostInfo;
  /** Write flows over time, too. Left out: no. */
  timeseries?: boolean;
}

/** What whoever follows the routes of a namespace sends to storage, over an inlet of its own. */
export type RouteRequest =
  /**
   * The tables of a namespace changed, in an encoding that storage does not look into. `isFull`: `data` stands for itself;
   * else it says what changed since the update of the same namespace that was sent before.
   */
  | {
      type: 'routeUpdate';
      netns: string;
      netnsId: string;
      /** Nanoseconds since the epoch. */
      atNs: bigint;
      isFull: boolean;
      data: Uint8Array;
    }
  /** Answers that the kernel was asked for as well, counted since the start of the run. */
  | ({ type: 'routeAudit' } & RouteAuditCounts)
  /** What following the tables cost and lost, counted since the start of the run. */
  | ({ type: 'routeMirror' } & RouteMirrorCounts);

/** Of one namespace: a sample of our decisions against the kernel's own answers. */
export interface RouteAuditCounts {
  netns: string;
  netnsId: string;
  /** Questions put to the kernel: `agreed` + `disagreed`. */
  asked: number;
  agreed: number;
  disagreed: number;
  /** Decisions of the sample that could not be asked. */
  unasked: number;
}

/** Of one namespace: how its tables were followed. */
export interface RouteMirrorCounts {
  netns: string;
  netnsId: string;
  /** Times that notifications were lost (ENOBUFS), or a dump stayed inconsistent, and everything was read anew. */
  resyncs: number;
  /** Times that everything was read anew for a change that cannot be applied by itself. */
  reloads: number;
  /** Changes applied by themselves. */
  applied: number;
  /** Dumps asked again because the tables changed while they were read (NLM_F_DUMP_INTR). */
  interrupted: number;
}

/**
 * What a capture thread (or its test) sends to the storage thread, in this order: a capture before the first record
 * that names it, a decision before the first record that points at it.
 */
export type StorageRequest =
  | { type: 'capture'; info: CaptureInfo }
  /** Decisions number `base`, `base + 1`, … of this writer. */
  | { type: 'decisions'; base: number; list: RouteDecision[] }
  /** Batch number `batch` of the writer's pool holds records and route changes; storage releases it in the pool when they are committed. */
  | { type: 'batch'; batch: number }
  | {
      type: 'counters';
      captureIndex: number;
      counters: CaptureCounters;
      /** Of the packets counted; null where it is not known. */
      span: CountedSpan | null;
      final: boolean;
    }
  /** Another filter of a capture from now on. */
  | { type: 'filter'; captureIndex: number; filter: string | null }
  | { type: 'load'; load: ThreadLoad }
  | RouteRequest
  /** `synced` with the same number is the answer, once everything that was sent before is committed. */
  | { type: 'sync'; request: number }
  /** Nothing more comes from this writer. */
  | { type: 'close' };

/** Flows were dropped for retention. */
export interface RetentionNotice {
  type: 'dropped';
  /** Number of the partition; 0: rows of the main file. */
  partition: number;
  flows: number;
  /** Of the file; 0 for rows. */
  octets: number;
  /** Earliest start and latest end of its flows, nanoseconds since the epoch; null where that is not known. */
  fromNs: bigint | null;
  untilNs: bigint | null;
  /** Which bound; `missing`: the file was gone already, by a crash in the middle of dropping it, or by somebody's hand. */
  reason: 'age' | 'size' | 'free' | 'missing';
}

/**
 * From the storage thread to whoever started it. That a batch's records are committed is told by BatchPool.release, not by
 * a message: a capture thread reads none.
 */
export type StorageReply =
  /** The database is of an older nstap, and brought up to date before it is `ready`: that takes minutes where flows are many. */
  | { type: 'upgrading'; path: string; version: number }
  /** The database is open. */
  | { type: 'ready'; runId: number }
  /**
   * Storage is in trouble; `code` and `message` as in StorageError. Not fatal: what waits is kept and tried again, and
   * `recovered` follows when it worked. Fatal: the thread ends, nothing more is written; what was committed stays, and
   * `lostRecords` records that had been handed over are not among it.
   */
  | { type: 'error'; code: string; message: string; fatal: boolean; lostRecords: number }
  | { type: 'recovered' }
  | { type: 'synced'; request: number }
  /** An experiment was changed as asked, or was not: `code` as in ExperimentError or StorageError. */
  | { type: 'marked'; request: number; experiment: Experiment }
  | { type: 'unmarked'; request: number; code: string; message: string }
  /** Of the decisions that were asked for, those that are written. */
  | { type: 'decided'; request: number; decisions: KnownDecision[] }
  | RetentionNotice
  /** Retention failed, and tries again; told once until it has worked. `code` and `message` as in StorageError. */
  | { type: 'retentionTrouble'; code: string; message: string }
  /** Everything sent before `close` is committed and the database is closed. */
  | { type: 'closed'; flows: number; records: number };
