// npm run corpus [-- [--make-truth] FOLDER] [PATTERN]: with --make-truth has tshark write FOLDER/truth first; then one line a capture, the total, and exit status 1 when one differs without a reason.
import { availableParallelism } from 'node:os';
import { resolve } from 'node:path';
import { statSync } from 'node:fs';
import { corpus } from '../support/truth.ts';
import { compareWithTruth } from './compare.ts';
import { EXCEPTIONS, unexplained } from './exceptions.ts';
import { makeTruth } from './make-truth.ts';

/** Differences printed of one capture. */
const SHOWN_MAX = 5;

const isMaking = process.argv.includes('--make-truth');
const words = process.argv.slice(2).filter((word) => word !== '--make-truth');
const folder = words.find((word) => statSync(word, { throwIfNoEntry: false })?.isDirectory());
const pattern = words.find((word) => word !== folder);
if (isMaking) {
  if (folder === undefined) {
    process.stderr.write('usage: npm run corpus -- --make-truth FOLDER\n');
    process.exit(2);
  }
  process.stdout.write(`${await makeTruth(resolve(folder))} truth files written to ${folder}/truth\n`);
}
const all = folder === undefined ? corpus() : corpus(resolve(folder));
const files = all.filter(({ name }) => pattern === undefined || name.includes(pattern));
if (files.length === 0) {
  const where = folder ?? '../shared/pcaps';
  process.stderr.write(`no capture with a truth file in ${where}${pattern ? ` matches "${pattern}"` : ''}\n`);
  process.exit(1);
}

const counts = { agrees: 0, excepted: 0, differs: 0 };
const queue = [...files];
const lines = new Map<string, string>();
let printed = 0;

function flush(): void {
  for (; printed < files.length; printed++) {
    const line = lines.get(files[printed]!.name);
    if (line === undefined) return;
    process.stdout.write(line);
  }
}

async function work(): Promise<void> {
  for (let file = queue.shift(); file !== undefined; file = queue.shift()) {
    const found = await compareWithTruth(file);
    const rest = unexplained(file.name, found);
    const what = `${file.truth.packets ?? 0} packets`;
    if (rest.length > 0) {
      counts.differs++;
      const shown = rest
        .slice(0, SHOWN_MAX)
        .map(
          ({ field, got, want }) => `\n    ${field}: ${JSON.stringify(got)}, tshark ${JSON.stringify(want)}`,
        );
      const more = rest.length > SHOWN_MAX ? `\n    and ${rest.length - SHOWN_MAX} more` : '';
      lines.set(file.name, `DIFFERS   ${file.name} (${what})${shown.join('')}${more}\n`);
    } else if (found.length > 0) {
      counts.excepted++;
      lines.set(file.name, `excepted  ${file.name} (${what}): ${EXCEPTIONS[file.name]!.why}\n`);
    } else {
      counts.agrees++;
      lines.set(file.name, `agrees    ${file.name} (${what})\n`);
    }
    flush();
  }
}

await Promise.all(Array.from({ length: availableParallelism() }, work));
process.stdout.write(
  `${files.length} captures: ${counts.agrees} agree with tshark, ${counts.excepted} excepted with a reason, ${counts.differs} differ\n`,
);
process.exitCode = counts.differs === 0 ? 0 : 1;
