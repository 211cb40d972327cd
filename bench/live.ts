import { type ChildProcess, spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { readCaptures } from '../storage/captures.ts';
import { openForReading } from '../storage/database.ts';
import { type BenchOptions, Report } from './report.ts';
import { cpuSeconds, ended, NSTAP, printTable, sh, sleep } from './support.ts';
import { hasProgram } from '../test/support/processes.ts';
import { ADDRESS, buildLab, listening, macOf, RECEIVER, removeLab, SENDER, sentBy } from './veth-lab.ts';

const CAP_PEER = fileURLToPath(new URL('./cap-peer.cjs', import.meta.url));
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
export async function run(_options: BenchOptions = {}, report = new Report()): Promise<void> {
  if (process.getuid?.() !== 0) return void process.stdout.write('skipped: needs root\n');
  if (!hasProgram('trafgen'))
    return void process.stdout.write('skipped: trafgen is missing (package netsniff-ng)\n');
  const rows: string[][] = [];
  try {
    buildLab();
    const own = await measure(nstap);
    rows.push(row('nstap daemon (flows, routes, SQLite)', own));
    tell(own, report);
    if (hasProgram('tcpdump')) rows.push(row('tcpdump -w /dev/null', await measure(tcpdump)));
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

function tell(own: Outcome, report: Report): void {
  if (own.died !== null) {
    report.note(`the daemon died: ${own.died}`);
    return;
  }
  report.row('live.cpu', 'live, CPU a packet', 'ns', [own.cpuNs]);
  report.row('live.drops', 'live, packets that were sent and not counted', 'packets', [
    PACKETS - own.counted,
  ]);
  report.row('live.rate', 'live, sent', 'packets/s', [own.sent / own.seconds]);
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
    const before = sentBy(SENDER);
    const begin = performance.now();
    sendTraffic();
    const seconds = (performance.now() - begin) / 1000;
    await sleep(500);
    const sent = sentBy(SENDER) - before;
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
  const where = ['--netns', RECEIVER, '--interface', 'veth', '--filter', FILTER];
  const words = ['daemon', ...where, '--db', db, '--control', 'none'];
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

/** Frames to the receiver's MAC; 64 octets with the checksum that veth does not carry, so 60 here. Port 9 is discard. */
function sendTraffic(): void {
  const packet =
    `{ eth(da=${macOf(RECEIVER)}, sa=${macOf(SENDER)}), ` +
    `ipv4(ttl=64, saddr=${ADDRESS[SENDER]}, daddr=${ADDRESS[RECEIVER]}), ` +
    'udp(sport=1024, dport=9), fill(0x41, 18) }';
  sh('ip', ['netns', 'exec', SENDER, 'trafgen', '-o', 'veth', '-n', String(PACKETS), packet]);
}
