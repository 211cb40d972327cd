import pino, { type Logger } from 'pino';
import type { LogLevel } from './config.ts';

export type { Logger };

/**
 * The log of one of the daemon's processes: JSON lines on stderr. Every line has `time` (RFC 3339, UTC), `level` (its
 * name), `role`, `pid`, `msg`, and an `event` with a stable name that scripts may rely on.
 *
 * Synchronous: the daemon logs a few lines a minute, and the line before a crash is the one that matters. A log that
 * nobody reads any more (EPIPE, EAGAIN of a full pipe) must not end the capture: pino then drops the line.
 * @param role 'supervisor' or 'engine'
 */
export function createLogger(role: string, level: LogLevel): Logger {
  const destination = pino.destination({ fd: 2, sync: true });
  destination.on('error', () => {});
  return pino(
    {
      level,
      base: { role, pid: process.pid },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    destination,
  );
}
