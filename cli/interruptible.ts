/**
 * Runs work that does not return to the event loop for long (a query that SQLite has to sort), in which no listener would hear
 * Ctrl-C: meanwhile SIGINT does what it does by default, and ends the process. For work that only reads.
 */
export function interruptible<T>(work: () => T): T {
  const listeners = process.rawListeners('SIGINT') as NodeJS.SignalsListener[];
  process.removeAllListeners('SIGINT');
  try {
    return work();
  } finally {
    for (const listener of listeners) process.on('SIGINT', listener);
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
