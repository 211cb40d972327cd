import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { tempFolder } from '../storage/temp-db.ts';

const MODULE = fileURLToPath(new URL('../../daemon/thread-env.ts', import.meta.url));

/** @returns where a thread keeps what it has compiled, and where its parent does */
function cachesOf(before: string): (string | null)[] {
  const program = `
    import module from 'node:module';
    import { Worker } from 'node:worker_threads';
    import { threadEnv } from ${JSON.stringify(MODULE)};
    ${before}
    const say = "require('worker_threads').parentPort.postMessage(require('module').getCompileCacheDir() ?? null)";
    new Worker(say, { eval: true, ...threadEnv() }).on('message', (folder) => {
      console.log(JSON.stringify([folder, module.getCompileCacheDir() ?? null]));
    });`;
  const path = join(tempFolder(), 'start.mjs');
  writeFileSync(path, program);
  const { NODE_COMPILE_CACHE: _, NODE_DISABLE_COMPILE_CACHE: __, ...env } = process.env;
  const said = execFileSync(process.execPath, [path], { env, encoding: 'utf8' });
  return JSON.parse(said);
}

test('a thread takes compiled modules from where its parent does', () => {
  const folder = tempFolder();
  const [own, parents] = cachesOf(`module.enableCompileCache(${JSON.stringify(folder)});`);
  expect(dirname(parents!)).toBe(folder);
  expect(own).toBe(parents);
});

test('a thread has no cache where its parent has none', () => {
  expect(cachesOf('')).toEqual([null, null]);
});
