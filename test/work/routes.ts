import { snapshotOfRoutes } from '../../daemon/routes/load-snapshot.ts';
import type { RouteSnapshot } from '../../daemon/routes/snapshot.ts';

const TEXT = `default via 10.0.0.254 dev eth0
10.1.0.0/16 dev eth0 scope link src 10.1.0.1
10.2.0.0/16 via 10.1.0.2 dev eth0 proto static metric 20
local 10.1.0.1 dev eth0 table local scope host src 10.1.0.1
fd00::/64 dev eth0 metric 256
fd01::/64 via fd00::ffff dev eth0
`;

/** Routes for the addresses of the conversations. */
export function routes(): RouteSnapshot {
  return snapshotOfRoutes(TEXT, 'work');
}
