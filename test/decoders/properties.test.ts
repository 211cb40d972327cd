import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LinkType } from '../../decoders/link-types.ts';
import { decodePacket } from '../../decoders/packet.ts';
import { PacketFields } from '../../decoders/packet-fields.ts';
import { STATUS_NAMES, Status } from '../../decoders/status.ts';
import { frame, place } from './bytes.ts';

/** Fields that hold an offset or -1. */
const OFFSETS = ['dstMacOff', 'srcMacOff', 'l3Off', 'srcOff', 'dstOff', 'l4Off', 'payloadOff'] as const;

const FRAMES = [
  ['eth-ipv4-tcp-syn', LinkType.ETHERNET],
  ['eth-qinq-ipv6-udp', LinkType.ETHERNET],
  ['eth-snap-ipv4-icmp', LinkType.ETHERNET],
  ['eth-ipv6-ext-fragment', LinkType.ETHERNET],
  ['eth-pppoe-ipv4-udp', LinkType.ETHERNET],
  ['eth-mpls-pw-arp', LinkType.ETHERNET],
  ['eth-ipv4-tso', LinkType.ETHERNET],
  ['eth-ipv4-fragment-2', LinkType.ETHERNET],
  ['sll2-ipv4-tcp-rst', LinkType.LINUX_SLL2],
] as const;

const LINK_TYPES = [...Object.values(LinkType), 160];

/** Checks what must hold for any packet whatever. `place` makes a read past the end throw. */
function check(bytes: Uint8Array, linkType: number, extraWire: number, strippedTci: number): PacketFields {
  const { view, off, end } = place(bytes);
  const before = Buffer.from(view.buffer as ArrayBuffer).toString('latin1');
  const f = new PacketFields();
  f.linkType = linkType;
  f.wireLen = bytes.length + extraWire + (strippedTci >= 0 ? 4 : 0);
  f.strippedTci = strippedTci;
  const status = decodePacket(view, off, end, f);
  expect(f.status).toBe(status);
  expect(Buffer.from(view.buffer as ArrayBuffer).toString('latin1')).toBe(before);
  for (const name of OFFSETS)
    if (f[name] !== -1) {
      expect(f[name]).toBeGreaterThanOrEqual(off);
      expect(f[name]).toBeLessThanOrEqual(end);
    }
  for (const value of Object.values(f))
    if (typeof value === 'number') expect(Number.isInteger(value)).toBe(true);
  if (f.l4Off >= 0) {
    expect(f.l4Off).toBeLessThanOrEqual(f.l4End);
    expect(f.l4End).toBeLessThanOrEqual(f.ipWireEnd);
    expect(f.payloadLen).toBeLessThanOrEqual(f.wireEnd - f.l4Off);
  }
  expect(f.payloadLen).toBeGreaterThanOrEqual(0);
  if (f.hasPorts) expect([f.fragOff, f.l4Off >= 0]).toEqual([0, true]);
  if (status !== Status.Ok)
    expect([f.ipVersion, f.isArp, f.srcOff, f.l4Off, f.ipProto]).toEqual([0, false, -1, -1, 0]);
  else if (f.ipVersion !== 0) expect(f.dstOff + (f.ipVersion === 4 ? 4 : 16)).toBeLessThanOrEqual(end);
  return f;
}

describe('decodePacket never throws and stays inside the packet', () => {
  it('for octets without meaning, under every link type', () => {
    const statuses = new Set<Status>();
    const lengths = new Set<number>();
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 200, size: 'max' }),
        fc.constantFrom(...LINK_TYPES),
        fc.nat(5000),
        fc.integer({ min: -1, max: 65535 }),
        (bytes, linkType, extraWire, tci) => {
          statuses.add(check(bytes, linkType, extraWire, tci).status);
          lengths.add(bytes.length);
        },
      ),
      { numRuns: 20_000, seed: 1 },
    );
    expect([...statuses].map((status) => STATUS_NAMES[status]).sort()).toEqual([...STATUS_NAMES].sort());
    expect(Math.max(...lengths)).toBeGreaterThan(180);
  });

  it('for good frames with some octets changed and the end cut', () => {
    const seen = new Map<string, number>();
    const note = (what: string) => seen.set(what, (seen.get(what) ?? 0) + 1);
    const frames = FRAMES.map(([name, linkType]) => ({ bytes: frame(name), linkType }));
    fc.assert(
      fc.property(
        fc.constantFrom(...frames),
        fc.array(fc.tuple(fc.nat(120), fc.nat(255)), { maxLength: 4, size: 'max' }),
        fc.nat(120),
        fc.nat(3000),
        fc.integer({ min: -1, max: 4095 }),
        ({ bytes, linkType }, changes, cut, extraWire, tci) => {
          const changed = bytes.slice(0, cut < 60 ? bytes.length : Math.max(0, bytes.length - (cut - 60)));
          for (const [at, value] of changes) if (at < changed.length) changed[at] = value;
          const f = check(changed, linkType, extraWire, tci);
          note(`status ${STATUS_NAMES[f.status]}`);
          if (f.ipVersion !== 0) note(`l4 ${STATUS_NAMES[f.l4Status]}`);
          note(f.ipVersion === 4 ? 'ipv4' : f.ipVersion === 6 ? 'ipv6' : f.isArp ? 'arp' : 'neither');
          if (f.hasPorts) note(`ports of ${f.ipProto}`);
          if (f.isFragment) note(f.fragOff > 0 ? 'non-first fragment' : 'first fragment');
        },
      ),
      { numRuns: 20_000, seed: 2 },
    );
    const outcomes = [
      'status ok',
      'status truncated',
      'status malformed',
      'l4 ok',
      'l4 truncated',
      'l4 malformed',
      'ipv4',
      'ipv6',
      'arp',
      'neither',
      'ports of 6',
      'ports of 17',
      'ports of 1',
      'first fragment',
      'non-first fragment',
    ];
    for (const outcome of outcomes) expect([outcome, (seen.get(outcome) ?? 0) > 20]).toEqual([outcome, true]);
  });
});
