import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { addressText } from '../support/file-flows.ts';
import type { WholeRecord } from '../support/meter.ts';

/** What is counted of each direction of a conversation, by the name that tshark has for it: `tcp.analysis.…`. */
export const ANALYSIS = [
  'retransmission',
  'fast_retransmission',
  'spurious_retransmission',
  'out_of_order',
  'zero_window',
  'duplicate_ack',
  'keep_alive',
  'lost_segment',
] as const;
export type Analysis = (typeof ANALYSIS)[number];

/** What a capture's TCP conversations show: by direction ("a port > b port"), a count for each of ANALYSIS. */
export interface TcpAnalysis {
  counts: Map<string, number[]>;
  /** Initial round trips in microseconds, in order of size, by endpoints ("a port b port", the smaller first). */
  rtts: Map<string, number[]>;
}

const FIELDS = ['frame.protocols', 'ip.src', 'ip.dst', 'ipv6.src', 'ipv6.dst', 'tcp.srcport', 'tcp.dstport'];
const OPTIONS = ['tcp.desegment_tcp_streams:FALSE', 'ip.defragment:FALSE', 'ipv6.defragment:FALSE'];

/** tshark's analysis of the TCP that is in the outermost IP header of each packet. */
export async function tsharkAnalysis(path: string): Promise<TcpAnalysis> {
  const fields = [
    ...FIELDS,
    'tcp.stream',
    ...ANALYSIS.map((name) => `tcp.analysis.${name}`),
    'tcp.analysis.initial_rtt',
  ];
  const { stdout } = await promisify(execFile)(
    'tshark',
    [
      ...['-n', '-r', path, '-Y', 'tcp', '-T', 'fields', '-E', 'occurrence=f'],
      ...OPTIONS.flatMap((option) => ['-o', option]),
      ...fields.flatMap((field) => ['-e', field]),
    ],
    { maxBuffer: 1 << 30 },
  ).catch((error: { stdout?: string }) => ({ stdout: error.stdout ?? '' }));
  const counts = new Map<string, number[]>();
  const streams = new Map<string, [string, number]>();
  for (const line of stdout.split('\n')) {
    const [protocols = '', src4, dst4, src6, dst6, sport, dport, stream, ...rest] = line.split('\t');
    if (!isOutermostTcp(protocols)) continue;
    const src = `${src4 || src6} ${sport}`;
    const dst = `${dst4 || dst6} ${dport}`;
    const row = counts.get(`${src} > ${dst}`) ?? new Array<number>(ANALYSIS.length).fill(0);
    for (let i = 0; i < ANALYSIS.length; i++) if (rest[i] !== '' && rest[i] !== undefined) row[i]!++;
    counts.set(`${src} > ${dst}`, row);
    const rtt = rest[ANALYSIS.length];
    if (rtt) streams.set(stream!, [pairOf(src, dst), Number(rtt) * 1e6]);
  }
  const rtts = new Map<string, number[]>();
  for (const [pair, rtt] of streams.values()) rtts.set(pair, [...(rtts.get(pair) ?? []), rtt]);
  return { counts, rtts };
}

/** Our analysis of the same packets. */
export function ourAnalysis(flows: readonly WholeRecord[]): TcpAnalysis {
  const counts = new Map<string, number[]>();
  const rtts = new Map<string, number[]>();
  for (const { tcp, packets, retransmits, outOfOrder, rttNs, src: from, dst: to } of flows) {
    if (tcp === null || from.endsWith(':0')) continue;
    const [src, dst] = [from, to].map(endpoint) as [string, string];
    for (const i of [0, 1] as const) {
      if (packets[i] === 0) continue;
      const key = i === 0 ? `${src} > ${dst}` : `${dst} > ${src}`;
      const row = counts.get(key) ?? new Array<number>(ANALYSIS.length).fill(0);
      const more = [
        retransmits[i],
        tcp.fast[i],
        tcp.spurious[i],
        outOfOrder[i],
        tcp.zeroWindows[i],
        tcp.dupAcks[i],
        tcp.keepAlives[i],
        tcp.lost[i],
      ];
      counts.set(
        key,
        row.map((n, k) => n + more[k]!),
      );
    }
    if (rttNs >= 0) {
      const pair = pairOf(src, dst);
      rtts.set(pair, [...(rtts.get(pair) ?? []), rttNs / 1000]);
    }
  }
  return { counts, rtts };
}

/** A way in which the two differ: what, of which direction, ours and tshark's. */
export interface AnalysisDifference {
  what: Analysis | 'initial_rtt';
  key: string;
  got: number | null;
  want: number | null;
}

/** Every count that differs, and every initial round trip that differs by more than a microsecond. */
export function compareAnalysis(ours: TcpAnalysis, theirs: TcpAnalysis): AnalysisDifference[] {
  const found: AnalysisDifference[] = [];
  for (const key of new Set([...ours.counts.keys(), ...theirs.counts.keys()])) {
    const got = ours.counts.get(key);
    const want = theirs.counts.get(key);
    for (const [i, what] of ANALYSIS.entries()) {
      if ((got?.[i] ?? 0) !== (want?.[i] ?? 0))
        found.push({ what, key, got: got?.[i] ?? null, want: want?.[i] ?? null });
    }
  }
  for (const key of new Set([...ours.rtts.keys(), ...theirs.rtts.keys()])) {
    const got = (ours.rtts.get(key) ?? []).toSorted((a, b) => a - b);
    const want = (theirs.rtts.get(key) ?? []).toSorted((a, b) => a - b);
    for (let i = 0; i < Math.max(got.length, want.length); i++) {
      const isSame = got[i] !== undefined && want[i] !== undefined && Math.abs(got[i]! - want[i]!) < 1;
      if (!isSame) found.push({ what: 'initial_rtt', key, got: got[i] ?? null, want: want[i] ?? null });
    }
  }
  return found;
}

/** Whether TCP is in the outermost IP header. @param protocols tshark's `frame.protocols` */
export function isOutermostTcp(protocols: string): boolean {
  return /^(?:(?!ipv?6?(?=:)).)*?\bipv?6?(?::ipv6\.\w+)*:tcp/.test(protocols);
}

/** An endpoint of a record as tshark has it, address and port parted by a space. */
export function endpoint(text: string): string {
  const at = text.lastIndexOf(':');
  return `${addressText(text.slice(0, at))} ${text.slice(at + 1)}`;
}

/** Two endpoints in one order. */
export function pairOf(a: string, b: string): string {
  return a < b ? `${a} ${b}` : `${b} ${a}`;
}

/** The flows between the endpoints of a difference's key. */
export function flowsOfPair(flows: readonly WholeRecord[], key: string): WholeRecord[] {
  const [a, aPort, b, bPort] = key.replace(' >', '').split(' ');
  const pair = pairOf(`${a} ${aPort}`, `${b} ${bPort}`);
  return flows.filter(({ src, dst }) => pairOf(endpoint(src), endpoint(dst)) === pair);
}
