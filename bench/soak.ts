/**
 * `node bench/soak.ts [--minutes N] [--rate PACKETS_PER_SECOND]`: the daemon under even load for a long time, with flows
 * that come and go. Prints its memory over time, and at the end whether every packet that was sent has been counted. Needs
 * root and trafgen; ends with 1 when a packet was lost.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { readCaptures } from '../storage/captures.ts';
import { openForReading } from '../storage/database.ts';
import { allFilesOctets } from '../storage/partition-files.ts';
import { childrenOf, hasProgram, residentKib } from '../test/support/processes.ts';
import { cpuSeconds, ended, NSTAP, printTable, sleep } from './support.ts';
import {
  ADDRESS,
  buildLab,
  type End,
  listening,
  macOf,
  RECEIVER,
  removeLab,
  SENDER,
  sentBy,
} from './veth-lab.ts';

/** Seconds that one set of flows lasts. The next one has other addresses; the old flows time out. */
const ROUND_S = 30;
/** Flows of a set: by their source port. */
const PORTS = [2000, 4999] as const;
const PORT = 9000;
/** Of the packets 3 in 5 go from the sender to the receiver, the others are their answers. */
const FORWARD = 0.6;
const MINUTES_DEFAULT = 30;
const RATE_DEFAULT = 100_000;
/** The kernel speaks too (neighbours, router solicitations): by this filter only ours count. */
const FILTER = `udp port ${PORT}`;

const { values } = parseArgs({
  options: { minutes: { type: 'string' }, rate: { type: 'string' } },
});
const minutes = Number(values.minutes ?? MINUTES_DEFAULT);
const rate = Number(values.rate ?? RATE_DEFAULT);
if (!(minutes > 0 && rate > 0)) fail('--minutes and --rate take numbers above 0', 2);
if (process.getuid?.() !== 0) fail('the soak test needs root', 1);
if (!hasProgram('trafgen')) fail('trafgen is missing (package netsniff-ng)', 1);

/** Packets that trafgen was told to send in all. */
let told = 0;

const scratch = mkdtempSync(join(tmpdir(), 'nstap-soak-'));
chmodSync(scratch, 0o777);
const db = join(scratch, 'flows.db');
try {
  buildLab();
  await soak();
} finally {
  removeLab();
  rmSync(scratch, { recursive: true, force: true });
}

async function soak(): Promise<void> {
  const where = ['--netns', RECEIVER, '--interface', 'veth', '--filter', FILTER];
  // Every flow is to be found at the end, and a daemon that runs here already is not to be disturbed.
  const kept = ['--retain-size', 'off', '--retain-free', 'off', '--control', 'none'];
  const words = ['daemon', ...where, '--db', db, ...kept];
  const { child, log } = await listening([process.execPath, NSTAP, ...words], 'capture-opened');
  const rows: string[][] = [];
  const begin = performance.now();
  let sent = 0;
  let nextMinute = 0;
  const look = (): void => {
    const at = (performance.now() - begin) / 60_000;
    const [supervisor, engine] = [rssMib(child.pid!), ...childrenOf(child.pid!).map(rssMib)];
    const cpu = cpuSeconds(child.pid!);
    const row = [
      at.toFixed(1),
      mib(supervisor),
      mib(engine ?? Number.NaN),
      cpu.toFixed(0),
      mib(allFilesOctets(db) / 2 ** 20),
      `${sent}`,
    ];
    rows.push(row);
    process.stderr.write(`${row.join('  ')}\n`);
  };
  for (let round = 0; (performance.now() - begin) / 60_000 < minutes; round++) {
    const before = sentBy(SENDER) + sentBy(RECEIVER);
    const senders = [send(SENDER, RECEIVER, round), send(RECEIVER, SENDER, round)];
    for (const status of await Promise.all(senders.map(ended)))
      if (status !== 0) throw new Error(`trafgen ended with ${status}`);
    sent += sentBy(SENDER) + sentBy(RECEIVER) - before;
    if (child.exitCode !== null || child.signalCode !== null) throw new Error(`the daemon ended:\n${log()}`);
    if ((performance.now() - begin) / 60_000 >= nextMinute) {
      look();
      nextMinute += minutes > 5 ? 1 : 0.5;
    }
  }
  await sleep(2000);
  look();
  child.kill('SIGTERM');
  if ((await ended(child)) !== 0) throw new Error(`the daemon failed:\n${log()}`);
  printTable(['minute', 'supervisor MiB', 'engine MiB', 'CPU s', 'database MiB', 'sent'], rows);
  const database = openForReading(db);
  const captures = readCaptures(database);
  const flows = database.prepare('SELECT count(*) FROM flows').pluck().get();
  const metered = database.prepare('SELECT sum(packets_fwd + packets_rev) FROM flows').pluck().get();
  database.close();
  const packets = captures.reduce((sum, capture) => sum + capture.packets, 0);
  const drops = captures.reduce((sum, capture) => sum + capture.kernelDrops, 0);
  process.stdout.write(
    `sent ${told}, received ${packets}, dropped by the kernel ${drops}, in ${flows} flows ${metered}\n`,
  );
  if (packets !== told || metered !== told || drops !== 0) process.exitCode = 1;
}

function send(from: End, to: End, round: number): ChildProcess {
  const forward = from === SENDER;
  const share = Math.round(rate * (forward ? FORWARD : 1 - FORWARD));
  const host = `10.77.${1 + (round % 250)}.1`;
  const [src, dst] = forward ? [host, ADDRESS[RECEIVER]] : [ADDRESS[RECEIVER], host];
  const ports = `drnd(${PORTS[0]}, ${PORTS[1]})`;
  const packet =
    `{ eth(da=${macOf(to)}, sa=${macOf(from)}), ipv4(ttl=64, saddr=${src}, daddr=${dst}), ` +
    `udp(${forward ? `sport=${ports}, dport=${PORT}` : `sport=${PORT}, dport=${ports}`}), fill(0x41, 18) }`;
  told += share * ROUND_S;
  // -q: the kernel shows its packet sockets nothing of what goes around the queueing discipline.
  const words = ['-q', '-o', 'veth', '-P', '1', '-b', `${share}pps`, '-n', `${share * ROUND_S}`, packet];
  return spawn('ip', ['netns', 'exec', from, 'trafgen', ...words], { stdio: 'ignore' });
}

/** Resident memory of a process in MiB. */
function rssMib(pid: number): number {
  return residentKib(pid) / 1024;
}

function mib(value: number): string {
  return value.toFixed(0);
}

function fail(reason: string, status: number): never {
  process.stderr.write(`soak: ${reason}\n`);
  process.exit(status);
}
