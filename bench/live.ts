import { fileURLToPath } from 'node:url';
import { hasProgram } from '../test/support/processes.ts';
import { counting, measure, nstap, type Outcome, type Start } from './live-peers.ts';
import { nodeFor } from './peers.ts';
import { type BenchOptions, Report } from './report.ts';
import { median, printTable } from './support.ts';
import { buildLab, removeLab } from './veth-lab.ts';

const CAP_PEER = fileURLToPath(new URL('./cap-peer.cjs', import.meta.url));
export const FILTER = 'udp port 9';

/**
 * How trafgen sends: on all cores, where it is fastest and the reader is always in some sender's way, and on one core, which
 * leaves the other to the reader.
 */
const LOADS = [
  ['all cores', []],
  ['one core', ['--cpus', '1']],
] as const;

/**
 * 64-byte UDP over veth as fast as trafgen sends: nstap with everything it does, then its rivals, in turn, `--rounds` times (3).
 */
export async function run({ rounds }: BenchOptions = {}, report = new Report()): Promise<void> {
  if (process.getuid?.() !== 0) return void process.stdout.write('skipped: needs root\n');
  if (!hasProgram('trafgen'))
    return void process.stdout.write('skipped: trafgen is missing (package netsniff-ng)\n');
  const peers: [string, Start][] = [['nstap daemon (flows, routes, SQLite)', nstap(['--fanout', '1'])]];
  peers.push(['nstap daemon --fanout 2', nstap(['--fanout', '2'])]);
  if (hasProgram('tcpdump'))
    peers.push([
      'tcpdump -w /dev/null',
      counting(['tcpdump', '-i', 'veth', '-B', '32768', '-w', '/dev/null', FILTER]),
    ]);
  else process.stdout.write('not found here: tcpdump\n');
  const node = nodeFor('cap');
  if (node !== null) peers.push(['cap 0.2.1 (counts only)', counting([node, CAP_PEER, 'veth', FILTER])]);
  else process.stdout.write('not found here: cap (npm install in bench/, with a compiler and libpcap-dev)\n');

  const count = Number(rounds ?? 3);
  const outcomes = new Map<string, Outcome[]>();
  try {
    buildLab();
    for (let round = 0; round < count; round++)
      for (const [load, words] of LOADS)
        for (const [name, start] of peers) {
          const key = `${load}: ${name}`;
          outcomes.set(key, [...(outcomes.get(key) ?? []), await measure(start, words)]);
        }
    for (const [load] of LOADS) {
      const of = (name: string): Outcome[] => outcomes.get(`${load}: ${name}`)!;
      const own = middle(of(peers[0]![0]));
      printTable(
        [
          `trafgen on ${load}`,
          'rate',
          'sent',
          'missed',
          'dropped',
          'ns CPU a packet',
          'least-most',
          'user',
          'system',
          'nstap is',
        ],
        peers.map(([name]) => row(name, of(name), own)),
      );
      for (const [name] of peers) if (name.startsWith('nstap')) printThreads(name, of(name)[0]!);
    }
    tell(outcomes.get(`${LOADS[0][0]}: ${peers[0]![0]}`)!, report);
    for (const [key, each] of outcomes)
      if (each.every(({ died }) => died === null))
        report.row(
          `live.cpu.${key.replaceAll(/[^a-z0-9]+/g, '-')}`,
          `live, CPU a packet, trafgen on ${key}`,
          'ns',
          each.map(({ cpuNs }) => cpuNs),
        );
  } finally {
    removeLab();
  }
}

/** nstap's own, trafgen on all cores. */
function tell(own: readonly Outcome[], report: Report): void {
  const died = own.find((each) => each.died !== null)?.died;
  if (died !== undefined) {
    report.note(`the daemon died: ${died}`);
    return;
  }
  const each = (of: (outcome: Outcome) => number): number[] => own.map(of);
  report.row(
    'live.cpu',
    'live, CPU a packet',
    'ns',
    each(({ cpuNs }) => cpuNs),
  );
  report.row(
    'live.drops',
    'live, packets that were sent and not counted',
    'packets',
    each(({ wanted, counted }) => wanted - counted),
  );
  report.row(
    'live.rate',
    'live, sent',
    'packets/s',
    each(({ sent, seconds }) => sent / seconds),
  );
}

function middle(outcomes: readonly Outcome[]): number {
  return median(outcomes.map(({ cpuNs }) => cpuNs));
}

/** @param own median of nstap's, for the ratio */
function row(name: string, outcomes: readonly Outcome[], own: number): string[] {
  const died = outcomes.find((each) => each.died !== null)?.died;
  const rate = `${Math.round(median(outcomes.map(({ sent, seconds }) => sent / seconds)) / 1000)}k/s`;
  if (died !== undefined) return [name, rate, '', `died: ${died}`, '', '', '', '', '', ''];
  const costs = outcomes.map(({ cpuNs }) => cpuNs);
  const sum = (of: (outcome: Outcome) => number): number => outcomes.reduce((all, each) => all + of(each), 0);
  const share = (of: (outcome: Outcome) => number): string => median(outcomes.map(of)).toFixed(0);
  return [
    name,
    rate,
    String(sum(({ sent }) => sent)),
    String(sum(({ wanted, counted }) => wanted - counted)),
    String(sum(({ kernelDrops }) => kernelDrops)),
    middle(outcomes).toFixed(0),
    `${Math.min(...costs).toFixed(0)}-${Math.max(...costs).toFixed(0)}`,
    share(({ userNs }) => userNs),
    share(({ systemNs }) => systemNs),
    `${(own / middle(outcomes)).toFixed(2)} x`,
  ];
}

function printThreads(name: string, { threads }: Outcome): void {
  const parts = threads.filter(({ ns }) => ns >= 1).map(({ name: of, ns }) => `${of} ${ns.toFixed(1)}`);
  process.stdout.write(`  ${name}, first round, ns a packet by thread: ${parts.join(', ')}\n`);
}
