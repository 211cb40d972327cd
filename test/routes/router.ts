import { snapshotLink } from '../support/snapshot-link.ts';
import { RouteEngine } from '../../daemon/routes/engine.ts';
import { snapshotOfRoutes } from '../../daemon/routes/load-snapshot.ts';
import { lookupRule } from '../../daemon/routes/routing.ts';
import type { RouteSnapshot, SnapshotRule } from '../../daemon/routes/snapshot.ts';

/**
 * A namespace as the kernel would describe it, made of the text of routes: `lo` and the devices d0, d1, d2, all up, with
 * 10.9.N.1/24 on dN, IPv4 and IPv6 forwarding on.
 * @param routes further lines of `ip route`
 */
export function kernelSnapshot(
  routes: string,
  change: (snapshot: RouteSnapshot) => void = () => {},
): RouteSnapshot {
  const devices = ['d0', 'd1', 'd2'];
  const own = devices.flatMap((dev, i) => [
    `10.9.${i}.0/24 dev ${dev} proto kernel scope link src 10.9.${i}.1`,
    `local 10.9.${i}.1 dev ${dev} table local proto kernel scope host src 10.9.${i}.1`,
    `broadcast 10.9.${i}.255 dev ${dev} table local proto kernel scope link src 10.9.${i}.1`,
  ]);
  const lines = [
    'local 127.0.0.0/8 dev lo table local proto kernel scope host src 127.0.0.1',
    ...own,
    ...routes.split('\n').filter((line) => line !== ''),
  ];
  const snapshot = snapshotOfRoutes(lines.join('\n'), 'kernel');
  snapshot.source = 'kernel';
  snapshot.links = ['lo', ...devices].map((name, i) => snapshotLink(i + 1, name, { group: 0 }));
  for (const route of snapshot.routes)
    for (const hop of route.nextHops)
      hop.ifIndex = snapshot.links.find(({ name }) => name === hop.dev)?.ifIndex ?? 0;
  snapshot.addresses = devices.map((_, i) => ({
    family: 4,
    ifIndex: i + 2,
    address: `10.9.${i}.1`,
    prefixLen: 24,
    broadcast: `10.9.${i}.255`,
    scope: 'global',
  }));
  snapshot.sysctls = {
    forwarding4: true,
    forwarding6: true,
    rpFilterAll: 0,
    mergedTables4: true,
    customLocalRoutes4: false,
    interfaces: snapshot.links.map(({ ifIndex }) => ({
      ifIndex,
      forwarding4: true,
      forwarding6: true,
      rpFilter: 0,
      ignoreLinkdown4: false,
      ignoreLinkdown6: false,
    })),
  };
  change(snapshot);
  return snapshot;
}

/** The engine of such a namespace. */
export function kernelEngine(routes: string, change?: (snapshot: RouteSnapshot) => void): RouteEngine {
  return new RouteEngine(kernelSnapshot(routes, change));
}

/** Adds a rule that looks into a table, between the standard ones. */
export function addRule(snapshot: RouteSnapshot, rule: Partial<SnapshotRule> & { family: 4 | 6 }): void {
  const standard = [[0, 255], [32766, 254], ...(rule.family === 4 ? [[32767, 253]] : [])].map(
    ([priority, table]) => lookupRule(rule.family, priority!, table!),
  );
  if (!snapshot.rules.some(({ family }) => family === rule.family)) snapshot.rules.push(...standard);
  snapshot.rules.push({ ...lookupRule(rule.family, 100, rule.table ?? 100), ...rule });
}
