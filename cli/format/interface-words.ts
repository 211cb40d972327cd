import type { FarInterface, ListedInterface } from '../netns-list.ts';
import type { Glyphs } from './glyphs.ts';

/** "down" when set down; else the operational state, where "unknown" is what lo and tunnels say while they work. */
export function stateOf({ up, oper_state: state }: Pick<ListedInterface, 'up' | 'oper_state'>): string {
  if (!up) return 'down';
  if (state === null || state === 'up' || state === 'unknown') return 'up';
  return state === 'lowerlayerdown' ? 'no carrier' : state;
}

/** What its kind has, as `ip -d link` says it: "id 42 remote 10.0.0.1 port 4789". */
export function infoWords({ info }: Pick<ListedInterface, 'info'>): string[] {
  return Object.entries(info).flatMap(([key, value]) => {
    if (value === false) return [];
    if (value === true) return [key.replace('_', ' ')];
    // 802.1Q is what a VLAN is; tun and tap say it all by themselves.
    if (key === 'protocol' && value === '802.1Q') return [];
    return [key === 'type' ? String(value) : `${key} ${value}`];
  });
}

/** Its other end, or the device below. @param netns of the interface itself */
export function relationWords(
  { peer, lower }: Pick<ListedInterface, 'peer' | 'lower'>,
  netns: string,
  glyphs: Glyphs,
): string[] {
  const words: string[] = [];
  if (peer !== null) words.push(`${glyphs.pair} ${place(peer, netns)}`);
  if (lower === null) return words;
  words.push(lower.if_index === null ? `underlay ${where(lower, netns)}` : `on ${place(lower, netns)}`);
  return words;
}

function place(far: FarInterface, netns: string): string {
  const name = far.interface ?? (far.if_index === null ? '?' : `if${far.if_index}`);
  return far.netns === netns ? name : `${name} ${where(far, netns)}`;
}

function where(far: FarInterface, netns: string): string {
  if (far.netns === null) return 'in a namespace without a name';
  return far.netns === netns ? 'here' : `in ${far.netns}`;
}
