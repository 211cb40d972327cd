import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { readCaptures } from '../storage/captures.ts';
import { openForReading } from '../storage/database.ts';
import { cpuSeconds, ended, has, NSTAP, printTable, sh, sleep } from './support.ts';

const CAP_PEER = fileURLToPath(new URL('./cap-peer.cjs', import.meta.url));
const SENDER = 'nstap-bench-a';
const RECEIVER = 'nstap-bench-b';
/** Sent as fast as trafgen can on all cores: some ten seconds at 500,000 a second. */
const PACKETS = 5_000_000;
const FILTER = 'udp port 9';

interface Outcome {
  /** How it ended before it was told to ("SIGSEGV"); null when all is well. */
  died: string | null;
  sent: number;
  seconds: number;
  counted: number;
  kernelDrops: number;
  cpuNs: number;
}

/** 64-byte UDP over veth as fast as trafgen sends: nstap with everything it does, then its rivals, in turn. */
export async function run(): Promise<void> {
  if (process.getuid?.() !== 0) return void process.stdout.write('skipped: needs root\n');
  if (!has('trafgen'))
    return void process.stdout.write('skipped: trafgen is missing (package netsniff-ng)\n');
  const rows: string[][] = [];
  try {
    buildLab();
    rows.push(row('nstap daemon (flows, routes, SQLite)', await measure(nstap)));
    if (has('tcpdump')) rows.push(row('tcpdump -w /dev/null', await measure(tcpdump)));
    else process.stdout.write('not found here: tcpdump\n');
    const node = nodeForCap();
    if (node !== null) rows.push(row('cap 0.2.1 (counts only)', await measure(() => cap(node))));
    else
      process.stdout.write('not found here: cap (npm install in bench/, with a compiler and libpcap-dev)\n');
  } finally {
    removeLab();
  }
  printTable(['live', 'rate', 'sent', 'counted', 'kernel drops', 'ns CPU a packet'], rows);
}

function row(name: string, o: Outcome): string[] {
  const rate = Math.round(o.sent / o.seconds / 1000);
  if (o.died !== null) return [name, `${rate}k/s`, String(o.sent), `died: ${o.died}`, '', ''];
  return [name, `${rate}k/s`, o.sent, o.counted, o.kernelDrops, o.cpuNs.toFixed(0)].map(String);
}

/** A capturing program: started, and told to stop; then it says what it counted. */
interface Running {
  child: ChildProcess;
  finish(): Promise<{ counted: number; kernelDrops: number }>;
}

async function measure(start: (scratch: string) => Promise<Running>): Promise<Outcome> {
  const scratch = mkdtempSync(join(tmpdir(), 'nstap-bench-'));
  try {
    const { child, finish } = await start(scratch);
    const cpuBefore = cpuSeconds(child.pid!);
    const before = txPackets();
    const begin = performance.now();
    sendTraffic();
    const seconds = (performance.now() - begin) / 1000;
    await sleep(500);
    const sent = txPackets() - before;
    const died = child.signalCode ?? child.exitCode;
    if (died !== null) {
      return {
        died: String(died),
        sent,
        seconds,
        counted: Number.NaN,
        kernelDrops: Number.NaN,
        cpuNs: Number.NaN,
      };
    }
    const cpu = cpuSeconds(child.pid!) - cpuBefore;
    const { counted, kernelDrops } = await finish();
    return { died: null, sent, seconds, counted, kernelDrops, cpuNs: (cpu * 1e9) / sent };
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

async function nstap(scratch: string): Promise<Running> {
  chmodSync(scratch, 0o777);
  const db = join(scratch, 'flows.db');
  const words = ['daemon', '--netns', RECEIVER, '--interface', 'veth', '--db', db, '--filter', FILTER];
  const { child, log } = await listening([process.execPath, NSTAP, ...words], 'capture-opened');
  return {
    child,
    async finish() {
      child.kill('SIGTERM');
      if ((await ended(child)) !== 0) throw new Error(`the daemon failed:\n${log()}`);
      const database = openForReading(db);
      const [capture] = readCaptures(database);
      database.close();
      return { counted: capture!.packets, kernelDrops: capture!.kernelDrops };
    },
  };
}

function tcpdump(): Promise<Running> {
  return counting(['tcpdump', '-i', 'veth', '-B', '32768', '-w', '/dev/null', FILTER]);
}

function cap(node: string): Promise<Running> {
  return counting([node, CAP_PEER, 'veth', FILTER]);
}

/** The Node that `cap` was built for: its compiled part loads in no other. */
function nodeForCap(): string | null {
  const nodes = [
    process.execPath,
    ...(process.env.PATH ?? '').split(':').map((folder) => join(folder, 'node')),
  ];
  const loads = (node: string): boolean =>
    spawnSync(node, ['-e', 'require("cap")'], { cwd: dirname(CAP_PEER), stdio: 'ignore' }).status === 0;
  return nodes.find(loads) ?? null;
}

/** A program that says "listening", and on SIGINT "N packets captured" and perhaps "N packets dropped by kernel". */
async function counting(command: string[]): Promise<Running> {
  const { child, log } = await listening(['ip', 'netns', 'exec', RECEIVER, ...command], 'listening');
  return {
    child,
    async finish() {
      child.kill('SIGINT');
      await ended(child);
      const number = (what: string): number =>
        Number(new RegExp(`(\\d+) packets? ${what}`).exec(log())?.[1] ?? Number.NaN);
      return { counted: number('captured'), kernelDrops: number('dropped by kernel') };
    },
  };
}

/** Starts a program and waits until it says `word` on stderr. */
async function listening(
  command: string[],
  word: string,
): Promise<{ child: ChildProcess; log: () => string }> {
  const child = spawn(command[0]!, command.slice(1), { stdio: ['ignore', 'ignore', 'pipe'] });
  let log = '';
  child.stderr!.on('data', (chunk) => {
    log += chunk;
  });
  for (let i = 0; i < 100 && !log.includes(word); i++) await sleep(100);
  if (!log.includes(word)) throw new Error(`${command.join(' ')} did not start: ${log}`);
  await sleep(500);
  return { child, log: () => log };
}

function buildLab(): void {
  removeLab();
  for (const name of [SENDER, RECEIVER]) sh('ip', ['netns', 'add', name]);
  sh('ip', ['-n', SENDER, 'link', 'add', 'veth', 'type', 'veth', 'peer', 'name', 'veth', 'netns', RECEIVER]);
  for (const [name, address] of [
    [SENDER, '10.77.0.1/24'],
    [RECEIVER, '10.77.0.2/24'],
  ] as const) {
    sh('ip', ['-n', name, 'address', 'add', address, 'dev', 'veth']);
    sh('ip', ['-n', name, 'link', 'set', 'veth', 'up']);
  }
}

function removeLab(): void {
  for (const name of [SENDER, RECEIVER]) {
    if (sh('ip', ['netns', 'list']).includes(name)) sh('ip', ['netns', 'delete', name]);
  }
}

/** Frames to the receiver's MAC; 64 octets with the checksum that veth does not carry, so 60 here. Port 9 is discard. */
function sendTraffic(): void {
  const mac = (name: string): string =>
    JSON.parse(sh('ip', ['-n', name, '-j', 'link', 'show', 'veth']))[0].address;
  const packet =
    `{ eth(da=${mac(RECEIVER)}, sa=${mac(SENDER)}), ipv4(ttl=64, saddr=10.77.0.1, daddr=10.77.0.2), ` +
    'udp(sport=1024, dport=9), fill(0x41, 18) }';
  sh('ip', ['netns', 'exec', SENDER, 'trafgen', '-o', 'veth', '-n', String(PACKETS), packet]);
}

function txPackets(): number {
  const [link] = JSON.parse(sh('ip', ['-n', SENDER, '-j', '-s', 'link', 'show', 'veth']));
  return link.stats64.tx.packets;
}
