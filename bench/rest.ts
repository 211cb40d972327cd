import { type ChildProcess, spawn } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { type BenchOptions, figure, Report } from './report.ts';
import { cpuSeconds, ended, LAUNCHER, median, printTable, sleep } from './support.ts';
import { ADDRESS, buildLab, listening, RECEIVER, removeLab, SENDER } from './veth-lab.ts';

const IDLE_ROUNDS = 3;
const IDLE_SEC = 15;
const PACKETS = 100;
const EVERY_MS = 100;
/** discard */
const PORT = 9;
const DAY_MS = 86_400_000;

/**
 * A daemon with nothing to do on four interfaces: its CPU time; then ten packets a second, and how long after each of them its line
 * comes out of `nstap tail`, in a pipe.
 */
export async function run(options: BenchOptions = {}, report = new Report()): Promise<void> {
  if (process.getuid?.() !== 0) return report.note('rest: skipped: needs root');
  const scratch = mkdtempSync(join(tmpdir(), 'nstap-bench-'));
  chmodSync(scratch, 0o777);
  const running: ChildProcess[] = [];
  try {
    buildLab();
    const control = join(scratch, 'control.sock');
    const where = ['--netns', SENDER, '--netns', RECEIVER];
    const words = ['daemon', ...where, '--db', join(scratch, 'flows.db'), '--control', control];
    const { child } = await listening([process.execPath, LAUNCHER, ...words], 'capture-opened');
    running.push(child);
    await sleep(options.quick ? 3000 : 10_000); // what a start leaves to be done
    const idle = await idlePercent(child.pid!, options.quick ? 1 : IDLE_ROUNDS, options.quick ? 2 : IDLE_SEC);
    report.row('rest.idle', 'the daemon at rest, four interfaces', '% of a core', idle);
    const latency = await tailLatency(control, options.quick ? PACKETS / 10 : PACKETS, running);
    report.row('rest.tail', '`nstap tail`, from the packet to its line', 'ms', latency);
    printTable(
      ['', 'median', 'least', 'most'],
      [
        ['daemon at rest, % of a core', ...spread(idle)],
        [`tail, ms, ${latency.length} packets`, ...spread(latency)],
      ],
    );
  } finally {
    for (const child of running) child.kill('SIGTERM');
    for (const child of running) await ended(child);
    removeLab();
    rmSync(scratch, { recursive: true, force: true });
  }
}

async function idlePercent(pid: number, rounds: number, seconds: number): Promise<number[]> {
  const shares: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const begin = performance.now();
    const before = cpuSeconds(pid);
    await sleep(seconds * 1000);
    shares.push((100_000 * (cpuSeconds(pid) - before)) / (performance.now() - begin));
  }
  return shares;
}

/** Milliseconds from the kernel's time of each packet to its line. @throws Error when lines are missing */
async function tailLatency(control: string, packets: number, running: ChildProcess[]): Promise<number[]> {
  const where = ['--control', control, '--netns', RECEIVER, '--interface', 'veth', '--tz', 'UTC'];
  const filter = ['udp', 'and', 'dst', 'port', String(PORT)];
  const tail = spawn(process.execPath, [LAUNCHER, 'tail', ...where, '-c', String(packets), ...filter], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  running.push(tail);
  const latency: number[] = [];
  createInterface({ input: tail.stdout! }).on('line', (line) => {
    const now = (performance.timeOrigin + performance.now()) % DAY_MS;
    const [, hours, minutes, seconds] = /^(\d\d):(\d\d):(\d\d\.\d+)/.exec(line) ?? [];
    if (seconds === undefined) return;
    const sent = (Number(hours) * 3600 + Number(minutes) * 60 + Number(seconds)) * 1000;
    latency.push((now - sent + DAY_MS) % DAY_MS);
  });
  await sleep(1500);
  const script = `for ((i = 0; i < ${packets}; i++)); do echo x > /dev/udp/${ADDRESS[RECEIVER]}/${PORT}; sleep ${EVERY_MS / 1000}; done`;
  const sender = spawn('ip', ['netns', 'exec', SENDER, 'bash', '-c', script], { stdio: 'ignore' });
  await ended(sender);
  await sleep(1000);
  if (latency.length !== packets)
    throw new Error(
      `nstap tail showed ${latency.length} of ${packets} packets to port ${PORT} of ${RECEIVER}`,
    );
  return latency;
}

function spread(values: number[]): string[] {
  return [median(values), Math.min(...values), Math.max(...values)].map(figure);
}
