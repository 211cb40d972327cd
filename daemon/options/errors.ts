/**
 * The configuration asks for something that cannot be. The message has one line for each mistake: file and line, or flag;
 * the key, its value, and what is allowed.
 */
export class ConfigError extends Error {
  readonly code = 'CONFIG';
  /** One sentence each. */
  readonly mistakes: readonly string[];

  constructor(mistakes: readonly string[], cause?: unknown) {
    super(mistakes.join('\n'), { cause });
    this.name = 'ConfigError';
    this.mistakes = mistakes;
  }
}
