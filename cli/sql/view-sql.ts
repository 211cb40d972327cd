const NS = 1_000_000_000;

/** The nanoseconds of a time within its second, also before 1970. */
function fraction(sql: string): string {
  return `((${sql} % ${NS} + ${NS}) % ${NS})`;
}

/** SQL of a time as text: RFC 3339 in UTC with 9 decimals. @param sql in nanoseconds since 1970 */
export function timeText(sql: string): string {
  const seconds = `((${sql} - ${fraction(sql)}) / ${NS})`;
  return `(strftime('%Y-%m-%dT%H:%M:%S', ${seconds}, 'unixepoch') || printf('.%09dZ', ${fraction(sql)}))`;
}

/** SQL of a number of nanoseconds as seconds with 9 decimals, as text. @param sql at least 0 */
export function secondsText(sql: string): string {
  return `printf('%d.%09d', (${sql}) / ${NS}, (${sql}) % ${NS})`;
}

/** Marks a column as one by which an index finds rows. */
export function keyOf<T extends object>(column: T): T & { isKey: true } {
  return { ...column, isKey: true };
}
