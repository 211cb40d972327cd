import type { ChildProcess } from 'node:child_process';
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readCaptures } from '../storage/captures.ts';
import { openForReading } from '../storage/database.ts';
import { childrenOf } from '../test/support/processes.ts';
import { ended, NSTAP, sh, sleep } from './support.ts';
import { ADDRESS, listening, macOf, RECEIVER, SENDER, sentBy } from './veth-lab.ts';

/** Of one measurement; four to seven seconds. */
const PACKETS = 5_000_000;

/** One run of a peer. Times are CPU a packet, in nanoseconds. */
export interface Outcome {
  /** How it ended before it was told to ("SIGSEGV"); null when all is well. */
  died: string | null;
  /** As the sender's interface counts, and what was asked for: the rest is what a namespace says by itself. */
  sent: number;
  wanted: number;
  seconds: number;
  counted: number;
  kernelDrops: number;
  cpuNs: number;
  userNs: number;
  systemNs: number;
  threads: { name: string; ns: number }[];
}

/** A capturing program: started, and told to stop; then it says what it counted. */
export interface Running {
  child: ChildProcess;
  finish(): Promise<{ counted: number; kernelDrops: number }>;
}

/** Starts a program. @param scratch a folder of its own */
export type Start = (scratch: string) => Promise<Running>;

/** @param words further words for trafgen */
export async function measure(start: Start, words: readonly string[]): Promise<Outcome> {
  const scratch = mkdtempSync(join(tmpdir(), 'nstap-bench-'));
  try {
    const { child, finish } = await start(scratch);
    const cpuBefore = threadTimes(child.pid!);
    const before = sentBy(SENDER);
    const begin = performance.now();
    sendTraffic(words);
    const seconds = (performance.now() - begin) / 1000;
    await sleep(500);
    const sent = sentBy(SENDER) - before;
    const died = child.signalCode ?? child.exitCode;
    const nothing = { counted: Number.NaN, kernelDrops: Number.NaN, cpuNs: Number.NaN };
    const outcome = { sent, wanted: PACKETS, seconds, userNs: Number.NaN, systemNs: Number.NaN, threads: [] };
    if (died !== null) return { ...outcome, ...nothing, died: String(died) };
    const threads = threadTimes(child.pid!).map((after) => {
      const earlier = cpuBefore.find(({ id }) => id === after.id);
      const since = (of: 'cpuNs' | 'userTicks' | 'systemTicks'): number => after[of] - (earlier?.[of] ?? 0);
      return {
        name: after.name,
        cpuNs: since('cpuNs'),
        userTicks: since('userTicks'),
        systemTicks: since('systemTicks'),
      };
    });
    const sum = (of: 'cpuNs' | 'userTicks' | 'systemTicks'): number =>
      threads.reduce((all, each) => all + each[of], 0);
    const ticks = sum('userTicks') + sum('systemTicks');
    const cpuNs = sum('cpuNs') / sent;
    return {
      ...outcome,
      ...(await finish()),
      died: null,
      cpuNs,
      // The scheduler's clock knows the sum, ticks of 10 ms only the shares.
      userNs: (cpuNs * sum('userTicks')) / ticks,
      systemNs: (cpuNs * sum('systemTicks')) / ticks,
      threads: threads.map((each) => ({ name: each.name, ns: each.cpuNs / sent })),
    };
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

interface ThreadTime {
  id: string;
  name: string;
  cpuNs: number;
  userTicks: number;
  systemTicks: number;
}

/** CPU of every thread of a process and its children. proc_pid_schedstat(5), proc_pid_stat(5) */
export function threadTimes(pid: number): ThreadTime[] {
  const own = readdirSync(`/proc/${pid}/task`).map((task): ThreadTime => {
    const folder = `/proc/${pid}/task/${task}`;
    const stat = readFileSync(`${folder}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return {
      id: `${pid}/${task}`,
      name: stat.slice(stat.indexOf('(') + 1, stat.lastIndexOf(')')),
      cpuNs: Number(readFileSync(`${folder}/schedstat`, 'utf8').split(' ')[0]),
      userTicks: Number(fields[11]),
      systemTicks: Number(fields[12]),
    };
  });
  return [...own, ...childrenOf(pid).flatMap(threadTimes)];
}

/** The daemon on the receiver's end. @param options further words */
export function nstap(options: readonly string[]): Start {
  return async (scratch) => {
    chmodSync(scratch, 0o777);
    const db = join(scratch, 'flows.db');
    const where = ['--netns', RECEIVER, '--interface', 'veth', '--filter', 'udp port 9'];
    const words = ['daemon', ...where, '--db', db, '--control', 'none', ...options];
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
  };
}

/** A program that says "listening", and on SIGINT "N packets captured" and perhaps "N packets dropped by kernel". */
export function counting(command: readonly string[]): Start {
  return async () => {
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
  };
}

/** Frames to the receiver's MAC; 64 octets with the checksum that veth does not carry, so 60 here. Port 9 is discard. */
function sendTraffic(words: readonly string[]): void {
  const packet =
    `{ eth(da=${macOf(RECEIVER)}, sa=${macOf(SENDER)}), ` +
    `ipv4(ttl=64, saddr=${ADDRESS[SENDER]}, daddr=${ADDRESS[RECEIVER]}), ` +
    'udp(sport=1024, dport=9), fill(0x41, 18) }';
  sh('ip', ['netns', 'exec', SENDER, 'trafgen', '-o', 'veth', '-n', String(PACKETS), ...words, packet]);
}
