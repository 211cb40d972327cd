import { createRequire } from 'node:module';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { formatAddress, formatMac } from '../../decoders/address.ts';
import { ETH_P_IP, ETH_P_IPV6 } from '../../decoders/ethertype.ts';
import { LinkType } from '../../decoders/link-types.ts';
import { IpProto, type PacketFields, TcpFlag } from '../../decoders/packet-fields.ts';
import { SavefileReader } from '../../decoders/savefile.ts';
import { SavefileError } from '../../decoders/savefile-error.ts';
import { Status } from '../../decoders/status.ts';
import { CORPUS, corpusFiles, corpusMissing, tally } from './corpus.ts';

const require = createRequire(import.meta.url);

interface CapHeader {
  info: Record<string, unknown>;
  offset: number;
}
type CapDecoder = (bytes: Buffer, offset: number) => CapHeader;
/** The decoders of `cap` (npm), plain JavaScript: its compiled part is not touched. */
const Cap = require('cap/lib/Decoders.js') as Record<
  'Ethernet' | 'IPV4' | 'IPV6' | 'TCP' | 'UDP',
  CapDecoder
>;

interface ParserEvents {
  on(event: 'packet', take: (packet: { header: Record<string, number>; data: Buffer }) => void): this;
  on(event: 'error' | 'end', take: (error: Error) => void): this;
}
const { parse } = require('pcap-parser') as { parse: (path: string) => ParserEvents };

/** What both decoders say of a packet. */
type Reading = Record<string, unknown>;

const absent = corpusMissing === null ? '' : ` (${corpusMissing})`;

/** Whether `cap` can read it: Ethernet with at most one tag, whole IP headers without extensions, no later fragment. */
function isForCap(f: PacketFields, view: DataView): boolean {
  if (f.linkType !== LinkType.ETHERNET || f.status !== Status.Ok || f.ipVersion === 0) return false;
  if (f.vlanCount > 1 || f.fragOff !== 0 || f.l4Status !== Status.Ok || f.l4Off < 0) return false;
  if (f.ipProto !== IpProto.TCP && f.ipProto !== IpProto.UDP) return false;
  // It knows neither MPLS nor PPPoE nor SNAP, and no tag but 0x8100.
  const typeOff = f.frameOff + (f.vlanCount === 1 ? 16 : 12);
  if (f.l3Off !== typeOff + 2 || (f.vlanCount === 1 && view.getUint16(f.frameOff + 12) !== 0x8100))
    return false;
  if (f.ipVersion === 6) return view.getUint16(typeOff) === ETH_P_IPV6 && f.l3HeaderLen === 40;
  return view.getUint16(typeOff) === ETH_P_IP;
}

function ours(f: PacketFields, octets: Uint8Array): Reading {
  const version = f.ipVersion === 4 ? 4 : 6;
  return {
    mac: [formatMac(octets, f.srcMacOff), formatMac(octets, f.dstMacOff)],
    vlan: f.vlanCount === 0 ? undefined : f.vlanOuter,
    addresses: [formatAddress(octets, f.srcOff, version), formatAddress(octets, f.dstOff, version)],
    protocol: f.ipProto,
    ttl: f.ttl,
    payloadOff: f.l4Off - f.frameOff,
    ports: [f.srcPort, f.dstPort],
    ...(f.ipProto === IpProto.TCP
      ? {
          flags: f.tcpFlags,
          seq: f.tcpSeq >>> 0,
          ack: f.tcpAck >>> 0,
          window: f.tcpWindow,
          header: f.tcpHeaderLen,
        }
      : {}),
  };
}

function theirs(bytes: Buffer): Reading {
  const ethernet = Cap.Ethernet(bytes, 0);
  const isIPv4 = ethernet.info.type === ETH_P_IP;
  const ip = isIPv4 ? Cap.IPV4(bytes, ethernet.offset) : Cap.IPV6(bytes, ethernet.offset);
  const isTcp = ip.info.protocol === IpProto.TCP;
  const l4 = isTcp ? Cap.TCP(bytes, ip.offset) : Cap.UDP(bytes, ip.offset);
  return {
    mac: [ethernet.info.srcmac, ethernet.info.dstmac],
    vlan: (ethernet.info.vlan as { VID: number } | undefined)?.VID,
    addresses: [ip.info.srcaddr, ip.info.dstaddr],
    protocol: ip.info.protocol,
    ttl: isIPv4 ? ip.info.ttl : ip.info.hopLimit,
    payloadOff: ip.offset,
    ports: [l4.info.srcport, l4.info.dstport],
    ...(isTcp
      ? {
          flags: l4.info.flags,
          seq: l4.info.seqno,
          ack: l4.info.ackno,
          window: l4.info.window,
          header: (bytes[ip.offset + 12]! >>> 4) << 2,
        }
      : {}),
  };
}

/** Version 2.3, whose two lengths stand the other way round: `pcap-parser` takes it for 2.4. */
const SWAPPED = 'PcapPlusPlus/regression_samples/clusterfuzz-testcase-minimized-FuzzTarget-5766899836387328';

/** Where `cap` is wrong, and why; the fields are left out for packets that it is about. Each must be met. */
const CAP_EXCEPTIONS: { field: string; why: string; about: (f: PacketFields, view: DataView) => boolean }[] =
  [
    {
      field: 'addresses',
      why: 'an IPv6 address is printed octet by octet and cut at its first zeros: "fe:80::" for fe80::1',
      about: (f) => f.ipVersion === 6,
    },
    {
      field: 'ack',
      why: 'undefined unless the ACK flag is set; ours is what the header has',
      about: (f) => f.ipProto === IpProto.TCP && (f.tcpFlags & TcpFlag.ACK) === 0,
    },
    {
      field: 'flags',
      why: 'nine bits, with the one that was NS and is AE now; ours are the eight of RFC 9293',
      about: (f, view) => f.ipProto === IpProto.TCP && (view.getUint8(f.l4Off + 12) & 1) !== 0,
    },
  ];

describe.skipIf(absent !== '')(`oracles on every shared capture${absent}`, () => {
  it('decodes TCP and UDP over Ethernet as `cap` does', async () => {
    let compared = 0;
    const wrong: string[] = [];
    const met = new Set<string>();
    for (const file of corpusFiles()) {
      let number = 0;
      await tally(join(CORPUS, file), (f, view) => {
        number++;
        if (!isForCap(f, view) || wrong.length > 20) return;
        const octets = new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
        const [mine, other] = [ours(f, octets), theirs(Buffer.from(octets.subarray(f.frameOff, f.capEnd)))];
        for (const { field, about } of CAP_EXCEPTIONS) {
          if (!about(f, view)) continue;
          if (JSON.stringify(mine[field]) !== JSON.stringify(other[field])) met.add(field);
          delete mine[field];
          delete other[field];
        }
        compared++;
        if (JSON.stringify(mine) !== JSON.stringify(other))
          wrong.push(`${file} packet ${number}: ${JSON.stringify(mine)}, cap ${JSON.stringify(other)}`);
      });
    }
    expect(wrong).toEqual([]);
    expect(compared).toBeGreaterThan(10_000);
    expect([...met].sort()).toEqual(CAP_EXCEPTIONS.map(({ field }) => field).sort());
  });

  it('reads classic pcap as `pcap-parser` does: lengths, times, octets', async () => {
    let files = 0;
    let packets = 0;
    for (const file of corpusFiles()) {
      const path = join(CORPUS, file);
      const mine: string[] = [];
      try {
        using reader = new SavefileReader(path, {
          onInterface() {},
          onPacket: (_i, view, off, capLen, wireLen, sec, nsec) => {
            mine.push(
              `${sec}.${nsec} ${capLen}/${wireLen} ${view.getUint8(off)} ${view.getUint8(off + capLen - 1)}`,
            );
          },
        });
        while (await reader.next());
      } catch (error) {
        if (!(error instanceof SavefileError || error instanceof RangeError)) throw error;
        continue; // damaged, or a packet without octets: compared with tshark, not here
      }
      const theirPackets = await pcapParser(path);
      if (theirPackets === null) continue;
      files++;
      packets += mine.length;
      if (file === SWAPPED) expect(mine).not.toEqual(theirPackets);
      else expect([file, mine.length, mine]).toEqual([file, theirPackets.length, theirPackets]);
    }
    expect([files > 100, packets > 20_000]).toEqual([true, true]);
  });
});

/** What `pcap-parser` reads; null for what it does not know (nanoseconds, pcapng, compressed), or reads as no such file can be. */
async function pcapParser(path: string): Promise<string[] | null> {
  const lines: string[] = [];
  let isKnown = true;
  const parser = parse(path);
  parser.on('packet', ({ header: h, data }) => {
    const fraction = h.timestampMicroseconds!;
    // A fraction of a second or more, and more captured than was on the wire: carried and cut here, left as it is there.
    if (fraction >= 1e6 || data.length > h.originalLength!) isKnown = false;
    lines.push(
      `${h.timestampSeconds}.${fraction * 1000} ${data.length}/${h.originalLength} ${data[0]} ${data.at(-1)}`,
    );
  });
  parser.on('error', () => {
    isKnown = false;
  });
  await new Promise((resolve) => parser.on('end', () => resolve(null))); // it ends behind an error, too
  return isKnown ? lines : null;
}
