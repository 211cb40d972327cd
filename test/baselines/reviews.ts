import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { BASELINES } from './text.ts';

/** Which texts somebody has read, and what is to be known of each: a line a text, `name digest note` parted by tabs. */
export const REVIEWED = fileURLToPath(new URL('REVIEWED.tsv', import.meta.url));
/** Note of a text that holds no surprise. */
const PLAIN = '-';
/** Hexadecimal digits of a digest: a change is to be noticed, nobody forges one. */
const DIGEST_DIGITS = 12;

/** The reading of a text. */
export interface Review {
  /** Of the text that was read. */
  digest: string;
  note: string;
}

/** The texts of `flows/` by name, as `shared/nDPI/ah.pcapng`. */
export function texts(): Map<string, string> {
  const names = readdirSync(BASELINES, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.txt'))
    .map((file) => file.slice(0, -'.txt'.length))
    .sort();
  return new Map(names.map((name) => [name, readFileSync(join(BASELINES, `${name}.txt`), 'utf8')]));
}

/** The readings by name of the text. @param tsv what REVIEWED.tsv holds */
export function parseReviews(tsv: string): Map<string, Review> {
  const lines = tsv.split('\n').filter((line) => line !== '');
  return new Map(
    lines.map((line) => {
      const [name, digest = '', note = PLAIN] = line.split('\t') as [string, string?, string?];
      return [name, { digest, note }];
    }),
  );
}

/** What REVIEWED.tsv is to hold. */
export function formatReviews(reviews: ReadonlyMap<string, Review>): string {
  const names = [...reviews.keys()].sort();
  return names
    .map((name) => `${[name, reviews.get(name)!.digest, reviews.get(name)!.note].join('\t')}\n`)
    .join('');
}

/** Names of the texts that nobody has read as they are now. */
export function toReview(all: ReadonlyMap<string, string>, reviews: ReadonlyMap<string, Review>): string[] {
  return [...all].filter(([name, text]) => reviews.get(name)?.digest !== digest(text)).map(([name]) => name);
}

/**
 * The readings once those of `names` are among them; readings of texts that are gone are not.
 * @param note instead of the one that a text has; null keeps that
 */
export function withReviewed(
  all: ReadonlyMap<string, string>,
  reviews: ReadonlyMap<string, Review>,
  names: readonly string[],
  note: string | null,
): Map<string, Review> {
  const next = new Map([...reviews].filter(([name]) => all.has(name)));
  for (const name of names)
    next.set(name, { digest: digest(all.get(name)!), note: note ?? reviews.get(name)?.note ?? PLAIN });
  return next;
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, DIGEST_DIGITS);
}
