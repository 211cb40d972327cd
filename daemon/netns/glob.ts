/** True when a string has a character that `globRegExp` treats specially. */
export function isGlob(pattern: string): boolean {
  return /[*?[]/.test(pattern);
}

/**
 * A shell pattern as fnmatch(3) without flags: `*`, `?`, `[a-z]`, `[!a-z]`; everything else stands for itself. A bracket
 * that is never closed stands for itself as well.
 * @returns matches the whole of a name
 * @throws SyntaxError when a range runs backwards ("[z-a]")
 */
export function globRegExp(pattern: string): RegExp {
  let source = '';
  for (let i = 0; i < pattern.length; i++) {
    const c = pattern[i]!;
    if (c === '*') source += '.*';
    else if (c === '?') source += '.';
    else if (c === '[') {
      // A "]" right after "[" or "[!" is a member of the set.
      const first = pattern[i + 1] === '!' ? i + 2 : i + 1;
      const end = pattern.indexOf(']', first + 1);
      if (end === -1) source += '\\[';
      else {
        const members = pattern.slice(first, end).replace(/[\\\]^[]/g, '\\$&');
        source += `[${first === i + 2 ? '^' : ''}${members}]`;
        i = end;
      }
    } else source += c.replace(/[\\^$.|+(){}\]]/, '\\$&');
  }
  return new RegExp(`^${source}$`, 'su');
}
