import { IFF_LOWER_UP, IFF_UP } from '../../daemon/kernel/netlink-constants.ts';
import { LiveRoutes } from '../../daemon/routes/live-snapshot.ts';
import type { RouteSnapshot, SnapshotLink } from '../../daemon/routes/snapshot.ts';
import type { Lab } from '../kernel/lab.ts';
import { ipBatch } from './ip-batch.ts';
import { addressCommands, deviceCommands } from './random-devices.ts';
import { nexthopCommands } from './random-nexthops.ts';
import { addRawRules } from './raw-rules.ts';
import type { RandomRound } from './random-round.ts';
import { ruleCommands } from './random-rules.ts';
import { DEVICES, picker, random, routeCommands } from './random-tables.ts';

/** Reads of a namespace until two are the same: carriers are told late (linkwatch), and addresses come with them. */
const SETTLE_ROUNDS = 30;
const SETTLE_MS = 120;

/** Makes the namespace `label` in the lab, with the interfaces, tables, rules and settings of a round. @returns its name */
export function buildNamespace(lab: Lab, label: string, round: RandomRound): string {
  const name = lab.add(label);
  // No router solicitations, no detection of duplicates: nothing happens by itself.
  lab.exec(
    name,
    'sysctl',
    '-qw',
    ...['all', 'default'].flatMap((each) =>
      ['accept_dad', 'accept_ra', 'router_solicitations'].map((key) => `net.ipv6.conf.${each}.${key}=0`),
    ),
  );
  const next = random(round.seed);
  const pick = picker(next);
  if (round.wide === true) {
    ipBatch(name, deviceCommands(next, pick), false);
    ipBatch(name, addressCommands(next), true);
  } else ipBatch(name, plainDevices(), false);
  settle(name);
  if (round.wide === true) ipBatch(name, nexthopCommands(pick), true);
  const devices = round.wide === true ? undefined : DEVICES;
  ipBatch(name, routeCommands(round.routes, next, round.tables, devices), true);
  ipBatch(name, ruleCommands(round.rules, next, round.tables, devices), true);
  if (round.wide === true && round.rules > 0) addRawRules(name, 4, next, round.tables);
  if (round.sysctls.length > 0) lab.exec(name, 'sysctl', '-qw', ...round.sysctls);
  if (round.wide === true) ipBatch(name, lateChanges(next), true);
  settle(name);
  return name;
}

function plainDevices(): string[] {
  return DEVICES.flatMap((device, i) => [
    `link add ${device} address 02:00:00:00:09:1${i} type veth peer name p${i} address 02:00:00:00:09:9${i}`,
    `link set ${device} up`,
    `link set p${i} up`,
    `addr add 10.9.${i}.1/24 brd + dev ${device}`,
    `-6 addr add fd00:9:${i}::1/64 dev ${device} nodad`,
  ]);
}

/** What happens to routes that are there: legs die, carriers go. */
function lateChanges(next: () => number): string[] {
  const lines: string[] = [];
  if (next() < 0.2) lines.push('link set d3 down');
  if (next() < 0.2) lines.push('link set p2 down');
  if (next() < 0.1) lines.push('link set if0 down', 'link set if0 up');
  return lines;
}

/** True for an interface whose carrier is on its way: the kernel tells of it up to a second later (linkwatch). */
function isPending(link: SnapshotLink, { links }: RouteSnapshot): boolean {
  const isOn = (flags: number): boolean => (flags & IFF_UP) !== 0 && (flags & IFF_LOWER_UP) !== 0;
  if (isOn(link.flags)) return link.operState === 'down' || link.operState === 'lowerlayerdown';
  // A bridge has one when the first of its ports forwards.
  const isUp = (link.flags & IFF_UP) !== 0 && link.kind === 'bridge';
  return isUp && links.some(({ master, flags }) => master === link.ifIndex && isOn(flags));
}

/** Waits until the namespace stays as it is. @throws Error when it never does */
export function settle(name: string): void {
  const live = new LiveRoutes(name);
  try {
    let before = '';
    for (let round = 0; round < SETTLE_ROUNDS; round++) {
      const snapshot = live.read();
      const now = JSON.stringify({ ...snapshot, takenAt: null });
      if (now === before && !snapshot.links.some((link) => isPending(link, snapshot))) return;
      before = now;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, SETTLE_MS);
    }
  } finally {
    live.close();
  }
  throw new Error(`${name} does not come to rest`);
}
