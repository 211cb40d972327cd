// npm run baseline: writes the hand-built captures of test/flow/scenes.ts and the text of every capture's flows anew, and says
// which texts are to be read. npm run baseline -- --reviewed [--note TEXT] PATH...: notes that these were read as they are now.
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { SCENES } from '../flow/scenes.ts';
import { writeSegments } from '../support/segments.ts';
import { formatReviews, parseReviews, REVIEWED, texts, toReview, withReviewed } from './reviews.ts';
import { BASELINES, baselineText, captures } from './text.ts';

const { values, positionals } = parseArgs({
  options: { reviewed: { type: 'boolean', default: false }, note: { type: 'string' } },
  allowPositionals: true,
});
const reviews = parseReviews(existsSync(REVIEWED) ? readFileSync(REVIEWED, 'utf8') : '');
if (values.reviewed !== positionals.length > 0 || (values.note !== undefined && !values.reviewed)) {
  process.stderr.write('usage: npm run baseline [-- --reviewed [--note TEXT] PATH...]\n');
  process.exit(2);
}
if (values.reviewed) noteReviewed();
else await writeAll();

async function writeAll(): Promise<void> {
  const scenes = fileURLToPath(new URL('../../fixtures/pcap/scenes/', import.meta.url));
  rmSync(scenes, { recursive: true, force: true });
  mkdirSync(scenes, { recursive: true });
  for (const [name, { packets }] of Object.entries(SCENES))
    writeSegments(join(scenes, `${name}.pcap`), packets);

  const all = captures();
  if (!all.some(({ isShared }) => isShared))
    process.stderr.write('baseline: no ../shared/pcaps: only the fixtures are written\n');
  for (const { name, path } of all) {
    const file = join(BASELINES, `${name}.txt`);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, await baselineText(path));
  }
  process.stdout.write(`${all.length} captures\n`);
  const unread = toReview(texts(), reviews).map((name) => `${relative('', join(BASELINES, name))}.txt\n`);
  if (unread.length > 0)
    process.stdout.write(`to be read, then noted with npm run baseline -- --reviewed:\n${unread.join('')}`);
}

function noteReviewed(): void {
  const all = texts();
  const names = positionals.map((path) => relative(BASELINES, resolve(path)).replace(/\.txt$/, ''));
  const unknown = positionals.filter((_, i) => !all.has(names[i]!));
  if (unknown.length > 0) {
    process.stderr.write(`baseline: no text of a capture: ${unknown.join(', ')}\n`);
    process.exit(2);
  }
  const next = withReviewed(all, reviews, names, values.note ?? null);
  writeFileSync(REVIEWED, formatReviews(next));
  process.stdout.write(`${names.length} noted, ${toReview(all, next).length} to be read\n`);
}
