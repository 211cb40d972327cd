import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';

const read = (path: string): string => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8');
const source = read('daemon/routes/reasons.ts');
/** What a user reads, in one line. */
const page = read('docs/route-decisions.md').replaceAll(/\s+/g, ' ');

/** The fixed parts of each sentence that reasons.ts returns: what stands between its values. */
function sentences(): string[][] {
  const literal = /return (?:'([^'\n]+)'|"([^"\n]+)"|`([^`\n]+)`)/g;
  return [...source.matchAll(literal)].map((m) =>
    (m[1] ?? m[2] ?? m[3])!
      .split(/\$\{[^}]*\}/)
      .map((part) => part.replaceAll(/^[\s(]+|[\s();]+$/g, ''))
      .filter((part) => part.length >= 12),
  );
}

test('the page on route decisions has every reason that nstap gives', () => {
  const all = sentences().filter((parts) => parts.length > 0);
  expect(all.length).toBeGreaterThan(35);
  const missing = all.flat().filter((part) => !page.includes(part));
  expect(missing).toEqual([]);
});
