import type { Row } from './report.ts';

/** A bound on a figure. */
export interface Goal {
  /** Of the row. */
  id: string;
  what: string;
  bound: number;
  unit: string;
  isAtLeast: boolean;
}

const most = (id: string, what: string, bound: number, unit: string): Goal => ({
  id,
  what,
  bound,
  unit,
  isAtLeast: false,
});
const least = (id: string, what: string, bound: number, unit: string): Goal => ({
  id,
  what,
  bound,
  unit,
  isAtLeast: true,
});

/** What nstap is held to, in the order of the table. Medians count. */
export const GOALS: readonly Goal[] = [
  most(
    'replay.tcpdump.ratio',
    'replay of 5 million packets, 2.5 GB, time over that of `tcpdump -r -w /dev/null`',
    1.3,
    'times',
  ),
  least('replay.nfpcapd.ratio', 'the same, times as fast as nfpcapd', 4, 'times'),
  least('replay.argus.ratio', 'the same, times as fast as argus', 5, 'times'),
  least('replay.softflowd.ratio', 'the same, times as fast as softflowd', 5, 'times'),
  least('replay.tshark.ratio', 'the same, times as fast as tshark with conversations', 50, 'times'),
  most('replay.nstap.peak', 'the same, peak memory', 300, 'MiB'),
  most('replay-large.nstap.peak', 'peak memory at ten times the packets', 300, 'MiB'),
  most('live.cpu', 'live, 64-octet packets, CPU a packet', 120, 'ns'),
  most('live.drops', 'live, packets dropped', 0, 'packets'),
  least('store.insert', 'records written to SQLite', 150_000, 'records/s'),
  most('startup.help', '`nstap --help`, start to end', 150, 'ms'),
  most('startup.flows', '`nstap flows`, start to end', 250, 'ms'),
  most('query.points', 'the slowest point query of millions of flows, with opening', 50, 'ms'),
  most('rest.tail', '`nstap tail`, from the packet to its line', 50, 'ms'),
  most('rest.idle', 'the daemon at rest, of one core', 1, '%'),
];

/** Whether a row meets its goal; null: it has none. */
export function isMet(row: Row): boolean | null {
  const goal = GOALS.find(({ id }) => id === row.id);
  if (goal === undefined) return null;
  return goal.isAtLeast ? row.median >= goal.bound : row.median <= goal.bound;
}

/** "met", or by how much it is missed: of a bound of 1.3 and 1.95 measured "missed by 50 %". */
export function verdict(goal: Goal, row: Row | undefined): string {
  if (row === undefined) return 'not measured';
  if (isMet(row)) return 'met';
  if (goal.bound === 0) return `missed by ${row.median}`;
  const off = goal.isAtLeast ? 1 - row.median / goal.bound : row.median / goal.bound - 1;
  return `missed by ${Math.ceil(off * 100)} %`;
}
