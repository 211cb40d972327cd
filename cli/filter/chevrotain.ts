import { existsSync } from 'node:fs';

/**
 * The parser library, as the one file that its package has beside its modules: to read 60 small files takes 40 ms, to read
 * this one 7 ms, which everybody who types a filter waits for. The package names only the modules in its exports, so where
 * the one file is missing they are taken.
 */
export const chevrotain: typeof import('chevrotain') = await load();

async function load(): Promise<typeof import('chevrotain')> {
  const bundle = new URL('../chevrotain.min.mjs', import.meta.resolve('chevrotain'));
  return existsSync(bundle)
    ? ((await import(bundle.href)) as typeof import('chevrotain'))
    : import('chevrotain');
}
