import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { FlowWriter } from '../../storage/writer.ts';
import { batchOf, captureInfo, TEST_RUN } from '../storage/records.ts';
import { tempDb } from '../storage/temp-db.ts';
import { MAIN } from '../support/nstap.ts';
import { loadedModules } from './loaded-modules.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));

/** What tells how wide a text is on a terminal. */
const TEXT_WIDTH = ['ansi-regex', 'get-east-asian-width', 'string-width', 'strip-ansi'];

const CAPTURE = fileURLToPath(new URL('../../fixtures/demo/client.pcap', import.meta.url));
const REPLAY_PACKAGES = [
  `@koromix/koffi-${process.platform}-${process.arch}`,
  'ansi-regex',
  'better-sqlite3',
  'cli-progress',
  'commander',
  'emoji-regex',
  'is-fullwidth-code-point',
  'koffi',
  'leven',
  'picocolors',
  'string-width',
  'strip-ansi',
  'get-east-asian-width',
];

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
// hyparquet-writer, temporal-polyfill, koffi, pino, protobufjs, prom-client, ajv, …) must not be loaded before it is needed.
test.each<[string, string[], number, string[]]>([
  ['--help', ['--help'], 66, ['commander', 'leven']],
  ['flows --help', ['flows', '--help'], 26, ['commander', 'leven']],
  ['daemon --help', ['daemon', '--help'], 42, ['commander', 'leven']],
  ['flows', ['flows', '--db'], 116, ['better-sqlite3', 'commander', 'leven', 'picocolors', ...TEXT_WIDTH]],
  // With its threads: in the main one some 90.
  ['replay', ['replay', CAPTURE, '--db'], 300, REPLAY_PACKAGES],
])('nstap %s loads no more modules than it needs', (name, words, most, packages) => {
  const loaded = loadedModules(MAIN, words.at(-1) === '--db' ? [...words, smallDb()] : words);
  expect(
    loaded.packages,
    `packages that \`nstap ${name}\` loads: one that few runs need is to be loaded where it is needed, by \`await import()\``,
  ).toEqual(packages.toSorted());
  const files = loaded.files.map((url) => fileURLToPath(url).replace(ROOT, ''));
  expect(
    files.length,
    `modules that \`nstap ${name}\` loads: more than ${most}. Look at what the newest of them bring along:\n${files.join('\n')}`,
  ).toBeLessThanOrEqual(most);
});
