import { type ChildProcess, spawn } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { threadTimes } from './live-peers.ts';
import { ended, median, NSTAP, sleep } from './support.ts';
import { ADDRESS, listening, RECEIVER, SENDER } from './veth-lab.ts';

const IDLE_MS = 10_000;
const PACKETS = 100;
const GAP_MS = 100;

/** CPU of a daemon on four interfaces (two veth ends, two `lo`) where nothing happens. */
export async function measureIdle(): Promise<void> {
  await withDaemon(async ({ pid }) => {
    await sleep(2000);
    const cpu = (): number => threadTimes(pid!).reduce((sum, { cpuNs }) => sum + cpuNs, 0);
    const before = cpu();
    const begin = performance.now();
    await sleep(IDLE_MS);
    const percent = (cpu() - before) / 1e4 / (performance.now() - begin);
    process.stdout.write(
      `at rest, four interfaces, ${IDLE_MS / 1000} s: ${percent.toFixed(2)} % of a core\n`,
    );
  });
}

/** From sending a packet to its line on the pipe of `nstap tail`, one packet each 100 ms. */
export async function measureTail(): Promise<void> {
  await withDaemon(async (_, control) => {
    const words = ['tail', '--control', control, '--netns', RECEIVER, 'udp port 9'];
    const tail = spawn(process.execPath, [NSTAP, ...words], { stdio: ['ignore', 'pipe', 'pipe'] });
    let said = '';
    let lines = 0;
    let seen: (() => void) | null = null;
    tail.stderr.on('data', (chunk) => {
      said += chunk;
    });
    tail.stdout.setEncoding('utf8').on('data', (chunk: string) => {
      lines += chunk.split('\n').length - 1;
      seen?.();
    });
    for (let i = 0; i < 100 && !said.includes('snapshot length'); i++) await sleep(50);
    const sender = startSender();
    const took: number[] = [];
    for (let i = 0; i < PACKETS; i++) {
      await sleep(GAP_MS);
      const begin = performance.now();
      const there = new Promise<void>((resolve) => {
        seen = () => {
          if (lines > i) resolve();
        };
      });
      sender.stdin!.write('\n');
      await Promise.race([there, sleep(5000)]);
      if (lines <= i) throw new Error(`packet ${i} was not shown within 5 s: ${said}`);
      took.push(performance.now() - begin);
    }
    sender.stdin!.end();
    await ended(sender);
    tail.kill('SIGINT');
    await ended(tail);
    process.stdout.write(
      `tail, ${PACKETS} packets ${GAP_MS} ms apart, from sending to the line: ` +
        `median ${median(took).toFixed(1)} ms, most ${Math.max(...took).toFixed(1)} ms\n`,
    );
  });
}

/** A shell in the sender's namespace that sends a packet for each line. */
function startSender(): ChildProcess {
  const loop = `while read -r; do echo x > /dev/udp/${ADDRESS[RECEIVER]}/9; done`;
  return spawn('ip', ['netns', 'exec', SENDER, 'bash', '-c', loop], { stdio: ['pipe', 'ignore', 'inherit'] });
}

async function withDaemon(use: (daemon: ChildProcess, control: string) => Promise<void>): Promise<void> {
  const scratch = mkdtempSync(join(tmpdir(), 'nstap-bench-'));
  chmodSync(scratch, 0o777);
  const control = join(scratch, 'control.sock');
  const where = ['--netns', SENDER, '--netns', RECEIVER];
  const words = ['daemon', ...where, '--db', join(scratch, 'flows.db'), '--control', control];
  try {
    const { child } = await listening([process.execPath, NSTAP, ...words], '"ready"');
    await sleep(1000);
    await use(child, control);
    child.kill('SIGTERM');
    await ended(child);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}
