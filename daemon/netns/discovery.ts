import { withResource } from '../kernel/dispose.ts';
import { SyscallError } from '../kernel/errors.ts';
import { HOST_NETNS, listNetns, openNetns, StaleNetnsError } from '../kernel/netns.ts';
import { isGlob, matchesGlob } from './glob.ts';

/** A namespace that exists now. */
export interface FoundNetns {
  /** As the user knows it: "host", a name of ip-netns(8), or a path. */
  name: string;
  /** Identity, "dev:inode" of the nsfs file. */
  id: string;
}

/**
 * The namespaces that selectors name and that exist now. A selector is "host", "any" (host and every name of
 * ip-netns(8)), a name, a pattern over names (`matchesGlob`), or a path with a slash. Two names for the same namespace
 * give it once, under the name that comes first: host, then names in order, then paths. A selector without a
 * namespace gives nothing: it may come later.
 * @throws SyscallError when a namespace may not be read; Error of node:fs when /run/netns may not
 */
export function findNetns(selectors: readonly string[]): FoundNetns[] {
  const found = new Map<string, FoundNetns>();
  const put = (netns: FoundNetns | null): void => {
    if (netns !== null && !found.has(netns.id)) found.set(netns.id, netns);
  };
  const any = selectors.includes('any');
  if (any || selectors.includes(HOST_NETNS)) put(identify(HOST_NETNS));
  const byName = selectors.filter((s) => s !== HOST_NETNS && !s.includes('/'));
  if (byName.length > 0) {
    for (const { name, id } of listNetns()) {
      if (id === null) continue;
      if (any || byName.some((s) => s === name || (isGlob(s) && matchesGlob(name, s)))) put({ name, id });
    }
  }
  for (const path of selectors) if (path.includes('/')) put(identify(path));
  return [...found.values()];
}

function identify(name: string): FoundNetns | null {
  try {
    return withResource(openNetns(name), (handle) => ({ name, id: handle.id }));
  } catch (error) {
    if (error instanceof StaleNetnsError) return null;
    // ESRCH: the process behind /proc/PID/ns/net is gone.
    if (error instanceof SyscallError && (error.code === 'ENOENT' || error.code === 'ESRCH')) return null;
    throw error;
  }
}
