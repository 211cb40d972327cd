import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { protocolName } from '../../storage/protocols.ts';
import { addressText, flowsOf } from '../support/file-flows.ts';
import type { TestTcp, WholeRecord } from '../support/meter.ts';
import { corpus } from '../support/truth.ts';

/** Where the texts lie: a file a capture, of the same name and `.txt`. */
export const BASELINES = fileURLToPath(new URL('flows/', import.meta.url));
/** Flows that a text lists; of the others it has the sums. */
const LISTED = 60;

const FIXTURES = fileURLToPath(new URL('../../fixtures/pcap/', import.meta.url));

/** Every capture that has a text: our own, and the shared ones where they are. */
export function captures(): { name: string; path: string; isShared: boolean }[] {
  const own = readdirSync(FIXTURES, { recursive: true, encoding: 'utf8' })
    .filter((name) => /\.pcap(ng)?$/.test(name))
    .sort()
    .map((name) => ({ name: `fixtures/${name}`, path: join(FIXTURES, name), isShared: false }));
  const shared = corpus().map(({ name, path }) => ({ name: `shared/${name}`, path, isShared: true }));
  return [...own, ...shared];
}

/**
 * The flows of a capture as text, as Zeek's conn.log has them: a line a flow in the order of their first packets, columns
 * parted by a space. The first line says of every packet where it went: README.md beside this file.
 */
export async function baselineText(path: string): Promise<string> {
  const { flows, packets, ipPackets, besides, truncated, fragments, error } = await flowsOf(path);
  const counts = Object.entries({ ...besides, truncated, fragments }).filter(([, n]) => n > 0);
  const lines = [
    [`# ${packets} packets, ${ipPackets} in ${flows.length} flows`, ...counts.map((c) => c.join('='))].join(
      ' ',
    ),
  ];
  if (error !== null) lines.push(`# ${error.slice(error.indexOf(': ') + 2)}`);
  const begin = flows[0]?.start ?? '0.000000000';
  if (flows.length > 0) {
    lines.push(`# first ${begin}`);
    lines.push('# ts duration proto orig resp state history pkts bytes payload end more');
  }
  for (const flow of flows.slice(0, LISTED)) lines.push(flowLine(flow, begin));
  if (flows.length > LISTED) lines.push(restLine(flows.slice(LISTED)));
  return `${lines.join('\n')}\n`;
}

function flowLine(flow: WholeRecord, begin: string): string {
  const { seq: _, ...f } = flow;
  return [
    difference(begin, f.start),
    difference(f.start, f.end),
    protocolName(f.proto),
    endpoint(f.src),
    endpoint(f.dst),
    f.state ?? '-',
    f.history || '-',
    f.packets.join('/'),
    f.bytes.join('/'),
    f.payload.join('/'),
    f.reason,
    ...more(f),
  ].join(' ');
}

function endpoint(text: string): string {
  const [address, port] = text.split(':') as [string, string | undefined];
  const name = address.length === 32 ? `[${addressText(address)}]` : address;
  return port === undefined ? name : `${name}:${port}`;
}

/** What is not nothing, by name. */
function more(f: Omit<WholeRecord, 'seq'>): string[] {
  const found: string[] = [];
  const pair = (name: string, [fwd, rev]: [number, number], none = 0): void => {
    if (fwd !== none || rev !== none) found.push(`${name}=${fwd}/${rev}`);
  };
  if (f.capture > 0) found.push(`capture=${f.capture}`);
  if (f.vlan.length > 0) found.push(`vlan=${f.vlan.join('/')}`);
  if (f.tcp === null) return found;
  if (f.guessed) found.push('guessed');
  if (f.rttNs >= 0) found.push(`rtt=${f.rttNs}`);
  const t: TestTcp = f.tcp;
  if (t.seqBytes[0] !== f.payload[0] || t.seqBytes[1] !== f.payload[1]) pair('seq', t.seqBytes);
  pair('missed', t.missed);
  pair('rexmit', f.retransmits);
  pair('fast', t.fast);
  pair('spurious', t.spurious);
  pair('ooo', f.outOfOrder);
  pair('dup', t.dupAcks);
  pair('lost', t.lost);
  pair('keep', t.keepAlives);
  pair('zero', t.zeroWindows);
  pair('mss', t.mss);
  pair('scale', t.scale, 15);
  return found;
}

/** Sums over the flows that are not listed, and how many there are of each protocol and state. */
function restLine(flows: readonly WholeRecord[]): string {
  const sum = (of: (f: WholeRecord) => number): number => flows.reduce((n, f) => n + of(f), 0);
  const kinds = new Map<string, number>();
  for (const f of flows) {
    const kind = `${protocolName(f.proto)}:${f.state}`;
    kinds.set(kind, (kinds.get(kind) ?? 0) + 1);
  }
  const byKind = [...kinds].sort().map(([kind, n]) => `${kind}=${n}`);
  return [
    `+ ${flows.length} flows`,
    `pkts=${sum((f) => f.packets[0])}/${sum((f) => f.packets[1])}`,
    `bytes=${sum((f) => f.bytes[0])}/${sum((f) => f.bytes[1])}`,
    `rexmit=${sum((f) => f.retransmits[0] + f.retransmits[1])}`,
    ...byKind,
  ].join(' ');
}

/** Seconds between two times with nine decimals, with six. */
function difference(from: string, to: string): string {
  const [a, b] = [from, to].map((time) => {
    const [sec, nsec] = time.split('.');
    return BigInt(sec!) * 1_000_000_000n + BigInt(nsec!);
  }) as [bigint, bigint];
  const micros = (b - a) / 1000n;
  const text = (micros < 0n ? -micros : micros).toString().padStart(7, '0');
  return `${micros < 0n ? '-' : ''}${text.slice(0, -6)}.${text.slice(-6)}`;
}
