import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { hasProgram } from '../test/support/processes.ts';
import type { Measured } from './measured.ts';
import { nfdumpTotals } from './nfdump-peer.ts';
import { LAUNCHER, sh } from './support.ts';

const NPM_PEER = fileURLToPath(new URL('./npm-peer.cjs', import.meta.url));

/** A program that reads a capture file. */
export interface Peer {
  /** In ids of figures. */
  id: string;
  name: string;
  /** What has to be on the PATH. */
  programs: string[];
  /** The command line; gets the capture and an empty folder. */
  command(file: string, scratch: string): string[];
  /** How many packets it counted, by its own account. */
  count(run: Measured, scratch: string): number;
  rounds: number;
  limitSec: number;
}

const OF = { nstap: 5, fast: 5, slow: 3, once: 1 } as const;

export const NSTAP_PEER: Peer = {
  id: 'nstap',
  name: 'nstap replay (into SQLite)',
  programs: [],
  command: (file, scratch) => [
    process.execPath,
    LAUNCHER,
    'replay',
    '--json',
    '--db',
    join(scratch, 'flows.db'),
    file,
  ],
  count: ({ stdout }) => JSON.parse(stdout).packets,
  rounds: OF.nstap,
  limitSec: 300,
};

export const TCPDUMP_PEER: Peer = {
  id: 'tcpdump',
  name: 'tcpdump -w /dev/null',
  programs: ['tcpdump'],
  command: (file) => ['tcpdump', '--count', '-r', file, '-w', '/dev/null'],
  count: ({ stdout, stderr }) => numberIn(stdout + stderr, /^(\d+) packets?$/m),
  rounds: OF.fast,
  limitSec: 120,
};

/** In the order of the table. */
export const FLOW_PEERS: readonly Peer[] = [
  {
    id: 'nfpcapd',
    name: 'nfpcapd',
    programs: ['nfpcapd', 'nfdump'],
    command: (file, scratch) => ['nfpcapd', '-r', file, '-w', scratch],
    count: (_, scratch) =>
      readdirSync(scratch)
        .filter((name) => name.startsWith('nfcapd.'))
        .reduce((sum, name) => sum + nfdumpTotals(join(scratch, name)).packets, 0),
    rounds: OF.slow,
    limitSec: 120,
  },
  {
    id: 'argus',
    name: 'argus',
    programs: ['argus', 'racount'],
    command: (file, scratch) => ['argus', '-r', file, '-w', join(scratch, 'argus')],
    count: (_, scratch) => numberIn(sh('racount', ['-r', join(scratch, 'argus')]), /^\s*sum\s+\d+\s+(\d+)/m),
    rounds: OF.slow,
    limitSec: 120,
  },
  {
    id: 'softflowd',
    name: 'softflowd (exports nowhere)',
    programs: ['softflowd'],
    // With a control socket 1.1.0 waits for a client of it for ever, packets or not. It holds 8,192 flows unless told.
    command: (file) => ['softflowd', '-d', '-r', file, '-c', 'none', '-p', 'none', '-m', '2000000'],
    count: ({ stdout, stderr }) => numberIn(stdout + stderr, /^Packets processed: (\d+)/m),
    rounds: OF.slow,
    limitSec: 120,
  },
  {
    id: 'tshark',
    name: 'tshark -q -z conv,tcp -z conv,udp',
    programs: ['tshark'],
    command: (file) => ['tshark', '-q', '-z', 'conv,tcp', '-z', 'conv,udp', '-r', file],
    count: ({ stdout }) => conversationFrames(stdout),
    rounds: OF.once,
    limitSec: 400,
  },
];

/** Readers from npm that have a file to read; they hand each packet to a callback, which counts it. */
export const NPM_PEERS: readonly Peer[] = ['pcap-parser', 'pcap'].map((name) => ({
  id: name,
  name: `${name} (npm; counts only)`,
  programs: [],
  command: (file) => [nodeFor(name) ?? process.execPath, NPM_PEER, name, file],
  count: ({ stdout }) => Number(stdout),
  rounds: OF.slow,
  limitSec: 120,
}));

/** Frames of all conversations of `tshark -z conv`: before the last "N bytes" of a line stands how many. */
export function conversationFrames(text: string): number {
  let sum = 0;
  for (const line of text.split('\n')) {
    if (!line.includes('<->')) continue;
    const counts = [...line.matchAll(/(\d+)\s+\d+ (?:bytes|[kMGT]B)/g)];
    sum += Number(counts.at(-1)?.[1] ?? 0);
  }
  return sum;
}

export function isThere(peer: Peer): boolean {
  if (NPM_PEERS.includes(peer)) return npmVersion(peer.id) !== null;
  return peer.programs.every(hasProgram);
}

/** How each program that some part has a use for tells its version. */
const VERSIONS: Readonly<Record<string, string[]>> = {
  tcpdump: ['--version'],
  nfpcapd: ['-V'],
  nfdump: ['-V'],
  argus: ['-h'],
  softflowd: ['-h'],
  tshark: ['--version'],
  trafgen: ['--version'],
};

/** Programs and npm packages with the version found here; null: not there. Installs nothing. */
export function findPeers(): Record<string, string | null> {
  const programs = Object.entries(VERSIONS).map(([name, words]): [string, string | null] => {
    if (!hasProgram(name)) return [name, null];
    const { stdout, stderr } = spawnSync(name, words, { encoding: 'utf8' });
    return [name, /\d+\.\d+(?:\.\d+)*/.exec(stdout + stderr)?.[0] ?? 'of unknown version'];
  });
  const packages = ['cap', 'pcap', 'pcap-parser'].map((name): [string, string | null] => [
    `${name} (npm)`,
    npmVersion(name),
  ]);
  return Object.fromEntries([...programs, ...packages]);
}

/** Version of a package that bench/ can load; null: not there, or not built. */
function npmVersion(name: string): string | null {
  return nodeFor(name) === null ? null : createRequire(NPM_PEER)(`${name}/package.json`).version;
}

const nodes = new Map<string, string | null>();

/** A Node that a package of bench/ was built for, this one or one of the PATH: its compiled part loads in no other. null: none */
export function nodeFor(name: string): string | null {
  let node = nodes.get(name);
  if (node === undefined) {
    const all = [process.execPath, ...(process.env.PATH ?? '').split(':').map((folder) => `${folder}/node`)];
    node = all.find((each) => spawnSync(each, [NPM_PEER, name], { stdio: 'ignore' }).status === 0) ?? null;
    nodes.set(name, node);
  }
  return node;
}

function numberIn(text: string, pattern: RegExp): number {
  return Number(pattern.exec(text)?.[1] ?? Number.NaN);
}
