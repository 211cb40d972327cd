import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const HOOK = new URL('./tell-modules.mjs', import.meta.url);

/** What a run of a program loaded. */
export interface LoadedModules {
  /** Files, those of packages included; modules of Node itself are none. */
  files: string[];
  /** Names of the packages that files are of, sorted, each once. */
  packages: string[];
}

/**
 * Runs a script to its end and notes what it loads in its main thread.
 * @throws Error with its stderr when it does not end with 0
 */
export function loadedModules(script: string, words: string[]): LoadedModules {
  const folder = mkdtempSync(join(tmpdir(), 'nstap-modules-'));
  try {
    const told = join(folder, 'urls');
    const { status, stderr } = spawnSync(process.execPath, ['--import', HOOK.href, script, ...words], {
      encoding: 'utf8',
      env: { ...process.env, TELL_MODULES: told },
    });
    if (status !== 0) throw new Error(`${script} ${words.join(' ')} ended with ${status}: ${stderr}`);
    const urls = readFileSync(told, 'utf8').trimEnd().split('\n');
    const files = [...new Set(urls)].filter((url) => url.startsWith('file:'));
    const packages = files.flatMap((url) => /.*\/node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(url)?.[1] ?? []);
    return { files, packages: [...new Set(packages)].toSorted() };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
