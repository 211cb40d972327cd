import { findNetns } from '../daemon/netns/discovery.ts';
import { UsageError } from './errors.ts';

/**
 * The file of the namespace that `--netns` names by the label of its processes ("docker:0123456789ab") or by one of them
 * ("pid:4711"); undefined for the names and paths that openNetns takes.
 * @throws UsageError when there is none or more than one; SelectorError
 */
export function netnsFile(netns: string): string | undefined {
  if (!netns.includes(':') || netns.includes('/')) return undefined;
  const [found, ...others] = findNetns([netns]);
  if (found === undefined)
    throw new UsageError(`--netns ${netns}: there is no such namespace; \`nstap netns\` lists them`);
  if (others.length > 0)
    throw new UsageError(
      `--netns ${netns}: one is wanted, these are ${others.length + 1}: ${[found, ...others].map(({ name }) => name).join(', ')}`,
    );
  return found.path;
}
