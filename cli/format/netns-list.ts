import { printable } from './columns.ts';
import type { ListedInterface, ListedNetns } from '../netns-command.ts';

/** Namespaces for people: a line each, and a line an interface below it. */
export function formatNetnsList(list: readonly ListedNetns[]): string {
  const lines: string[] = [];
  for (const { name, id, error, label, interfaces } of list) {
    const title = label === null || label === name ? name : `${name}  ${label}`;
    lines.push(error === null ? `${title}  (${id})` : `${title}  ${error}`);
    const nameWidth = Math.max(0, ...interfaces.map((entry) => entry.name.length));
    for (const entry of interfaces) lines.push(`  ${interfaceLine(entry, nameWidth)}`);
  }
  // Names are whatever somebody called a namespace or an interface: no control character of theirs reaches the terminal.
  return `${lines.map((line) => printable(line)).join('\n')}\n`;
}

function interfaceLine(entry: ListedInterface, nameWidth: number): string {
  const words = [entry.name.padEnd(nameWidth), state(entry).padEnd(10)];
  if (entry.kind !== null) words.push(entry.kind);
  words.push(...entry.addresses);
  if (entry.master !== null) words.push(`port of ${entry.master}`);
  if (entry.peer !== null)
    words.push(
      entry.peer.netns === null
        ? 'peer in a namespace without a name'
        : `peer ${entry.peer.interface ?? '?'} in ${entry.peer.netns}`,
    );
  return words.join(' ').trimEnd();
}

/** "down" when set down; else the operational state, where "unknown" is what lo and tunnels say while they work. */
function state(entry: ListedInterface): string {
  if (!entry.up) return 'down';
  if (entry.oper_state === 'up' || entry.oper_state === 'unknown') return 'up';
  return entry.oper_state === 'lowerlayerdown' ? 'no carrier' : entry.oper_state;
}
