// `npm run baseline`: writes the hand-built captures of test/flow/scenes.ts and the text of every capture's flows anew.
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { SCENES } from '../flow/scenes.ts';
import { writeSegments } from '../support/segments.ts';
import { BASELINES, baselineText, captures } from './text.ts';

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
