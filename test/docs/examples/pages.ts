import { readdirSync, readFileSync } from 'node:fs';
import { pathOf } from '../tables.ts';
import { type Page, readPage } from './page.ts';

/** Every page whose examples are looked at, by its path in the checkout. */
export const PAGES: readonly string[] = [
  'README.md',
  ...readdirSync(pathOf('docs'))
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`),
];

/** Reads a page. @throws Error with its name, when something is wrong with its blocks */
export function pageOf(file: string): Page {
  try {
    return readPage(readFileSync(pathOf(file), 'utf8'));
  } catch (error) {
    throw new Error(`${file}: ${(error as Error).message}`, { cause: error });
  }
}
