/**
 * Names come from whoever made the namespace or interface: no escape sequence of theirs may reach the terminal.
 * @param kept a control character that is the text's own
 */
export function printable(text: string, kept = ''): string {
  return text.replace(/\p{Cc}/gu, (c) =>
    c === kept ? c : `\\x${c.charCodeAt(0).toString(16).padStart(2, '0')}`,
  );
}
