import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { generateCapture } from './generate.ts';
import { median, NSTAP, printTable } from './support.ts';
import { hasProgram } from '../test/support/processes.ts';

const ROUNDS = 3;
const SPEC = { packets: 5_000_000, flows: 60_000, frameLen: 500, seed: 42 };

interface Peer {
  name: string;
  program: string;
  /** Command line; gets the capture and a scratch folder. */
  command: (file: string, scratch: string) => string[];
}

const PEERS: Peer[] = [
  {
    name: 'tcpdump -w /dev/null',
    program: 'tcpdump',
    command: (file) => ['tcpdump', '-r', file, '-w', '/dev/null'],
  },
  { name: 'nfpcapd', program: 'nfpcapd', command: (file, scratch) => ['nfpcapd', '-r', file, '-w', scratch] },
  {
    name: 'argus',
    program: 'argus',
    command: (file, scratch) => ['argus', '-r', file, '-w', join(scratch, 'argus')],
  },
  {
    name: 'softflowd',
    program: 'softflowd',
    command: (file, scratch) => [
      'softflowd',
      '-d',
      '-r',
      file,
      '-c',
      join(scratch, 'ctl'),
      '-p',
      join(scratch, 'pid'),
    ],
  },
];

/** Whole-file replay into SQLite beside the C tools, in turn, several times. */
export async function run(): Promise<void> {
  const file = generateCapture(SPEC);
  process.stdout.write(
    `${SPEC.packets} packets, ${SPEC.flows} flows, ${(statSync(file).size / 1e9).toFixed(2)} GB, seed ${SPEC.seed}\n`,
  );
  const peers = PEERS.filter((peer) => hasProgram(peer.program));
  const absent = PEERS.filter((peer) => !hasProgram(peer.program)).map((peer) => peer.program);
  if (absent.length > 0) process.stdout.write(`not found here: ${absent.join(', ')}\n`);
  const nstap: Peer = {
    name: 'nstap replay (with SQLite)',
    program: process.execPath,
    command: (input, scratch) => [
      process.execPath,
      NSTAP,
      'replay',
      '--json',
      '--db',
      join(scratch, 'flows.db'),
      input,
    ],
  };
  const times = new Map<string, number[]>();
  for (let round = 0; round <= ROUNDS; round++) {
    for (const peer of [nstap, ...peers]) {
      const seconds = timed(peer, file);
      if (round > 0) times.set(peer.name, [...(times.get(peer.name) ?? []), seconds]); // round 0 warms the page cache
    }
  }
  const base = median(times.get(nstap.name)!);
  const rows = [...times].map(([name, values]) => [
    name,
    median(values).toFixed(2),
    `${Math.min(...values).toFixed(2)}-${Math.max(...values).toFixed(2)}`,
    (median(values) / base).toFixed(2),
  ]);
  printTable(['tool', 'median s', 'range', 'time / nstap'], rows);
}

function timed(peer: Peer, file: string): number {
  const scratch = mkdtempSync(join(tmpdir(), 'nstap-bench-'));
  try {
    const [command, ...words] = peer.command(file, scratch);
    const start = process.hrtime.bigint();
    const { status, stdout, stderr } = spawnSync(command!, words, { encoding: 'utf8' });
    const seconds = Number(process.hrtime.bigint() - start) / 1e9;
    if (status !== 0) throw new Error(`${peer.name} ended with ${status}: ${stderr}`);
    if (peer.program === process.execPath && JSON.parse(stdout).packets !== SPEC.packets) {
      throw new Error(`nstap counted ${JSON.parse(stdout).packets} of ${SPEC.packets} packets`);
    }
    return seconds;
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}
