import { SERIES_SEC } from '../../storage/series.ts';
import {
  CHECKPOINT_DEFAULT,
  type DaemonOptions,
  defaultMetering,
  defaultOptions,
  idleTimeouts,
  type MeteringOptions,
} from '../config.ts';
import { ConfigError } from './errors.ts';
import { formatListenAddress, parseListenAddress } from './listen-address.ts';
import { parseAge, parseDiskBound } from './retention-options.ts';
import type { GivenMetering, GivenOptions } from './spec.ts';

/**
 * Flags over the file. A state's timeout goes over the file's one by one; but `--idle-timeout` is for every state, and
 * `--active-timeout` is `--checkpoint`.
 */
export function flagsOverFile(flags: GivenOptions, file: GivenOptions): GivenOptions {
  const below = { ...file };
  if (flags.idleTimeout !== undefined) delete below.timeout;
  if (flags.activeTimeout !== undefined) delete below.checkpoint;
  const given = { ...below, ...flags };
  if (below.timeout !== undefined || flags.timeout !== undefined)
    given.timeout = { ...below.timeout, ...flags.timeout };
  return given;
}

/** What was asked for, over the defaults. @param checkpointSec where nothing says it @throws ConfigError for options that exclude each other */
export function resolveMetering(given: GivenMetering, checkpointSec = CHECKPOINT_DEFAULT): MeteringOptions {
  const defaults = defaultMetering();
  const { idleTimeout, activeTimeout, checkpoint, timeseries = defaults.timeseries } = given;
  if (checkpoint !== undefined && activeTimeout !== undefined && checkpoint !== activeTimeout)
    throw new ConfigError(['--checkpoint and --active-timeout are two names of one thing; give one of them']);
  const asked = checkpoint ?? activeTimeout;
  if (timeseries && asked !== undefined && (asked === 0 || SERIES_SEC % asked !== 0))
    throw new ConfigError([
      `--timeseries (flow.timeseries) needs a checkpoint at the end of every ${SERIES_SEC} s: --checkpoint 1, 2, 5 or 10, not ${asked} (flow.checkpoint)`,
    ]);
  return {
    maxFlows: given.maxFlows ?? defaults.maxFlows,
    timeouts: {
      ...(idleTimeout === undefined ? defaults.timeouts : idleTimeouts(idleTimeout)),
      ...given.timeout,
    },
    checkpointSec: asked ?? (timeseries ? SERIES_SEC : checkpointSec),
    tunnels: given.tunnels ?? defaults.tunnels,
    hints: given.hints ?? defaults.hints,
    payloadOctets: given.payload ?? defaults.payloadOctets,
    timeseries,
  };
}

/**
 * The daemon's options: what was asked for, over the defaults.
 * @param db          the default database
 * @param memoryBytes of the host
 * @throws ConfigError
 */
export function resolveOptions(given: GivenOptions, db: string, memoryBytes: number): DaemonOptions {
  const defaults = defaultOptions(given.db ?? db, memoryBytes);
  const ringMib = given.ringMib ?? defaults.ringMib;
  return {
    netns: notEmpty(given.netns) ?? defaults.netns,
    interfaces: notEmpty(given.interface) ?? defaults.interfaces,
    // Blank means every packet, as in tcpdump.
    filter: given.filter === undefined || given.filter.trim() === '' ? null : given.filter,
    exclude: ownTraffic(given.metrics),
    db: defaults.db,
    backend: given.backend ?? defaults.backend,
    user: given.user ?? defaults.user,
    fanout: fanoutOf(given),
    ringMib,
    ringTotalMib: given.ringTotalMib ?? Math.max(ringMib, defaults.ringTotalMib),
    snapLen: given.snaplen ?? defaults.snapLen,
    ...resolveMetering(given),
    auditRate: given.auditRate ?? defaults.auditRate,
    routeHistory: given.routeHistory ?? defaults.routeHistory,
    retention: {
      ageSec: bound(given.retainAge, parseAge, defaults.retention.ageSec),
      size: bound(given.retainSize, parseDiskBound, defaults.retention.size),
      free: bound(given.retainFree, parseDiskBound, defaults.retention.free),
    },
    logLevel: given.logLevel ?? defaults.logLevel,
    metrics: given.metrics === undefined ? null : canonicalAddress(given.metrics),
    control: given.control === undefined || given.control === 'none' ? null : given.control,
  };
}

/** @throws ConfigError where one flow could be shared out among several threads, or nothing can be */
function fanoutOf({ fanout = 1, backend = 'ring', tunnels = 'outer' }: GivenOptions): number {
  if (fanout > 1 && backend === 'libpcap')
    throw new ConfigError([
      `--fanout ${fanout} (capture.fanout) needs rings: leave out --backend libpcap (capture.backend)`,
    ]);
  if (fanout > 1 && tunnels !== 'outer')
    throw new ConfigError([
      `--fanout ${fanout} (capture.fanout) shares packets out by their outermost addresses, and a flow inside of tunnels may have several of those: leave out --tunnels ${tunnels} (flow.tunnels), or the fan-out`,
    ]);
  return fanout;
}

/** The daemon's own traffic, see DaemonOptions. @param metrics where they are served */
function ownTraffic(metrics: string | undefined): string | null {
  const address = metrics === undefined ? null : parseListenAddress(metrics);
  if (address === null || address.port === 0) return null;
  const isAnyAddress = address.host === '0.0.0.0' || address.host === '::';
  return `tcp port ${address.port}${isAnyAddress ? '' : ` and host ${address.host}`}`;
}

/** @param text valid, or not given: where it comes from looks at it */
function bound<T>(
  text: string | undefined,
  parse: (text: string) => T | null | undefined,
  otherwise: T | null,
): T | null {
  const parsed = text === undefined ? undefined : parse(text);
  return parsed === undefined ? otherwise : parsed;
}

function notEmpty(list: string[] | undefined): string[] | undefined {
  return list === undefined || list.length === 0 ? undefined : list;
}

function canonicalAddress(text: string): string {
  const address = parseListenAddress(text);
  if (address === null)
    throw new ConfigError([
      `--metrics (metrics.listen) "${text}" is no address to listen on: PORT (of 127.0.0.1), ADDR:PORT or [ADDR6]:PORT`,
    ]);
  return formatListenAddress(address);
}
