import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { formatAddress } from '../../decoders/address.ts';
import { IpProto } from '../../decoders/packet-fields.ts';
import { EXCEPTIONS } from '../corpus/exceptions.ts';
import { CORPUS, corpusFiles, corpusMissing, type Tally, tally } from './corpus.ts';

interface Truth {
  tshark_error?: string;
  read_error?: string;
  linktypes?: number[];
  arp_packets?: number;
  outer: Record<string, number> & { bad_ip_header: number };
  conversations_truncated?: boolean;
  conversations?: Conversation[];
  [key: string]: unknown;
}

/** A row of the truth's conversations: `a` is the sender of the first packet. */
interface Conversation {
  proto: number;
  a: string;
  ap: number | null;
  b: string;
  bp: number | null;
  pkts_ab: number;
  pkts_ba: number;
  bytes_ab: number;
  bytes_ba: number;
  ip_bytes_ab: number;
  ip_bytes_ba: number;
  flags_ab: number | null;
  flags_ba: number | null;
}

const READING = ['packets', 'bytes', 'captured_bytes', 'truncated_packets', 'packets_without_ts'] as const;
const TIMES = ['first_ts', 'last_ts'] as const;
const OUTER = [
  'ipv4',
  'ipv6',
  'tcp',
  'udp',
  'sctp',
  'icmp',
  'icmpv6',
  'fragments',
  'nonfirst_fragments',
  'no_ports',
  'ah',
] as const;

/** Files whose broken IP headers tshark counts as IPv6; all others are IPv4. */
const BAD_IPV6 = ['tcpdump/ipv6_39_byte_header.pcap', 'tcpdump/ipv6_invalid_length.pcap'];

/** Names of everything in which our reading differs from the truth. */
function differences(file: string, truth: Truth, ours: Tally): string[] {
  if (truth.tshark_error !== undefined) return ours.error === null ? ['error'] : [];
  const wrong: string[] = [];
  const compare = (name: string, got: unknown, want: unknown) => {
    if (JSON.stringify(got) !== JSON.stringify(want)) wrong.push(name);
  };
  compare('error', ours.error !== null, truth.read_error !== undefined);
  for (const name of READING) compare(name, ours[name], truth[name]);
  for (const name of TIMES) compare(name, ours[name], truth[name]);
  const bad = truth.outer.bad_ip_header;
  const badName = BAD_IPV6.includes(file) ? 'ipv6' : 'ipv4';
  // An IP header that cannot be read is undecoded here; tshark counts it under its carrier's version.
  for (const name of OUTER) compare(name, ours[name], truth.outer[name]! - (name === badName ? bad : 0));
  if (bad > ours.undecoded) wrong.push('undecoded');
  compare('arp', ours.arp, truth.arp_packets);
  if (!wrong.includes('ipv4')) compare('by_proto', ours.by_proto, truth.outer.by_proto);
  if (truth.linktypes !== undefined)
    compare('linktypes', [...new Set(ours.interfaces.map((info) => info.linkType))], truth.linktypes);
  compare('sum', ours.ipv4 + ours.ipv6 + ours.arp + ours.other + ours.undecoded, ours.packets);
  return wrong;
}

const PORT_PROTOCOLS: readonly number[] = [
  IpProto.TCP,
  IpProto.UDP,
  IpProto.SCTP,
  IpProto.DCCP,
  IpProto.UDPLITE,
];

/** Two-way conversations of the outermost IP header, as TRUTH.md defines them. */
async function conversations(path: string): Promise<Conversation[]> {
  const rows = new Map<string, Conversation>();
  await tally(path, (f, view) => {
    if (f.ipVersion === 0 || f.fragOff !== 0) return;
    const withPorts = PORT_PROTOCOLS.includes(f.ipProto);
    if (withPorts && !f.hasPorts) return;
    const octets = new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
    const version = f.ipVersion === 4 ? 4 : 6;
    const src = formatAddress(octets, f.srcOff, version);
    const dst = formatAddress(octets, f.dstOff, version);
    const [sp, dp] = withPorts ? [f.srcPort, f.dstPort] : [null, null];
    const backward = rows.get(`${f.ipProto} ${dst} ${dp} ${src} ${sp}`);
    const key = `${f.ipProto} ${src} ${sp} ${dst} ${dp}`;
    const isBackward = backward !== undefined && !rows.has(key);
    let row = rows.get(key) ?? backward;
    if (row === undefined) {
      const flags = f.ipProto === IpProto.TCP ? 0 : null;
      row = {
        ...{
          proto: f.ipProto,
          a: src,
          ap: sp,
          b: dst,
          bp: dp,
          pkts_ab: 0,
          pkts_ba: 0,
          bytes_ab: 0,
          bytes_ba: 0,
        },
        ...{ ip_bytes_ab: 0, ip_bytes_ba: 0, flags_ab: flags, flags_ba: flags },
      };
      rows.set(key, row);
    }
    const side = isBackward ? 'ba' : 'ab';
    row[`pkts_${side}`]++;
    row[`bytes_${side}`] += f.wireLen;
    row[`ip_bytes_${side}`] += f.ipLen;
    const flags = row[`flags_${side}`];
    if (flags !== null) row[`flags_${side}`] = flags | f.tcpFlags;
  });
  return [...rows.values()];
}

function conversationText(row: Conversation): string {
  const flags = [row.flags_ab, row.flags_ba].map((value) => (value === null ? null : value & 0xff));
  return JSON.stringify([
    ...[row.proto, row.a, row.ap, row.b, row.bp, row.pkts_ab, row.pkts_ba, row.bytes_ab, row.bytes_ba],
    ...[row.ip_bytes_ab, row.ip_bytes_ba, ...flags],
  ]);
}

describe.skipIf(corpusMissing !== null)(
  `every development capture${corpusMissing === null ? '' : ` (${corpusMissing})`}`,
  () => {
    const files = corpusFiles();

    it.each(files)('%s agrees with tshark', async (file) => {
      const truth: Truth = JSON.parse(readFileSync(join(CORPUS, 'truth', `${file}.json`), 'utf8'));
      const ours = await tally(join(CORPUS, file));
      expect(differences(file, truth, ours).sort()).toEqual((EXCEPTIONS[file]?.decoder ?? []).toSorted());
      if (ours.error !== null) {
        expect(ours.error.file).toContain(file);
        expect(ours.error.reason).not.toBe('');
      }
    });

    it('has the conversations that tshark finds: addresses, ports, lengths, flags, direction', async () => {
      let compared = 0;
      for (const file of files) {
        const truth: Truth = JSON.parse(readFileSync(join(CORPUS, 'truth', `${file}.json`), 'utf8'));
        if (truth.conversations === undefined || file in EXCEPTIONS) continue;
        const ours = await conversations(join(CORPUS, file));
        const wanted = truth.conversations.map(conversationText);
        const got = ours.map(conversationText);
        if (!truth.conversations_truncated) expect([file, got.toSorted()]).toEqual([file, wanted.toSorted()]);
        else for (const row of wanted) expect([file, got.includes(row)]).toEqual([file, true]);
        compared += wanted.length;
      }
      expect(compared).toBeGreaterThan(1000);
    });

    it('is there, and the exceptions are few and each a file', () => {
      expect(files.length).toBeGreaterThan(200);
      for (const file of Object.keys(EXCEPTIONS)) expect(files).toContain(file);
    });
  },
);

if (corpusMissing !== null)
  it('needs the development captures', (context) => {
    context.skip(String(corpusMissing));
  });
