import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type CaptureSpec, flowsIn, generateCapture, releaseCapture } from './generate.ts';
import { isMet } from './goals.ts';
import { type Measured, measured } from './measured.ts';
import { FLOW_PEERS, isThere, NPM_PEERS, NSTAP_PEER, type Peer, TCPDUMP_PEER } from './peers.ts';
import { hotFunctions } from './profile.ts';
import { type BenchOptions, figure, Report } from './report.ts';
import { LAUNCHER, median, printTable, sh } from './support.ts';

const MILLION = 1_000_000;
const MAIN: CaptureSpec = { packets: 5 * MILLION, flows: 60_000, frameLen: 500, seed: 42 };
const LARGE: CaptureSpec = { packets: 50 * MILLION, flows: 60_000, frameLen: 64, seed: 42 };

/** Beside the main one; the first word is in the ids of their figures. */
const SHAPES: [id: string, name: string, more: Partial<CaptureSpec>][] = [
  ['moving', 'sequence numbers that go on', { isMoving: true }],
  ['small', '64 octets', { frameLen: 64 }],
  ['imix', 'IMIX', { frameLen: 'imix' }],
  ['v6', 'IPv6', { ipVersion: 6 }],
  ['vlan', '802.1Q', { isTagged: true }],
  ['flows', 'many flows, 64 octets', { frameLen: 64, flows: 2 * MILLION }],
];
const SHAPE_ROUNDS = 3;
const LARGE_ROUNDS = 1;

/** Whole-file replay into SQLite beside other programs, in turn, several times; each has to count the packets that there are. */
export async function run(options: BenchOptions = {}, report = new Report()): Promise<void> {
  const size = (spec: CaptureSpec): CaptureSpec =>
    options.quick ? { ...spec, packets: spec.packets / 10, flows: spec.flows / 10 } : spec;
  const found = FLOW_PEERS.filter(isThere);
  for (const peer of [TCPDUMP_PEER, ...FLOW_PEERS, ...NPM_PEERS])
    if (!isThere(peer)) report.note(`not found here: ${peer.programs.join(', ') || peer.name}`);
  const first = [NSTAP_PEER, ...threaded(), ...(isThere(TCPDUMP_PEER) ? [TCPDUMP_PEER] : [])];
  const few = options.quick ? 1 : Number.POSITIVE_INFINITY;

  compare('replay', 'all programs', size(MAIN), [...first, ...found], few, report, options);
  const ratio = report.rows.find(({ id }) => id === 'replay.tcpdump.ratio');
  if (ratio !== undefined && isMet(ratio) === false)
    report.profile.push(...hotFunctions(generateCapture(size(MAIN))));
  const pair = first.filter((peer) => peer === NSTAP_PEER || peer === TCPDUMP_PEER);
  for (const [id, name, more] of SHAPES)
    compare(
      `replay-${id}`,
      name,
      size({ ...MAIN, ...more }),
      pair,
      Math.min(SHAPE_ROUNDS, few),
      report,
      options,
    );
  compare(
    'replay-large',
    'ten times the packets, 64 octets',
    size(LARGE),
    pair,
    LARGE_ROUNDS,
    report,
    options,
  );
  const npm = NPM_PEERS.filter(isThere);
  if (npm.length > 0) {
    const old = { ...MAIN, packets: MILLION, isMicro: true };
    compare(
      'replay-npm',
      'beside readers from npm',
      size(old),
      [NSTAP_PEER, ...npm],
      SHAPE_ROUNDS,
      report,
      options,
    );
  }
}

/** nstap with other numbers of threads than its own choice, where it has a choice. */
function threaded(): Peer[] {
  if (!sh(process.execPath, [LAUNCHER, 'replay', '--help']).includes('--threads')) return [];
  return ['1', '2'].map((threads) => ({
    ...NSTAP_PEER,
    id: `threads-${threads}`,
    name: `nstap replay --threads ${threads}`,
    command: (file, scratch) => [...NSTAP_PEER.command(file, scratch), '--threads', threads],
  }));
}

/** @param prefix of the ids of figures @param mostRounds bound on the rounds of every peer */
function compare(
  prefix: string,
  name: string,
  spec: CaptureSpec,
  peers: Peer[],
  mostRounds: number,
  report: Report,
  options: BenchOptions,
): void {
  const file = generateCapture(spec);
  const flows = flowsIn(spec);
  const gb = (statSync(file).size / 1e9).toFixed(2);
  process.stdout.write(`\n${name}: ${spec.packets} packets, ${flows} flows, ${gb} GB, seed ${spec.seed}\n`);
  const runs = inTurn(file, spec.packets, peers, mostRounds, report);
  tell(prefix, name, runs, report);
  const own = runs.get(NSTAP_PEER)?.at(-1);
  if (own !== undefined) {
    const counted = JSON.parse(own.stdout).flows;
    if (counted !== flows) report.note(`${name}: nstap has ${counted} flows, the capture ${flows}`);
  }
  releaseCapture(file, options.keep === true);
}

/**
 * Runs each peer once a round, in turn; round 0 is not counted: it fills the page cache and the cache of compiled code. A peer that runs once
 * has no round 0. One that fails or counts other packets is left out from then on, and the report says why.
 */
export function inTurn(
  file: string,
  packets: number,
  peers: readonly Peer[],
  mostRounds: number,
  report: Report,
): Map<Peer, Measured[]> {
  const runs = new Map<Peer, Measured[]>(peers.map((peer) => [peer, []]));
  const last = Math.max(...peers.map(({ rounds }) => Math.min(rounds, mostRounds)));
  for (let round = 0; round <= last; round++)
    for (const peer of peers) {
      const list = runs.get(peer);
      if (list === undefined || round > peer.rounds || (round === 0 && peer.rounds === 1)) continue;
      try {
        const one = checked(peer, file, packets);
        if (round > 0) list.push(one);
      } catch (error) {
        report.note(`${peer.name}: ${(error as Error).message}; left out`);
        runs.delete(peer);
      }
    }
  return runs;
}

/** @throws Error when the peer fails, or did not see all packets */
function checked(peer: Peer, file: string, packets: number): Measured {
  const scratch = mkdtempSync(join(tmpdir(), 'nstap-bench-'));
  try {
    const one = measured(peer.command(file, scratch), peer.limitSec);
    const counted = peer.count(one, scratch);
    if (counted !== packets) throw new Error(`counted ${counted} of ${packets} packets`);
    return one;
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

function tell(prefix: string, name: string, runs: Map<Peer, Measured[]>, report: Report): void {
  const own = runs.get(NSTAP_PEER) ?? [];
  const rows: string[][] = [];
  const place = prefix === 'replay' ? '' : ` (${name})`;
  for (const [peer, list] of runs) {
    if (list.length === 0) continue;
    const wall = list.map(({ wallSec }) => wallSec);
    const cpu = list.map(({ cpuSec }) => cpuSec);
    const peak = list.flatMap(({ peakMib }) => peakMib ?? []);
    // Paired: each run with the one of nstap in the same round.
    const isSlower = peer === TCPDUMP_PEER;
    const ratios = list.flatMap(({ wallSec }, i) => {
      const mine = own[i]?.wallSec;
      return mine === undefined || peer === NSTAP_PEER ? [] : [isSlower ? mine / wallSec : wallSec / mine];
    });
    report.row(`${prefix}.${peer.id}.wall`, `${peer.name}${place}, wall time`, 's', wall);
    report.row(`${prefix}.${peer.id}.cpu`, `${peer.name}${place}, CPU time`, 's', cpu);
    report.row(`${prefix}.${peer.id}.peak`, `${peer.name}${place}, peak memory`, 'MiB', peak);
    const said = isSlower ? `nstap / ${peer.name}` : `${peer.name} / nstap`;
    report.row(`${prefix}.${peer.id}.ratio`, `${said}${place}`, 'times', ratios);
    rows.push([
      peer.name,
      String(list.length),
      figure(median(wall)),
      range(wall),
      figure(median(cpu)),
      peak.length === 0 ? '' : figure(median(peak)),
      ratios.length === 0 ? '' : `${isSlower ? 'nstap takes ' : ''}${figure(median(ratios))}`,
      ratios.length === 0 ? '' : range(ratios),
    ]);
  }
  printTable(['', 'rounds', 's wall', 'range', 's CPU', 'peak MiB', 'times nstap', 'range'], rows);
}

function range(values: number[]): string {
  return `${figure(Math.min(...values))}-${figure(Math.max(...values))}`;
}
