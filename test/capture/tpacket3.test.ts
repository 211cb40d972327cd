import { describe, expect, it, vi } from 'vitest';
import { type BlockWalk, type RingMemory, walkBlock } from '../../daemon/capture/tpacket3.ts';
import { AHEAD_MAX } from '../../daemon/flow/ahead.ts';
import { PacketFields, PacketType } from '../../decoders/packet-fields.ts';
import { frame } from '../support/frames.ts';
import { TestMeter } from '../support/meter.ts';
import { CountingSink } from './counting-sink.ts';

const BLOCK_SIZE = 1 << 16;
/** struct tpacket_block_desc: 48 octets, and 8 the kernel keeps for itself with tp_sizeof_priv 0. */
const FIRST = 48;
const TP_STATUS_VLAN_VALID = 1 << 4;
const TP_STATUS_VLAN_TPID_VALID = 1 << 6;
const TP_STATUS_CSUMNOTREADY = 1 << 3;
const TP_STATUS_CSUM_VALID = 1 << 7;
/** What the kernel sets besides: USER, TS_SOFTWARE. */
const TP_STATUS_OTHERS = 1 | (1 << 29);

interface Frame {
  bytes: number[];
  len?: number;
  sec?: number;
  nsec?: number;
  status?: number;
  tci?: number;
  tpid?: number;
  pktType?: number;
}

/** A ring of two blocks whose second one holds the frames, laid out as linux/if_packet.h says. */
function ring(frames: readonly Frame[]): RingMemory {
  const buffer = new ArrayBuffer(2 * BLOCK_SIZE);
  const memory = {
    blockSize: BLOCK_SIZE,
    view: new DataView(buffer),
    words: new Uint32Array(buffer),
    halfWords: new Uint16Array(buffer),
  };
  const le = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;
  const { view } = memory;
  view.setUint32(BLOCK_SIZE + 8, 1, le); // block_status
  view.setUint32(BLOCK_SIZE + 12, frames.length, le);
  view.setUint32(BLOCK_SIZE + 16, FIRST, le);
  let off = BLOCK_SIZE + FIRST;
  frames.forEach((frame, i) => {
    const mac = 112; // TPACKET3_HDRLEN 68 aligned to 16, 16 for SOCK_DGRAM, 16 of PACKET_RESERVE
    const size = (mac + frame.bytes.length + 15) & ~15;
    view.setUint32(off, i === frames.length - 1 ? 0 : size, le); // tp_next_offset
    view.setUint32(off + 4, frame.sec ?? 0, le);
    view.setUint32(off + 8, frame.nsec ?? 0, le);
    view.setUint32(off + 12, frame.bytes.length, le); // tp_snaplen
    view.setUint32(off + 16, frame.len ?? frame.bytes.length, le);
    view.setUint32(off + 20, (frame.status ?? 0) | TP_STATUS_OTHERS, le);
    view.setUint16(off + 24, mac, le);
    view.setUint16(off + 26, mac + 14, le);
    view.setUint32(off + 32, frame.tci ?? 0, le);
    view.setUint16(off + 36, frame.tpid ?? 0, le);
    view.setUint16(off + 48, 17, le); // sll_family
    view.setUint16(off + 50, 0x86dd); // sll_protocol, big endian
    view.setUint16(off + 56, 778, le); // sll_hatype
    view.setUint8(off + 58, frame.pktType ?? 0);
    view.setUint8(off + 59, 6); // sll_halen
    for (let k = 0; k < 8; k++) view.setUint8(off + 60 + k, 0xa0 + k);
    frame.bytes.forEach((byte, k) => {
      view.setUint8(off + mac + k, byte);
    });
    off += size;
  });
  return memory;
}

function walk(options: Partial<BlockWalk> = {}): BlockWalk {
  const span = { firstSec: -1, firstNsec: 0, lastSec: 0, lastNsec: 0 };
  return {
    captureIndex: 3,
    linkType: 1,
    dropOutgoing: false,
    cooked: false,
    duplicates: 0,
    ...span,
    ...options,
  };
}

describe('a block of a TPACKET_V3 ring', () => {
  it('tells a checksum that is final and untested from one left to a device, or found good by one', () => {
    const sink = new CountingSink();
    const statuses = [0, TP_STATUS_CSUMNOTREADY, TP_STATUS_CSUM_VALID, TP_STATUS_VLAN_VALID];
    const memory = ring(statuses.map((status) => ({ bytes: [1], status })));
    walkBlock(memory, 1, walk(), sink);
    expect(sink.seen.map((packet) => packet.isChecksumFinal)).toEqual([true, false, false, true]);
  });

  it('lets a sink that looks ahead see each frame before it is given, in groups, and none that is left out', () => {
    const frames = Array.from({ length: 2 * AHEAD_MAX + 5 }, (_, i) => {
      const bytes = frame({ proto: 'udp', sport: 1000 + (i % 9) });
      return { bytes: [...bytes], sec: i, pktType: i % 5 === 0 ? PacketType.Outgoing : PacketType.Host };
    });
    const single = new TestMeter({ seed: 7 });
    const grouped = new TestMeter({ seed: 7 });
    grouped.table.ahead.flowsMin = 0;
    const guesses: number[] = [];
    const put = grouped.table.packet.bind(grouped.table);
    vi.spyOn(grouped.table, 'packet').mockImplementation((view, f, guess = -1) => {
      const slot = put(view, f, guess);
      guesses.push(guess - slot);
      return slot;
    });
    for (const dropOutgoing of [false, true])
      for (const m of [single, grouped]) walkBlock(ring(frames), 1, walk({ dropOutgoing }), m.meter);
    expect(grouped.finish()).toEqual(single.finish());
    // The flows of the first group are not there when it is looked at.
    expect(guesses.slice(AHEAD_MAX).every((off) => off === 0)).toBe(true);
  });

  it('gives each frame with its times, lengths and direction', () => {
    const sink = new CountingSink();
    const memory = ring([
      { bytes: [1, 2, 3], sec: 0xf000_0000, nsec: 999_999_999, pktType: PacketType.OtherHost },
      { bytes: [4], len: 70_000, sec: 5, pktType: PacketType.Outgoing },
      { bytes: [], len: 0 },
    ]);
    expect(walkBlock(memory, 1, walk(), sink)).toBe(3);
    expect(sink.seen.map(({ bytes, ...rest }) => ({ ...rest, bytes: [...bytes] }))).toEqual([
      {
        captureIndex: 3,
        linkType: 1,
        tsSec: 0xf000_0000,
        tsNsec: 999_999_999,
        wireLen: 3,
        pktType: 3,
        strippedTci: -1,
        strippedTpid: 0,
        isChecksumFinal: true,
        bytes: [1, 2, 3],
      },
      expect.objectContaining({ tsSec: 5, wireLen: 70_000, pktType: 4, bytes: [4] }),
      expect.objectContaining({ wireLen: 0, bytes: [] }),
    ]);
  });

  it('gives a stripped tag by its flags, TCI 0 included, and 802.1Q when the kernel does not name the TPID', () => {
    const sink = new CountingSink();
    const both = TP_STATUS_VLAN_VALID | TP_STATUS_VLAN_TPID_VALID;
    const memory = ring([
      { bytes: [0], status: both, tci: 0x2005, tpid: 0x88a8 },
      { bytes: [0], status: TP_STATUS_VLAN_VALID, tci: 0, tpid: 0 },
      { bytes: [0], tci: 7 },
      { bytes: [0] },
    ]);
    walkBlock(memory, 1, walk(), sink);
    expect(sink.seen.map((p) => [p.strippedTci, p.strippedTpid, p.wireLen])).toEqual([
      [0x2005, 0x88a8, 5],
      [0, 0x8100, 5],
      [7, 0x8100, 5],
      [-1, 0, 1],
    ]);
  });

  it('leaves the OUTGOING copies of a loopback interface out, and counts them', () => {
    const sink = new CountingSink();
    const memory = ring([
      { bytes: [1], pktType: PacketType.Outgoing },
      { bytes: [1], pktType: PacketType.Host },
      { bytes: [2], pktType: PacketType.Outgoing },
    ]);
    const state = walk({ dropOutgoing: true });
    expect(walkBlock(memory, 1, state, sink)).toBe(1);
    expect(walkBlock(memory, 1, state, sink)).toBe(1);
    expect([state.duplicates, sink.packets]).toEqual([4, 2]);
  });

  it('writes a LINUX_SLL header before a cooked packet', () => {
    const sink = new CountingSink();
    walkBlock(
      ring([{ bytes: [0x60, 1], len: 900, pktType: 2 }]),
      1,
      walk({ cooked: true, linkType: 113 }),
      sink,
    );
    expect([...sink.seen[0]!.bytes]).toEqual([
      0, 2, 0x03, 0x0a, 0, 6, 0xa0, 0xa1, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7, 0x86, 0xdd, 0x60, 1,
    ]);
    expect(sink.seen[0]!.wireLen).toBe(916);
  });

  it('allocates nothing a packet', () => {
    const memory = ring(
      Array.from({ length: 300 }, (_, i) => ({ bytes: [i & 255], sec: 1_800_000_000 + i, nsec: i })),
    );
    const fields = new PacketFields();
    let total = 0;
    const sink = {
      fields,
      packet(_view: DataView, off: number, capLen: number): void {
        total = (total + off + capLen + fields.tsNsec) | 0;
      },
    };
    const state = walk();
    for (let i = 0; i < 200; i++) walkBlock(memory, 1, state, sink);
    const before = process.memoryUsage().heapUsed;
    for (let i = 0; i < 2000; i++) walkBlock(memory, 1, state, sink);
    const bytesAPacket = (process.memoryUsage().heapUsed - before) / (2000 * 300);
    expect(total).not.toBe(0);
    expect(bytesAPacket).toBeLessThan(1);
  });
});
