/** A word as a POSIX shell takes it: in quotes where it has signs that mean something there. */
export function shellWord(word: string): string {
  // Not ~ and = at the start: zsh replaces them.
  return /^[\w@%+:,./-][\w@%+=:,./-]*$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}
