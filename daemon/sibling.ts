import { extname } from 'node:path';

/**
 * URL of a module beside another one, to start a thread or process from: `.ts` when running from the sources, `.js` in
 * the compiled package.
 * @param name without ending, relative to the caller ("./capture/live-thread")
 * @param from the caller's import.meta.url
 */
export function sibling(name: string, from: string): URL {
  return new URL(`${name}${extname(new URL(from).pathname)}`, from);
}
