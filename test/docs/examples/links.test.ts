import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { pathOf } from '../tables.ts';
import { PAGES } from './pages.ts';

const GUIDE = 'docs/README.md';

test('every page is in the guide', () => {
  const guide = readFileSync(pathOf(GUIDE), 'utf8');
  const pages = PAGES.filter((file) => file.startsWith('docs/') && file !== GUIDE).map((file) =>
    file.slice(5),
  );
  expect(pages.filter((page) => !guide.includes(`](${page})`))).toEqual([]);
});

test('links within the pages lead to files and headings that are there', () => {
  const broken = PAGES.flatMap((file) =>
    linksOf(file)
      .filter((link) => !leads(file, link))
      .map((link) => `${file}: ${link}`),
  );
  expect(broken).toEqual([]);
});

test('files that the pages name by their path are there', () => {
  const named = PAGES.flatMap((file) =>
    [...readFileSync(pathOf(file), 'utf8').matchAll(/\bdocs\/[\w./-]+\.(?:md|json|sh)\b/g)].map(
      ([path]) => path,
    ),
  );
  expect(named.length).toBeGreaterThan(20);
  expect([...new Set(named)].filter((path) => !existsSync(pathOf(path)))).toEqual([]);
});

function linksOf(file: string): string[] {
  const text = readFileSync(pathOf(file), 'utf8').replace(/^```.*?^```/gms, '');
  return [...text.matchAll(/\]\(([^)\s]+)\)/g)]
    .map(([, link]) => link!)
    .filter((link) => !/^[a-z]+:/.test(link));
}

function leads(file: string, link: string): boolean {
  const [path = '', anchor] = link.split('#');
  const target = path === '' ? file : join(dirname(file), path);
  if (!existsSync(pathOf(target))) return false;
  return anchor === undefined || headingsOf(target).includes(anchor);
}

/** Anchors as GitHub makes them: lower case, without signs, blanks as hyphens. */
function headingsOf(file: string): string[] {
  const text = readFileSync(pathOf(file), 'utf8').replace(/^```.*?^```/gms, '');
  return [...text.matchAll(/^#+ (.*)$/gm)].map(([, title]) =>
    title!
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\s_-]/gu, '')
      .replaceAll(' ', '-'),
  );
}
