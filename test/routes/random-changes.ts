import { ALL_DEVICES, addressCommands } from './random-devices.ts';
import { nexthopCommands } from './random-nexthops.ts';
import { ruleCommands } from './random-rules.ts';
import { DEVICES, picker, routeCommands } from './random-tables.ts';

/** Changes come in batches of so many of one kind. */
const BATCH = 12;

/**
 * `ip -batch` lines that change routes, rules, addresses, links and nexthop objects that are there or not, in any order; run with
 * -force. Lines that start with "-6 " are for `ip -6`.
 */
export function changeCommands(count: number, next: () => number, tables: readonly string[]): string[] {
  const pick = picker(next);
  const lines: string[] = [];
  /** Routes that were added, to be removed again. */
  const added: string[] = [];
  while (lines.length < count) {
    const chance = next();
    if (chance < 0.55) {
      const routes = routeCommands(BATCH, next, tables, ALL_DEVICES);
      added.push(...routes);
      for (const line of routes) {
        lines.push(line.replace(/route (add|append|prepend)/, `route ${pick(['add', 'append', 'replace'])}`));
        if (next() < 0.4) lines.push(removal(pick(added)));
      }
    } else if (chance < 0.65) {
      for (const line of ruleCommands(4, next, tables)) {
        lines.push(line);
        if (next() < 0.5) lines.push(line.replace('rule add', 'rule del'));
      }
      // The standard ones come back.
      lines.push('rule add pref 0 lookup local', 'rule add pref 32766 lookup main');
      lines.push('-6 rule add pref 0 lookup local', '-6 rule add pref 32766 lookup main');
    } else if (chance < 0.75) {
      for (const line of addressCommands(next)) {
        if (next() < 0.3)
          lines.push(line.replace(/addr add/, 'addr del').replace(/ (brd \S+|nodad|noprefixroute)/g, ''));
        if (next() < 0.8) lines.push(line);
      }
    } else if (chance < 0.85) {
      const device = pick([...ALL_DEVICES, 'p1', 'p2', 'nd0']);
      lines.push(`link set ${device} ${pick(['down', 'up', 'up'])}`);
      lines.push(`link set ${pick(ALL_DEVICES)} group ${pick([0, 1, 2, 7])}`);
    } else if (chance < 0.95) {
      for (const line of nexthopCommands(pick)) {
        if (next() < 0.3) lines.push(line.replace(/nexthop add id (\d+) .*/, 'nexthop del id $1'));
        if (next() < 0.5) lines.push(line.replace('nexthop add', pick(['nexthop add', 'nexthop replace'])));
      }
    } else lines.push(...DEVICES.map((device) => `link set ${device} up`), 'link set p2 up');
  }
  return lines;
}

/** The line that takes away what a line added, or nearly: of equals the first. */
function removal(line: string): string {
  return line.replace(/route (add|append|prepend)/, 'route del');
}
