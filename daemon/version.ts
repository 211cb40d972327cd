import { existsSync, readFileSync } from 'node:fs';

/** Version of this nstap, from its package.json: beside the sources, or one folder above the compiled ones. */
export function version(): string {
  const candidates = ['../package.json', '../../package.json'].map((path) => new URL(path, import.meta.url));
  const found = candidates.find((url) => existsSync(url));
  if (found === undefined) throw new Error(`package.json of nstap is missing beside ${import.meta.url}`);
  return (JSON.parse(readFileSync(found, 'utf8')) as { version: string }).version;
}
