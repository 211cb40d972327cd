import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { IpProto } from '../../decoders/packet-fields.ts';
import { SavefileReader } from '../../decoders/savefile.ts';
import { IP_FIELDS, outerOf, type TsharkFrame, tsharkFrame } from '../support/outer-ip.ts';
import type { Conversation, TruthFile } from '../support/truth.ts';

/** What tshark is asked of each frame; all occurrences, outermost first. */
const FIELDS = [
  'frame.time_epoch',
  'frame.len',
  'frame.cap_len',
  ...IP_FIELDS,
  'tcp.srcport',
  'tcp.dstport',
  'tcp.flags',
  'udp.srcport',
  'udp.dstport',
  'sctp.srcport',
  'sctp.dstport',
  'dccp.srcport',
  'dccp.dstport',
] as const;
type Field = (typeof FIELDS)[number];
type Frame = TsharkFrame<Field>;

const PREFERENCES = ['ip.defragment:FALSE', 'ipv6.defragment:FALSE', 'tcp.desegment_tcp_streams:FALSE'];
const PORTS: Readonly<Record<number, 'tcp' | 'udp' | 'sctp' | 'dccp'>> = {
  [IpProto.TCP]: 'tcp',
  [IpProto.UDP]: 'udp',
  [IpProto.UDPLITE]: 'udp',
  [IpProto.SCTP]: 'sctp',
  [IpProto.DCCP]: 'dccp',
};
const CONVERSATIONS_MAX = 500;
const CONVERSATIONS_LISTED = 200;

/** Writes `truth/NAME.json` for every file of a folder, by tshark, in the form that TRUTH.md describes. @returns their number */
export async function makeTruth(folder: string): Promise<number> {
  const names = readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
    .filter((name) => !name.startsWith('truth/'));
  for (const name of names) {
    const to = join(folder, 'truth', `${name}.json`);
    mkdirSync(dirname(to), { recursive: true });
    writeFileSync(to, `${JSON.stringify(await truthOf(join(folder, name)), null, 1)}\n`);
  }
  return names.length;
}

/** tshark's reading of one capture. */
export async function truthOf(path: string): Promise<TruthFile | { tshark_error: string }> {
  const words = [...PREFERENCES.flatMap((each) => ['-o', each]), ...FIELDS.flatMap((field) => ['-e', field])];
  const run = spawnSync(
    'tshark',
    ['-n', '-r', path, '-T', 'fields', '-E', 'occurrence=a', '-E', 'aggregator=,', ...words],
    { encoding: 'utf8', maxBuffer: 1 << 30 },
  );
  const complaint = run.stderr.replace(/^Running as user "root".*\n/m, '').trim();
  const frames = run.stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => tsharkFrame(FIELDS, line));
  if (frames.length === 0 && run.status !== 0) return { tshark_error: complaint };
  const truth = totals(frames);
  if (run.status !== 0) truth.read_error = complaint;
  const linktypes = await linkTypes(path);
  return linktypes.length > 0 ? { ...truth, linktypes } : truth;
}

async function linkTypes(path: string): Promise<number[]> {
  const found: number[] = [];
  try {
    using reader = new SavefileReader(path, {
      onInterface: ({ linkType }) => {
        if (!found.includes(linkType)) found.push(linkType);
      },
      onPacket() {},
    });
    while (await reader.next());
  } catch {
    // What is wrong with the file is tshark's to say.
  }
  return found;
}

/** Seconds with nine decimals as [seconds, nanoseconds]; null where there is no proper time. */
function instant(frame: Frame): [number, number] | null {
  const match = /^(-?\d+)\.(\d{9})$/.exec(frame['frame.time_epoch'][0] ?? '');
  return match === null ? null : [Number(match[1]), Number(match[2])];
}

function isBefore(a: [number, number], b: [number, number]): boolean {
  return a[0] < b[0] || (a[0] === b[0] && a[1] < b[1]);
}

/** Times of a conversation are the smallest and the largest. */
function widen(c: Conversation, at: [number, number]): void {
  const [first, last] = [c.first_ts, c.last_ts].map(
    (time) => time.split('.').map(Number) as [number, number],
  );
  if (c.first_ts === '' || isBefore(at, first!)) c.first_ts = text(at);
  if (c.last_ts === '' || isBefore(last!, at)) c.last_ts = text(at);
}

const text = (at: [number, number]): string => `${at[0]}.${String(at[1]).padStart(9, '0')}`;

function totals(frames: readonly Frame[]): TruthFile {
  const outer = {
    ipv4: 0,
    ipv6: 0,
    tcp: 0,
    udp: 0,
    sctp: 0,
    icmp: 0,
    icmpv6: 0,
    fragments: 0,
    nonfirst_fragments: 0,
    bad_ip_header: 0,
    no_ports: 0,
  };
  const names: Readonly<Record<number, 'tcp' | 'udp' | 'sctp' | 'icmp' | 'icmpv6'>> = {
    [IpProto.TCP]: 'tcp',
    [IpProto.UDP]: 'udp',
    [IpProto.SCTP]: 'sctp',
    [IpProto.ICMP]: 'icmp',
    [IpProto.ICMPV6]: 'icmpv6',
  };
  const conversations = new Map<string, Conversation>();
  const groups = new Map<
    string,
    { src: string; dst: string; proto: number; packets: number; bytes: number; ip_bytes: number }
  >();
  const truth = {
    packets: 0,
    bytes: 0,
    truncated_packets: 0,
    ts_invalid: 0,
    ts_out_of_order: 0,
    packets_without_ts: 0,
    arp_packets: 0,
  };
  let first: [number, number] | null = null;
  let last: [number, number] | null = null;
  let before: [number, number] | null = null;
  for (const frame of frames) {
    truth.packets++;
    const length = Number(frame['frame.len'][0]);
    truth.bytes += length;
    if (Number(frame['frame.cap_len'][0]) < length) truth.truncated_packets++;
    const at = instant(frame);
    if (at === null && frame['frame.time_epoch'].length > 0) truth.ts_invalid++;
    else if (at === null) truth.packets_without_ts++;
    else {
      if (before !== null && isBefore(at, before)) truth.ts_out_of_order++;
      before = at;
      if (first === null || isBefore(at, first)) first = at;
      if (last === null || isBefore(last, at)) last = at;
    }
    if (/(^|:)arp(:|$)/.test(frame['frame.protocols'][0] ?? '')) truth.arp_packets++;
    const ip = outerOf(frame);
    if (ip === null) continue;
    if (ip === 'bad') {
      outer.bad_ip_header++;
      outer[
        frame['frame.protocols'][0]!.split(':').find((name) => name === 'ip' || name === 'ipv6') === 'ip'
          ? 'ipv4'
          : 'ipv6'
      ]++;
      continue;
    }
    outer[ip.version === 4 ? 'ipv4' : 'ipv6']++;
    const name = names[ip.proto];
    if (name !== undefined) outer[name]++;
    if (ip.isFragment) outer.fragments++;
    if (ip.isLater) {
      outer.nonfirst_fragments++;
      const key = `${ip.src} ${ip.dst} ${ip.proto}`;
      const group = groups.get(key) ?? {
        src: ip.src,
        dst: ip.dst,
        proto: ip.proto,
        packets: 0,
        bytes: 0,
        ip_bytes: 0,
      };
      groups.set(key, group);
      group.packets++;
      group.bytes += length;
      group.ip_bytes += ip.ipLen;
      continue;
    }
    const carrier = PORTS[ip.proto];
    const ports =
      carrier === undefined
        ? null
        : ([frame[`${carrier}.srcport`][0], frame[`${carrier}.dstport`][0]] as const);
    if (ports !== null && (ports[0] === undefined || ports[1] === undefined)) {
      outer.no_ports++;
      continue;
    }
    const [sport, dport] = ports === null ? [null, null] : [Number(ports[0]), Number(ports[1])];
    const here = `${ip.src} ${sport}`;
    const there = `${ip.dst} ${dport}`;
    const key = `${ip.proto} ${here < there ? `${here} ${there}` : `${there} ${here}`}`;
    let c = conversations.get(key);
    if (c === undefined) {
      const flags = ip.proto === IpProto.TCP ? 0 : null;
      const time = at === null ? '' : text(at);
      c = {
        proto: ip.proto,
        a: ip.src,
        ap: sport,
        b: ip.dst,
        bp: dport,
        pkts_ab: 0,
        pkts_ba: 0,
        bytes_ab: 0,
        bytes_ba: 0,
        ip_bytes_ab: 0,
        ip_bytes_ba: 0,
        flags_ab: flags,
        flags_ba: flags,
        first_ts: time,
        last_ts: time,
      };
      conversations.set(key, c);
    }
    const way = c.a === ip.src && c.ap === sport ? 'ab' : 'ba';
    c[`pkts_${way}`]++;
    c[`bytes_${way}`] += length;
    c[`ip_bytes_${way}`] += ip.ipLen;
    if (ip.proto === IpProto.TCP) c[`flags_${way}`]! |= Number(frame['tcp.flags'][0] ?? 0);
    if (at !== null) widen(c, at);
  }
  const all = [...conversations.values()];
  const isCut = all.length > CONVERSATIONS_MAX;
  const bytesOf = (c: Conversation): number => c.bytes_ab + c.bytes_ba;
  return {
    ...truth,
    first_ts: first === null ? null : text(first),
    last_ts: last === null ? null : text(last),
    outer,
    conversation_totals: {
      packets: all.reduce((sum, c) => sum + c.pkts_ab + c.pkts_ba, 0),
      bytes: all.reduce((sum, c) => sum + bytesOf(c), 0),
      ip_bytes: all.reduce((sum, c) => sum + c.ip_bytes_ab + c.ip_bytes_ba, 0),
    },
    conversations_truncated: isCut,
    conversations: isCut ? all.sort((a, b) => bytesOf(b) - bytesOf(a)).slice(0, CONVERSATIONS_LISTED) : all,
    nonfirst_fragment_groups: [...groups.values()].slice(0, 200),
  };
}
