import { ALL_DEVICES } from './random-devices.ts';
import { type Pick, picker, prefix4, prefix6, TOS } from './random-tables.ts';

/** `ip -batch` lines that add `count` rules of both families, with every selector and action that `ip` can write. */
export function ruleCommands(
  count: number,
  next: () => number,
  tables: readonly string[],
  devices: readonly string[] = ALL_DEVICES,
): string[] {
  const pick = picker(next);
  const lines: string[] = [];
  for (let i = 0; i < count; i++) lines.push(ruleCommand(i, next, pick, tables, devices));
  // The standard rules may go, too, or be there twice.
  if (count > 0 && next() < 0.1) lines.push('rule add pref 10 lookup local', 'rule del pref 0');
  if (count > 0 && next() < 0.05) lines.push('rule del pref 32766');
  if (count > 0 && next() < 0.05) lines.push('-6 rule add pref 10 lookup local', '-6 rule del pref 0');
  if (count > 0 && next() < 0.05) lines.push('-6 rule del pref 32766');
  return lines;
}

function ruleCommand(
  i: number,
  next: () => number,
  pick: Pick,
  tables: readonly string[],
  devices: readonly string[],
): string {
  const v6 = next() < 0.5;
  const prefix = (): string => (v6 ? prefix6(pick) : prefix4(pick));
  const chanceOfPlace = next();
  const preference = chanceOfPlace < 0.08 ? 32767 + i : chanceOfPlace < 0.12 ? 100 : 100 + i * 10;
  const words: string[] = [v6 ? '-6 rule add' : 'rule add', `pref ${preference}`];
  if (next() < 0.15) words.push('not');
  if (next() < 0.35) words.push(`from ${prefix()}`);
  if (next() < 0.35) words.push(`to ${prefix()}`);
  if (next() < 0.15) words.push(`iif ${pick([...devices, 'lo', 'gone'])}`);
  if (next() < 0.1) words.push(`oif ${pick([...devices, 'lo', 'gone'])}`);
  if (next() < 0.2) words.push(`fwmark ${pick(['0x1', '0x2/0x3', '0x10/0xf0', '0/0x1'])}`);
  if (next() < 0.12) words.push(`tos ${pick(TOS)}`);
  if (next() < 0.2) words.push(`ipproto ${pick(['tcp', 'udp', v6 ? 'ipv6-icmp' : 'icmp'])}`);
  if (next() < 0.1) words.push(`sport ${pick(['1000', '1000-2000', '0-65535'])}`);
  if (next() < 0.1) words.push(`dport ${pick(['80', '80-443', '5000-65535'])}`);
  if (next() < 0.12) words.push(`uidrange ${pick(['0-0', '1000-2000', '0-4294967294', '500-500'])}`);
  const chance = next();
  if (chance < 0.05) words.push(`goto ${100 + (i + 1 + Math.floor(next() * 4)) * 10}`);
  else if (chance < 0.08) words.push('type nop');
  else if (chance < 0.14) words.push(pick(['prohibit', 'unreachable', 'blackhole']));
  else if (chance < 0.17) words.push('l3mdev');
  else {
    words.push(`lookup ${pick([...tables, ...tables, 'local', 'default'])}`);
    if (next() < 0.2) words.push(`suppress_prefixlength ${pick([0, 8, 16, 32])}`);
    if (next() < 0.15) words.push(`suppress_ifgroup ${pick([0, 1, 2, 7])}`);
  }
  return words.join(' ');
}
