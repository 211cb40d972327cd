import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { openForReading } from '../storage/database.ts';
import { ended, sleep } from './support.ts';

const PORT = 29_995;
/** Octets of a message; UDP over loopback takes some more. */
const MESSAGE = 60_000;
/** Octets that may wait in the socket of nfcapd; more would be lost. */
const WAITING_MAX = 1_000_000;
const TEMPLATES = { 4: 256, 6: 257 } as const;

/** Information elements of IPFIX, RFC 7012, and their octets: times in milliseconds, totals of both directions. */
const FIELDS = (version: 4 | 6): [id: number, octets: number][] => [
  [152, 8],
  [153, 8],
  [1, 8],
  [2, 8],
  [version === 4 ? 8 : 27, version === 4 ? 4 : 16],
  [version === 4 ? 12 : 28, version === 4 ? 4 : 16],
  [7, 2],
  [11, 2],
  [4, 1],
  [6, 1],
];

type Row = [
  start: number,
  end: number,
  bytes: number,
  packets: number,
  src: Buffer,
  dst: Buffer,
  sport: number,
  dport: number,
  proto: number,
  flags: number,
];

/**
 * The flows of a database as a file of nfdump, written by nfcapd from IPFIX over loopback: one record a flow, with the octets and
 * packets of both directions. A file that is there is taken as it is.
 * @returns its path
 */
export async function exportToNfdump(path: string, folder: string): Promise<string> {
  mkdirSync(folder, { recursive: true });
  const before = captured(folder);
  if (before !== null) return before;
  const nfcapd = spawn(
    'nfcapd',
    ['-w', folder, '-p', String(PORT), '-b', '127.0.0.1', '-t', '86000', '-B', '8000000'],
    {
      stdio: 'ignore',
    },
  );
  try {
    await sleep(500);
    await sendFlows(path);
    while (waiting() > 0) await sleep(50);
  } finally {
    await stop(nfcapd);
  }
  const file = captured(folder);
  if (file === null) throw new Error(`nfcapd wrote no file in ${folder}`);
  return file;
}

/** The flows, packets and octets in a file of nfdump. */
export function nfdumpTotals(file: string): { flows: number; packets: number; bytes: number } {
  const text = execFileSync('nfdump', ['-r', file, '-I'], { encoding: 'utf8' });
  const number = (name: string): number => Number(new RegExp(`^${name}: (\\d+)`, 'm').exec(text)?.[1]);
  return { flows: number('Flows'), packets: number('Packets'), bytes: number('Bytes') };
}

function captured(folder: string): string | null {
  const name = readdirSync(folder).find((each) => /^nfcapd\.\d+$/.test(each));
  return name === undefined ? null : join(folder, name);
}

async function stop(nfcapd: ChildProcess): Promise<void> {
  nfcapd.kill('SIGTERM');
  await ended(nfcapd);
}

/** Octets that wait in the socket of nfcapd, and a throw when any message was lost. proc_net_udp */
function waiting(): number {
  const port = PORT.toString(16).toUpperCase().padStart(4, '0');
  const line = readFileSync('/proc/net/udp', 'latin1')
    .split('\n')
    .find((each) => each.includes(`:${port} 00000000:0000`));
  if (line === undefined) throw new Error('nfcapd does not listen');
  const words = line.trim().split(/\s+/);
  if (Number(words.at(-1)) > 0) throw new Error('nfcapd lost messages');
  return Number.parseInt(words[4]!.split(':')[1]!, 16);
}

async function sendFlows(path: string): Promise<void> {
  const socket = createSocket('udp4');
  const db = openForReading(path);
  try {
    const rows = db
      .prepare<[], Row>(
        `SELECT start_ns / 1000000, end_ns / 1000000, bytes_fwd + bytes_rev, packets_fwd + packets_rev, src, dst,
                coalesce(src_port, 0), coalesce(dst_port, 0), proto, coalesce(tcp_flags_fwd | tcp_flags_rev, 0) FROM flows`,
      )
      .raw();
    const messages = { 4: new Message(4), 6: new Message(6) };
    const send = async (message: Message): Promise<void> => {
      while (waiting() > WAITING_MAX) await sleep(1);
      await sent(socket, message.take());
    };
    for (const row of rows.iterate()) {
      const message = messages[row[4].length === 4 ? 4 : 6];
      message.add(row);
      if (message.isFull) await send(message);
    }
    await send(messages[4]);
    await send(messages[6]);
  } finally {
    db.close();
    socket.close();
    await once(socket, 'close');
  }
}

function sent(socket: Socket, octets: Buffer): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.send(octets, PORT, '127.0.0.1', (error) => (error ? reject(error) : resolve()));
  });
}

/** A message of IPFIX with its template and the records of one IP version. RFC 7011 §3 */
class Message {
  readonly #buffer = Buffer.alloc(MESSAGE + 200);
  readonly #version: 4 | 6;
  readonly #dataOff: number;
  #off: number;
  #sequence = 0;
  #count = 0;

  constructor(version: 4 | 6) {
    this.#version = version;
    const fields = FIELDS(version);
    let off = 16;
    const put = (value: number): void => {
      off = this.#buffer.writeUInt16BE(value, off);
    };
    put(2);
    put(8 + fields.length * 4);
    put(TEMPLATES[version]);
    put(fields.length);
    for (const [id, octets] of fields) {
      put(id);
      put(octets);
    }
    this.#dataOff = off;
    this.#off = off + 4;
  }

  get isFull(): boolean {
    return this.#off > MESSAGE;
  }

  add([start, end, bytes, packets, src, dst, sport, dport, proto, flags]: Row): void {
    const b = this.#buffer;
    let off = this.#off;
    for (const value of [start, end, bytes, packets]) {
      b.writeUInt32BE(Math.floor(value / 2 ** 32), off);
      off = b.writeUInt32BE(value >>> 0, off + 4);
    }
    off += src.copy(b, off);
    off += dst.copy(b, off);
    off = b.writeUInt16BE(sport, off);
    off = b.writeUInt16BE(dport, off);
    b[off++] = proto;
    b[off++] = flags;
    this.#off = off;
    this.#count++;
  }

  /** The message; valid until the next record is added. */
  take(): Buffer {
    const b = this.#buffer;
    const octets = b.subarray(0, this.#off);
    b.writeUInt16BE(10, 0);
    b.writeUInt16BE(this.#off, 2);
    b.writeUInt32BE(Math.floor(Date.now() / 1000), 4);
    b.writeUInt32BE(this.#sequence, 8);
    b.writeUInt32BE(this.#version, 12); // an observation domain each, for sequence numbers of its own
    b.writeUInt16BE(TEMPLATES[this.#version], this.#dataOff);
    b.writeUInt16BE(this.#off - this.#dataOff, this.#dataOff + 2);
    this.#sequence += this.#count;
    this.#count = 0;
    this.#off = this.#dataOff + 4;
    return octets;
  }
}

/** True when both programs are there. */
export function hasNfdump(): boolean {
  return ['nfcapd', 'nfdump'].every((name) => existsSync(`/usr/bin/${name}`));
}
