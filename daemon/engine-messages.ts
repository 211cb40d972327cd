import type { CaptureInfo } from '../storage/messages.ts';
import type { RetentionOptions } from '../storage/retention-options.ts';
import type { ControlCode } from './control/errors.ts';
import type { LiveInterface, Selection } from './control/messages.ts';
import { isNetnsSelector, isSelector } from './control/selectors.ts';
import type { RingGeometry } from './kernel/packet-socket.ts';
import {
  type Backend,
  type DaemonOptions,
  type LogLevel,
  type MeteringOptions,
  meteringOf,
} from './config.ts';

/** What the engine needs of the daemon's options. */
export interface EngineConfig extends MeteringOptions {
  db: string;
  backend: Backend;
  /** See DaemonOptions. */
  fanout: number;
  auditRate: number;
  routeHistory: boolean;
  retention: RetentionOptions;
  logLevel: LogLevel;
  /** See DaemonOptions. */
  metrics: string | null;
}

/** The part of the daemon's options that the engine needs. */
export function engineConfigOf(options: DaemonOptions): EngineConfig {
  const { db, backend, fanout, auditRate, routeHistory, retention, logLevel, metrics } = options;
  const metering = meteringOf(options);
  return { ...metering, db, backend, fanout, auditRate, routeHistory, retention, logLevel, metrics };
}

/** What can change while the engine runs; filters come by themselves. */
export type EngineSettings = Pick<DaemonOptions, 'auditRate' | 'logLevel' | 'timeouts'>;

/**
 * From the supervisor to the engine, over the SOCK_SEQPACKET pair; the comment says which descriptors come with it.
 * The supervisor is trusted: the engine does not validate these.
 */
export type EngineCommand =
  /** First, once. No descriptor. */
  | { type: 'start'; config: EngineConfig }
  /** The descriptors of openMirrorFds. */
  | { type: 'netns'; netns: string; netnsId: string }
  /** A descriptor for each capture thread: packet sockets, each with a ring like that. */
  | { type: 'ring'; capture: CaptureInfo; ring: RingGeometry; cooked: boolean; loopback: boolean }
  /** One descriptor: the namespace to open the device in. */
  | { type: 'libpcap'; capture: CaptureInfo; snapLen: number; bufferBytes: number }
  /** No descriptor. */
  | { type: 'remove-capture'; captureIndex: number; reason: string }
  /** No descriptor. Its interface has another name: what it has open goes on as `capture`, with a new number. */
  | { type: 'rename-capture'; captureIndex: number; capture: CaptureInfo }
  /** No descriptor: its captures are removed as well, and everything of it is closed. */
  | { type: 'remove-netns'; netnsId: string }
  /** One descriptor: the listening control socket. `uptimeMs` of the daemon until now, `restarts` of its engine. */
  | { type: 'control'; uptimeMs: number; restarts: number }
  /** A piece of the answer to `list-interfaces`. No descriptor. */
  | { type: 'interfaces'; request: number; rows: LiveInterface[]; isLast: boolean }
  /** The answer to `change-capture` or `reload`: why not, or null; `captured` as CaptureChange of nstap.proto. */
  | {
      type: 'answer';
      request: number;
      error: { code: ControlCode; message: string } | null;
      captured: number;
    }
  /** No descriptor: from now on this holds. */
  | { type: 'configure'; settings: EngineSettings }
  /** No descriptor: another filter for the socket of a capture. `program`: struct sock_filter[] in base64, or null for none. */
  | { type: 'filter'; captureIndex: number; filter: string | null; program: string | null }
  /** Drain and exit. */
  | { type: 'shutdown' };

/** What becomes of a capture. */
export type CaptureReport =
  | { type: 'opened'; captureIndex: number }
  | { type: 'failed'; captureIndex: number; reason: string }
  | { type: 'ended'; captureIndex: number; reason: string };

/** What a control client wants of the supervisor; it answers with the number `request`. */
export type ControlReport =
  | { type: 'list-interfaces'; request: number }
  | { type: 'change-capture'; request: number; isAdd: boolean; selection: Selection }
  | { type: 'reload'; request: number };

/** From the engine to the supervisor: JSON lines on the engine's standard output. Validated by parseReport. */
export type EngineReport =
  | { type: 'ready' }
  /** Once a second: neither its main thread nor its capture thread has hung. */
  | { type: 'alive' }
  | CaptureReport
  | ControlReport;

/** Octets of a report line, at most; a longer one is a broken or taken-over engine. */
export const REPORT_MAX = 4096;

/**
 * Reads one line of the engine. The engine parses what strangers send, so the supervisor takes nothing on trust.
 * @throws Error that says what is wrong with the line
 */
export function parseReport(line: string): EngineReport {
  if (line.length > REPORT_MAX) throw new Error(`engine report of ${line.length} characters`);
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch (error) {
    throw new Error('engine report is not JSON', { cause: error });
  }
  if (typeof value !== 'object' || value === null) throw new Error('engine report is no object');
  const { type, captureIndex, reason, request, isAdd, selection } = value as Record<string, unknown>;
  switch (type) {
    case 'ready':
    case 'alive':
      return { type };
    case 'opened':
      return { type, captureIndex: count(type, 'captureIndex', captureIndex) };
    case 'failed':
    case 'ended':
      if (typeof reason !== 'string') throw new Error(`engine report ${type}: bad reason`);
      return { type, captureIndex: count(type, 'captureIndex', captureIndex), reason };
    case 'list-interfaces':
    case 'reload':
      return { type, request: count(type, 'request', request) };
    case 'change-capture':
      if (typeof isAdd !== 'boolean') throw new Error(`engine report ${type}: bad isAdd`);
      return { type, request: count(type, 'request', request), isAdd, selection: selectionOf(selection) };
    default:
      throw new Error(`engine report of unknown type ${JSON.stringify(type)}`);
  }
}

function count(type: string, key: string, value: unknown): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0)
    throw new Error(`engine report ${type}: bad ${key}`);
  return value;
}

/** A selection by name or pattern: no path, which the supervisor would open with all its rights. */
function selectionOf(value: unknown): Selection {
  const { netns, interface: name } = (value ?? {}) as Record<string, unknown>;
  if (typeof netns !== 'string' || !isNetnsSelector(netns) || typeof name !== 'string' || !isSelector(name))
    throw new Error('engine report change-capture: bad selection');
  return { netns, interface: name };
}
