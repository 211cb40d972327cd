import { findNetns } from '../daemon/netns/discovery.ts';
import { matchesNetns, parseNetnsSelectors } from '../daemon/netns/selector.ts';
import { counted } from './format/count.ts';
import { glyphs } from './format/glyphs.ts';
import { formatNetnsTree } from './format/netns-tree.ts';
import { askNetns, type ListedNetns, listNamespaces } from './netns-list.ts';
import { stdoutColors, terminalWidth } from './output.ts';
import { pageLines } from './pager.ts';
import { askRunningDaemon } from './running-daemon.ts';

/** Flags of `nstap netns` as they were given. */
export interface NetnsFlags {
  control?: string;
  json?: boolean;
}

/**
 * Runs `nstap netns`.
 * @param selectors as `nstap daemon --netns` takes them; none: all namespaces
 * @returns exit status: 1 when nothing was chosen, or nothing that was could be read
 * @throws SelectorError; ControlError when the daemon that `--control` names cannot be asked
 */
export async function netnsCommand(selectors: readonly string[], flags: NetnsFlags): Promise<number> {
  const told = await askRunningDaemon(flags.control, askNetns);
  const { list, unreadableProcesses } = listNamespaces(told);
  const shown = selectors.length === 0 ? list : list.filter(chooser(selectors));
  if (shown.length === 0) {
    process.stderr.write(
      `nstap: no namespace is ${selectors.join(' or ')}; \`nstap netns\` lists them all\n`,
    );
    return 1;
  }
  const style = { width: terminalWidth(), colors: stdoutColors(), glyphs: glyphs() };
  await pageLines([flags.json ? `${JSON.stringify(shown)}\n` : formatNetnsTree(shown, style)]);
  sayUnseen(shown, process.getuid!() === 0 ? 0 : unreadableProcesses);
  return shown.some(({ error, interfaces }) => error === null || interfaces.length > 0) ? 0 : 1;
}

/** What the selectors choose of a list; a stale name is held against the patterns. */
function chooser(selectors: readonly string[]): (netns: ListedNetns) => boolean {
  const found = new Map(findNetns(selectors).map(({ id, name }) => [id, name]));
  const { include, exclude } = parseNetnsSelectors(selectors);
  return ({ id, name }) => {
    if (id !== null && found.has(id)) return true;
    // Left from a crash, or known by the daemon alone: there is nothing but a name.
    const byName = { isHost: false, names: [name], label: name, hasProcesses: false, isNew: false };
    const candidate = { ...byName, paths: new Set<string>(), pids: new Set<number>() };
    const isIn = ({ term }: (typeof include)[number]): boolean => matchesNetns(candidate, term);
    return id === null && include.some(isIn) && !exclude.some(isIn);
  };
}

/** Without root, or as root without its capabilities, the list is not whole: says what is missing. */
function sayUnseen(list: readonly ListedNetns[], unreadableProcesses: number): void {
  const closed = list.filter(({ error }) => error !== null && /\b(EPERM|EACCES)\b/.test(error)).length;
  const parts = [
    ...(closed > 0 ? [`${counted(closed, 'namespace')} could not be entered`] : []),
    ...(unreadableProcesses > 0
      ? [`the namespaces of ${unreadableProcesses} processes of other users could not be seen`]
      : []),
  ];
  if (parts.length > 0) process.stderr.write(`nstap: ${parts.join(', and ')}: that needs root\n`);
}
