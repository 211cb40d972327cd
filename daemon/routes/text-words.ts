/** A snapshot file, or text of `ip`, that cannot be read. The message names file, line and word. */
export class RouteTextError extends Error {
  readonly code = 'ROUTE_TEXT';
  /** From 1; 0 where the input has no lines (JSON). */
  readonly line: number;
  readonly word: string;

  /** @param source name of the file, or what was given */
  constructor(source: string, line: number, word: string, reason: string) {
    super(`${source}${line > 0 ? ` line ${line}` : ''}: "${word}": ${reason}`);
    this.name = 'RouteTextError';
    this.line = line;
    this.word = word;
  }
}

/**
 * The error for text that JSON.parse refused, in one line: the engine's message quotes what it read, with its line ends.
 * @param hint what to do, with its punctuation
 */
export function jsonError(
  source: string,
  line: number,
  text: string,
  error: unknown,
  hint = '',
): RouteTextError {
  const word = text.trimStart().split('\n', 1)[0]!.slice(0, 20);
  const why = (error as Error).message.replaceAll(/\s+/g, ' ');
  return new RouteTextError(source, line, word, `no JSON: ${why}${hint}`);
}

/**
 * The lines of an output of `ip`, ready to be read; blank ones and comments (#) are left out. `ip -o` puts what belongs
 * together on one line, with a backslash in place of each line end: the parts come as lines of their own.
 * @param source name for error messages
 */
export function* textLines(text: string, source: string): Generator<WordReader> {
  for (const [i, line] of text.split('\n').entries())
    for (const part of line.split(/\\(?=\t| {4})/)) {
      const words = new WordReader(source, i + 1, part);
      const first = words.peek();
      if (first !== null && first !== '' && !first.startsWith('#')) yield words;
    }
}

/** The words of one line, taken one after the other. */
export class WordReader {
  readonly #words: readonly string[];
  readonly #source: string;
  readonly #line: number;
  #at = 0;

  constructor(source: string, line: number, text: string) {
    this.#source = source;
    this.#line = line;
    this.#words = text.trim().split(/\s+/);
  }

  /** The next word, or one `ahead` words behind it; null at the end of the line. It stays the next. */
  peek(ahead = 0): string | null {
    return this.#words[this.#at + ahead] ?? null;
  }

  /** Takes the next word. @param expected what it should be, for the error at the end of the line */
  next(expected: string): string {
    const word = this.#words[this.#at];
    if (word === undefined)
      throw new RouteTextError(
        this.#source,
        this.#line,
        this.#words.at(-1) ?? '',
        `${expected} should follow`,
      );
    this.#at++;
    return word;
  }

  /** Takes the next word if it is `word`. */
  skip(word: string): boolean {
    if (this.#words[this.#at] !== word) return false;
    this.#at++;
    return true;
  }

  /** Takes the next word as the result of `parse`, which gives null for a word that it does not take. */
  value<T>(expected: string, parse: (word: string) => T | null): T {
    const word = this.next(expected);
    const value = parse(word);
    if (value === null) throw this.error(word, `should be ${expected}`);
    return value;
  }

  /** Takes all words up to the end of the line. */
  rest(): string[] {
    const words = this.#words.slice(this.#at);
    this.#at = this.#words.length;
    return words;
  }

  error(word: string, reason: string): RouteTextError {
    return new RouteTextError(this.#source, this.#line, word, reason);
  }
}
