/** Signals by which a user, a service manager or a terminal that goes asks a command to end. */
export const ENDING_SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/**
 * Runs work that does not return to the event loop for long (a query that SQLite has to sort), in which no listener would hear
 * a signal: meanwhile Ctrl-C and the like do what they do by default, and end the process. For work that only reads.
 */
export function interruptible<T>(work: () => T): T {
  const listeners = ENDING_SIGNALS.map((signal) => process.rawListeners(signal) as NodeJS.SignalsListener[]);
  for (const signal of ENDING_SIGNALS) process.removeAllListeners(signal);
  try {
    return work();
  } finally {
    for (const [i, signal] of ENDING_SIGNALS.entries())
      for (const listener of listeners[i]!) process.on(signal, listener);
  }
}

/** The lines, of which the first is made as `interruptible` does: what SQLite sorts, it sorts before its first row. */
export function* firstInterruptible(make: () => Iterable<string>): Iterable<string> {
  const lines = interruptible(() => {
    const iterator = make()[Symbol.iterator]();
    return { first: iterator.next(), iterator };
  });
  try {
    for (let next = lines.first; !next.done; next = lines.iterator.next()) yield next.value;
  } finally {
    lines.iterator.return?.();
  }
}
