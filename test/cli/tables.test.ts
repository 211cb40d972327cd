import { expect, test } from 'vitest';
import { formatTables } from '../../cli/format/tables.ts';
import { snapshotOfRoutes } from '../../daemon/routes/load-snapshot.ts';

test('a table of any size is printed route by route', () => {
  const snapshot = snapshotOfRoutes('10.0.0.0/24 dev d0\nfd00::/64 dev d0 metric 256', 'test');
  const [route] = snapshot.routes;
  // More than a function takes arguments.
  snapshot.routes = [...new Array<typeof route>(300_000).fill(route), snapshot.routes[1]].map((r) => r!);
  const lines = [...formatTables(snapshot)];
  expect(lines.slice(0, 6)).toEqual([
    'IPv4 rules\n',
    '  0:\tfrom all lookup local\n',
    '  32766:\tfrom all lookup main\n',
    '  32767:\tfrom all lookup default\n',
    '\nIPv4 table main\n',
    '  10.0.0.0/24 dev d0\n',
  ]);
  expect(lines.filter((line) => line === '  10.0.0.0/24 dev d0\n')).toHaveLength(300_000);
  expect(lines.slice(-7).join('')).toBe(
    '  10.0.0.0/24 dev d0\n\nIPv6 rules\n  0:\tfrom all lookup local\n  32766:\tfrom all lookup main\n\nIPv6 table main\n  fd00::/64 dev d0 metric 256\n',
  );
});

test('nothing is said to be nothing', () => {
  expect([...formatTables({ ...snapshotOfRoutes('', 'test'), rules: [] })]).toEqual([
    'no rules and no routes\n',
  ]);
});
