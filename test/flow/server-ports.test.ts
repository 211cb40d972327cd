import { describe, expect, test } from 'vitest';
import { IpProto } from '../../decoders/packet-fields.ts';
import { looksLikeAnswer } from '../../daemon/flow/server-ports.ts';

describe('which ports are those of servers', () => {
  test('of DHCP only 67 is: what comes from there to 68 is an answer', () => {
    expect(looksLikeAnswer(IpProto.UDP, 67, 68)).toBe(true);
    expect(looksLikeAnswer(IpProto.UDP, 68, 67)).toBe(false);
    expect(looksLikeAnswer(IpProto.UDP, 68, 1067)).toBe(false);
    expect(looksLikeAnswer(IpProto.UDP, 4011, 68)).toBe(false);
  });

  test('from one server to another the lower TCP port answers, and no UDP port', () => {
    expect(looksLikeAnswer(IpProto.TCP, 80, 443)).toBe(true);
    expect(looksLikeAnswer(IpProto.TCP, 443, 80)).toBe(false);
    expect(looksLikeAnswer(IpProto.UDP, 53, 443)).toBe(false);
  });

  test('a port counts for its protocol', () => {
    expect(looksLikeAnswer(IpProto.TCP, 79, 50000)).toBe(true);
    expect(looksLikeAnswer(IpProto.UDP, 79, 50000)).toBe(false);
    expect(looksLikeAnswer(IpProto.TCP, 3268, 50000)).toBe(true);
    expect(looksLikeAnswer(IpProto.UDP, 3268, 50000)).toBe(false);
    expect(looksLikeAnswer(IpProto.SCTP, 80, 50000)).toBe(false);
  });
});
