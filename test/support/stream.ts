import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { pcapFile } from '../decoders/savefile-build.ts';
import { frame } from './frames.ts';
import { MAIN } from './nstap.ts';

/** Octets of a packet on the wire, and packets in the piece that is sent over and over. */
const PAYLOAD = 1000;
const PIECE_PACKETS = 1000;

/** A process's memory in MiB. */
export interface Memory {
  /** Octets sent to it so far. */
  sent: number;
  rssMib: number;
  peakMib: number;
}

/** What a replay of a stream said and took. */
export interface StreamResult {
  samples: Memory[];
  packets: number;
  totals: { packets: number; flows: number; undecoded: number; errors: unknown[] };
  seconds: number;
}

/** The records that are repeated: so many UDP packets of as many flows. */
export function streamPiece(): { header: Buffer; records: Buffer } {
  const file = pcapFile(
    Array.from({ length: PIECE_PACKETS }, (_, i) => ({
      sec: 1_790_000_000,
      fraction: i,
      data: frame({ proto: 'udp', src: `10.0.${i >> 8}.${i & 255}`, payload: PAYLOAD }),
    })),
  );
  return { header: file.subarray(0, 24), records: file.subarray(24) };
}

/**
 * Sends a pcap stream to `nstap replay --json -` and samples its memory.
 * @param octets length of the stream, about
 * @param at     octets sent at which a sample is taken
 * @param pack   what the stream goes through first: a program that compresses
 */
export async function replayStream(
  db: string,
  octets: number,
  at: readonly number[],
  pack?: readonly [string, ...string[]],
): Promise<StreamResult> {
  const start = performance.now();
  const child = spawn(process.execPath, [MAIN, 'replay', '--json', '--db', db, '-'], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text;
  });
  const packer =
    pack === undefined ? null : spawn(pack[0], pack.slice(1), { stdio: ['pipe', 'pipe', 'inherit'] });
  packer?.stdout.pipe(child.stdin);
  const to = (packer ?? child).stdin;
  const { header, records } = streamPiece();
  to.write(header);
  const samples: Memory[] = [];
  const wanted = [...at];
  let packets = 0;
  let sent = header.length;
  while (sent < octets) {
    if (!to.write(records)) await once(to, 'drain');
    sent += records.length;
    packets += PIECE_PACKETS;
    if (wanted.length > 0 && sent >= wanted[0]!) {
      wanted.shift();
      samples.push(memory(child, sent));
    }
  }
  to.end();
  await once(child, 'close');
  return { samples, packets, totals: JSON.parse(output), seconds: (performance.now() - start) / 1000 };
}

function memory(child: ChildProcess, sent: number): Memory {
  const status = readFileSync(`/proc/${child.pid}/status`, 'utf8');
  const mib = (name: string): number =>
    Math.round(Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(status)![1]) / 1024);
  return { sent, rssMib: mib('VmRSS'), peakMib: mib('VmHWM') };
}
