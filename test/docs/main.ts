// `npm run docs`: writes what is made from the sources into docs/, and what the examples really print.
// `npm run docs -- docs/cookbook.md …`: only these pages. What a page shows stays where it is the same but for times and the
// like (test/docs/README.md); `…` in an output that is not the same any more has to be put in again by hand. `--anew` writes
// all of them.
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { PAGES, pageOf } from './examples/pages.ts';
import { pageObstacle, runPage } from './examples/run-page.ts';
import { pathOf, SCHEMA_FILE, schemaText, TABLES, withTable } from './tables.ts';

const isAnew = process.argv.includes('--anew');
const wanted = process.argv.slice(2).filter((word) => word !== '--anew');
for (const each of TABLES) writeFileSync(pathOf(each.page), withTable(each));
writeFileSync(pathOf(SCHEMA_FILE), schemaText());
execFileSync(pathOf('node_modules/.bin/biome'), ['format', '--write', pathOf('docs')], { stdio: 'ignore' });
for (const file of wanted.length > 0 ? wanted : PAGES) {
  const page = pageOf(file);
  if (page.steps.length === 0) continue;
  const obstacle = pageObstacle(page);
  if (obstacle !== null) {
    process.stderr.write(`${file}: not run: ${obstacle}\n`);
    continue;
  }
  const { now, real, failure } = await runPage(file, isAnew);
  process.stderr.write(`${file}: ${now === real ? 'as it was' : 'written'}\n`);
  if (now !== real) writeFileSync(pathOf(file), real);
  if (failure === null) continue;
  process.stderr.write(`${failure}\n`);
  process.exitCode = 1;
}
