/**
 * The user asked for something that cannot be: a wrong option, a mistake in a filter. The command ends with status 2 and
 * the message, which may have further lines (the expression, a caret under the mistake).
 */
export class UsageError extends Error {
  readonly code = 'USAGE';

  constructor(message: string) {
    super(message);
    this.name = 'UsageError';
  }
}

/** Exit statuses of every command. */
export const ExitStatus = { Done: 0, Failed: 1, Usage: 2, Interrupted: 130 } as const;
