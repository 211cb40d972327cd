import { RETENTION_DEFAULT, type RetentionOptions } from '../storage/retention-options.ts';
import { DEFAULT_TIMEOUTS, type FlowTimeouts } from './flow/timeouts.ts';

/** Where packets come from: the kernel's ring, or libpcap. */
export const BACKENDS = ['ring', 'libpcap'] as const;
export type Backend = (typeof BACKENDS)[number];

/** What `--log-level` takes, from the most to the least talkative. pino's names */
export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** What flows are made of: the outermost IP header, what is inside of tunnels where there is one, or each level. */
export const TUNNEL_MODES = ['outer', 'inner', 'both'] as const;
export type TunnelMode = (typeof TUNNEL_MODES)[number];

/** How packets become flows, live and in a replay. */
export interface MeteringOptions {
  /** Bound on flows held at once. */
  maxFlows: number;
  timeouts: FlowTimeouts;
  /** Seconds after which a living flow is written again although it goes on; 0: only when it ends. */
  checkpointSec: number;
  tunnels: TunnelMode;
  /** Keep what the first payload packets say of the application, see decoders/hints. */
  hints: boolean;
  /** Octets of payload kept of each direction, at most PAYLOAD_MAX; 0: none. */
  payloadOctets: number;
  /** Keep the counters of each flow for every SERIES_SEC. `checkpointSec` must divide it. */
  timeseries: boolean;
}

/** What the daemon is asked to do: the command line, with its defaults filled in. */
export interface DaemonOptions extends MeteringOptions {
  /** Selectors of namespaces, see parseNetnsSelectors. */
  netns: string[];
  /** Patterns over interface names, see parseInterfaceSelectors. */
  interfaces: string[];
  /** pcap-filter(7), or null for every packet. */
  filter: string | null;
  /**
   * pcap-filter(7) of the daemon's own traffic, which is left out in the host's namespace (say of a metrics endpoint: "tcp port
   * 9101 and host 127.0.0.1"); null: it has none. The kernel's filter does it: such packets are in no counter.
   */
  exclude: string | null;
  /** Database file. */
  db: string;
  backend: Backend;
  /** Name or number of the engine's user; null: `nstap`, else `nobody`, else the owner of the database's folder. */
  user: string | null;
  /** Rings that share each interface out, each with a capture thread of its own, see fanoutProgram; 1: one ring, one thread. */
  fanout: number;
  /** MiB of a ring (or of libpcap's buffer), per interface. */
  ringMib: number;
  /** MiB of all rings together; interfaces beyond it get smaller rings. */
  ringTotalMib: number;
  /** Octets captured of a packet. */
  snapLen: number;
  /** Route decisions a second and namespace that are asked of the kernel too; 0 for none. */
  auditRate: number;
  /** Keep how the tables were over time, for `nstap routes --at`. */
  routeHistory: boolean;
  /** How much of the past is kept. */
  retention: RetentionOptions;
  logLevel: LogLevel;
  /** Path of the control socket, or null: no clients are taken. */
  control: string | null;
  /** Where counters are served for Prometheus, as parseListenAddress takes it; null: nowhere. */
  metrics: string | null;
}

/** tcpdump's default: more than any packet. */
export const SNAPLEN_DEFAULT = 262_144;
/** Below this not even the headers of IPv6 TCP with two VLAN tags are whole. */
export const SNAPLEN_MIN = 96;
/** One message to the engine carries the descriptors of all rings of an interface, see SCM_FDS_MAX. */
export const FANOUT_MAX = 16;
/** 32 MiB hold half a second of 500,000 small packets a second, or 30 ms of 10 Gbit/s. */
export const RING_MIB_DEFAULT = 32;
export const RING_MIB_MAX = 1024;
export const RING_TOTAL_MIB_MAX = 1 << 20;
export const MAX_FLOWS_DEFAULT = 1_000_000;
/** A flow's number has 24 bits in the table's index. */
export const MAX_FLOWS_LIMIT = 0xfffffe;
/** Seconds; the longest timeout that makes sense: a day. */
export const TIMEOUT_MAX = 86_400;
/** Seconds: how old the counters of a living flow are in the database, at most. */
export const CHECKPOINT_DEFAULT = 10;
/** Octets of payload that can be kept of a direction. */
export const PAYLOAD_MAX = 1024;
/** Route decisions a second and namespace that are asked of the kernel too. */
export const AUDIT_RATE_DEFAULT = 10;
export const AUDIT_RATE_MAX = 1000;

/** A share of the memory that the kernel holds for rings, so that a host with many interfaces still has some. */
const RING_TOTAL_SHARE = 0.25;

/** Metering that no flag was given for. */
export function defaultMetering(): MeteringOptions {
  return {
    maxFlows: MAX_FLOWS_DEFAULT,
    timeouts: { ...DEFAULT_TIMEOUTS },
    checkpointSec: CHECKPOINT_DEFAULT,
    tunnels: 'outer',
    hints: false,
    payloadOctets: 0,
    timeseries: false,
  };
}

/** The metering part of something that has more. */
export function meteringOf(options: MeteringOptions): MeteringOptions {
  const { maxFlows, timeouts, checkpointSec, tunnels, hints, payloadOctets, timeseries } = options;
  return { maxFlows, timeouts, checkpointSec, tunnels, hints, payloadOctets, timeseries };
}

/** The options that no flag was given for. @param memoryBytes of the host, for the bound of all rings */
export function defaultOptions(db: string, memoryBytes: number): DaemonOptions {
  return {
    netns: ['any'],
    interfaces: ['*'],
    filter: null,
    exclude: null,
    db,
    backend: 'ring',
    user: null,
    fanout: 1,
    ringMib: RING_MIB_DEFAULT,
    ringTotalMib: Math.max(RING_MIB_DEFAULT, Math.floor((memoryBytes * RING_TOTAL_SHARE) / 2 ** 20)),
    snapLen: SNAPLEN_DEFAULT,
    ...defaultMetering(),
    auditRate: AUDIT_RATE_DEFAULT,
    routeHistory: true,
    retention: RETENTION_DEFAULT,
    logLevel: 'info',
    control: null,
    metrics: null,
  };
}

/**
 * Flow timeouts for `--idle-timeout SEC`: what is alive without a sign of its end is idle after that time. Half-open
 * and closed TCP keep their own shorter times, unless the idle time is shorter still.
 */
export function idleTimeouts(idleSec: number): FlowTimeouts {
  const { tcpAttempt, tcpClosed, tcpReset } = DEFAULT_TIMEOUTS;
  return {
    tcpAttempt: Math.min(idleSec, tcpAttempt),
    tcpEstablished: idleSec,
    tcpHalfClosed: idleSec,
    tcpClosed: Math.min(idleSec, tcpClosed),
    tcpReset: Math.min(idleSec, tcpReset),
    udpNew: idleSec,
    udp: idleSec,
    icmp: idleSec,
    other: idleSec,
  };
}

/** Names that `--timeout NAME=SEC` takes, with their keys. */
export const TIMEOUT_NAMES: Readonly<Record<string, keyof FlowTimeouts>> = {
  'tcp-attempt': 'tcpAttempt',
  'tcp-established': 'tcpEstablished',
  'tcp-half-closed': 'tcpHalfClosed',
  'tcp-closed': 'tcpClosed',
  'tcp-reset': 'tcpReset',
  'udp-new': 'udpNew',
  udp: 'udp',
  icmp: 'icmp',
  other: 'other',
};

/**
 * MiB of the next ring: what is wanted while the bound allows it, else halved until it fits, but never less than 1. At
 * the bound an interface is still captured, with a ring that drops sooner, and the kernel counts that.
 */
export function nextRingMib(wantedMib: number, usedMib: number, totalMib: number): number {
  let mib = wantedMib;
  while (mib > 1 && usedMib + mib > totalMib) mib >>>= 1;
  return Math.max(1, mib);
}
