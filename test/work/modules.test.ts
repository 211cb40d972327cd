import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { FlowWriter } from '../../storage/writer.ts';
import { batchOf, captureInfo, TEST_RUN } from '../storage/records.ts';
import { tempDb } from '../storage/temp-db.ts';
import { MAIN } from '../support/nstap.ts';
import { loadedModules } from './loaded-modules.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));

function smallDb(): string {
  const db = tempDb();
  const writer = new FlowWriter(db, TEST_RUN);
  const channel = writer.channel();
  writer.write([
    [channel, { type: 'capture', info: captureInfo(0) }],
    [channel, { type: 'batch', batch: batchOf({}) }],
  ]);
  writer.close();
  return db;
}

// A module costs half a millisecond of CPU where it was compiled before, else 2.5. What is not in a list here (chevrotain, ink, react,
// koffi, pino, protobufjs, prom-client, ajv, …) must not be loaded before it is needed.
test.each<[string, string[], number, string[]]>([
  ['--help', ['--help'], 64, ['commander', 'picocolors']],
  ['flows --help', ['flows', '--help'], 26, ['commander', 'picocolors']],
  ['daemon --help', ['daemon', '--help'], 40, ['commander']],
  ['flows', ['flows', '--db'], 92, ['better-sqlite3', 'commander', 'leven', 'picocolors']],
])('nstap %s loads no more modules than it needs', (name, words, most, packages) => {
  const loaded = loadedModules(MAIN, words.at(-1) === '--db' ? [...words, smallDb()] : words);
  expect(
    loaded.packages,
    `packages that \`nstap ${name}\` loads: one that few runs need is to be loaded where it is needed, by \`await import()\``,
  ).toEqual(packages);
  const files = loaded.files.map((url) => fileURLToPath(url).replace(ROOT, ''));
  expect(
    files.length,
    `modules that \`nstap ${name}\` loads: more than ${most}. Look at what the newest of them bring along:\n${files.join('\n')}`,
  ).toBeLessThanOrEqual(most);
});
