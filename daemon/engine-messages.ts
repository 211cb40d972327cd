import type { CaptureInfo } from '../storage/messages.ts';
import type { RetentionOptions } from '../storage/retention-options.ts';
import type { RingGeometry } from './kernel/packet-socket.ts';
import type { Backend, DaemonOptions, LogLevel, MeteringOptions } from './config.ts';

/** What the engine needs of the daemon's options. */
export interface EngineConfig extends MeteringOptions {
  db: string;
  backend: Backend;
  auditRate: number;
  routeHistory: boolean;
  retention: RetentionOptions;
  logLevel: LogLevel;
  /** See DaemonOptions. */
  metrics: string | null;
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
  /** One descriptor: a packet socket with that ring. */
  | { type: 'ring'; capture: CaptureInfo; ring: RingGeometry; cooked: boolean; loopback: boolean }
  /** One descriptor: the namespace to open the device in. */
  | { type: 'libpcap'; capture: CaptureInfo; snapLen: number; bufferBytes: number }
  /** No descriptor. */
  | { type: 'remove-capture'; captureIndex: number; reason: string }
  /** No descriptor. Its interface has another name: what it has open goes on as `capture`, with a new number. */
  | { type: 'rename-capture'; captureIndex: number; capture: CaptureInfo }
  /** No descriptor: its captures are removed as well, and everything of it is closed. */
  | { type: 'remove-netns'; netnsId: string }
  /** No descriptor: from now on this holds. */
  | { type: 'configure'; settings: EngineSettings }
  /** No descriptor: another filter for the socket of a capture. `program`: struct sock_filter[] in base64, or null for none. */
  | { type: 'filter'; captureIndex: number; filter: string | null; program: string | null }
  /** Drain and exit. */
  | { type: 'shutdown' };

/** From the engine to the supervisor: JSON lines on the engine's standard output. Validated by parseReport. */
export type EngineReport =
  | { type: 'ready' }
  | { type: 'opened'; captureIndex: number }
  | { type: 'failed'; captureIndex: number; reason: string }
  | { type: 'ended'; captureIndex: number; reason: string };

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
  const { type, captureIndex, reason } = value as Record<string, unknown>;
  if (type === 'ready') return { type };
  if (type !== 'opened' && type !== 'failed' && type !== 'ended')
    throw new Error(`engine report of unknown type ${JSON.stringify(type)}`);
  if (typeof captureIndex !== 'number' || !Number.isInteger(captureIndex) || captureIndex < 0)
    throw new Error(`engine report ${type}: bad captureIndex`);
  if (type === 'opened') return { type, captureIndex };
  if (typeof reason !== 'string') throw new Error(`engine report ${type}: bad reason`);
  return { type, captureIndex, reason };
}
