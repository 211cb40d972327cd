import pino, { type LogFn, type Logger } from 'pino';
import type { LogLevel } from './config.ts';
import { LogLimit } from './log-limit.ts';

export type { Logger };

/** How often lines that were held back are told of. */
const HELD_BACK_MS = 60_000;
/** pino's numbers of debug and fatal. */
const DEBUG = 20;
const FATAL = 60;

/**
 * The log of one of the daemon's processes: JSON lines on stderr. Every line has `time` (RFC 3339, UTC), `level` (its
 * name), `role`, `pid`, `msg`, and an `event` with a stable name that scripts may rely on: LOG_EVENTS.
 *
 * Of one event and object (namespace, interface) 30 lines a minute are let through; the next one after that, or a line
 * `log-limited`, has the number of those that were not (`heldBack`). Debug lines and the last words of a process are not
 * limited.
 *
 * Synchronous: the daemon logs a few lines a minute, and the line before a crash is the one that matters. A log that
 * nobody reads any more (EPIPE, EAGAIN of a full pipe) must not end the capture: pino then drops the line.
 * @param role        'supervisor' or 'engine'
 * @param destination tests have their own
 */
export function createLogger(
  role: string,
  level: LogLevel,
  destination: { write(line: string): void } = stderrDestination(),
  limit = new LogLimit(),
): Logger {
  const logger = pino(
    {
      level,
      base: { role, pid: process.pid },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      hooks: {
        logMethod(args, method, number) {
          const admitted = admit(limit, args, number);
          if (admitted !== null) method.apply(this, admitted);
        },
      },
    },
    destination,
  );
  setInterval(() => tellHeldBack(logger, limit), HELD_BACK_MS).unref();
  return logger;
}

function stderrDestination(): ReturnType<typeof pino.destination> {
  const destination = pino.destination({ fd: 2, sync: true });
  destination.on('error', () => {});
  return destination;
}

/** @returns the arguments to log; null: none this time */
function admit(limit: LogLimit, args: Parameters<LogFn>, level: number): Parameters<LogFn> | null {
  const [fields, ...message] = args as [unknown, ...unknown[]];
  if (level <= DEBUG || level >= FATAL || typeof fields !== 'object' || fields === null) return args;
  const { event, netnsId, netns, interface: name } = fields as Record<string, unknown>;
  if (event === undefined || event === 'log-limited') return args;
  const heldBack = limit.admit(JSON.stringify([event, netnsId ?? netns ?? null, name ?? null]));
  if (heldBack === null) return null;
  return heldBack === 0 ? args : ([{ ...fields, heldBack }, ...message] as Parameters<LogFn>);
}

/** Tells what was held back and will not be told by a next line of the same. */
export function tellHeldBack(logger: Logger, limit: LogLimit): void {
  for (const [key, heldBack] of limit.expired()) {
    const [of, netns, name] = JSON.parse(key) as [string, string | null, string | null];
    logger.warn(
      { event: 'log-limited', of, netns, interface: name, heldBack },
      `${heldBack} more lines of ${of} were not logged`,
    );
  }
}
