import { describe, expect, it } from 'vitest';
import { DCCP_HEADER_MIN, decodeDccp } from '../../decoders/dccp.ts';
import { decodeIcmp, ICMP_HEADER_MIN, icmpCounterpart } from '../../decoders/icmp.ts';
import { PacketFields } from '../../decoders/packet-fields.ts';
import { decodeSctp, SCTP_HEADER_LEN } from '../../decoders/sctp.ts';
import { Status } from '../../decoders/status.ts';
import { decodeTcp, TCP_HEADER_MIN } from '../../decoders/tcp.ts';
import { decodeUdp, UDP_HEADER_LEN } from '../../decoders/udp.ts';
import { hex, touched } from './bytes.ts';

type Transport = (view: DataView, off: number, end: number, wireEnd: number, f: PacketFields) => Status;

function run(decoder: Transport, bytes: Uint8Array, wireLen = bytes.length) {
  const f = new PacketFields();
  const status = decoder(new DataView(Uint8Array.from(bytes).buffer), 0, bytes.length, wireLen, f);
  return { status, f, touched: touched(f) };
}

const TCP = '9c40 01bb 80000000 7fffffff 5018 fa f0 0000 0000 010203';

describe('every transport decoder, cut', () => {
  it.each<[string, Transport, string, number]>([
    ['tcp', decodeTcp, TCP, TCP_HEADER_MIN],
    ['udp', decodeUdp, '9c40 01bb 000b 0000 010203', UDP_HEADER_LEN],
    ['sctp', decodeSctp, '9c40 01bb 00000001 00000000 010203', SCTP_HEADER_LEN],
    ['dccp', decodeDccp, '9c40 01bb 03000000 00000000 010203', DCCP_HEADER_MIN],
  ])('%s: ports from four octets on, Ok from the whole header on', (_name, decoder, text, headerLen) => {
    const bytes = hex(text);
    for (let length = 0; length <= bytes.length; length++) {
      const bySnapLen = run(decoder, bytes.subarray(0, length), bytes.length);
      const byIpLen = run(decoder, bytes.subarray(0, length));
      const isWhole = length >= headerLen;
      expect([length, bySnapLen.status]).toEqual([length, isWhole ? Status.Ok : Status.Truncated]);
      expect([length, byIpLen.status]).toEqual([length, isWhole ? Status.Ok : Status.Malformed]);
      for (const { f } of [bySnapLen, byIpLen]) {
        expect([f.hasPorts, f.srcPort, f.dstPort]).toEqual(length >= 4 ? [true, 40000, 443] : [false, 0, 0]);
        expect(f.payloadOff).toBe(length > headerLen ? headerLen : -1);
      }
      expect(bySnapLen.f.payloadLen).toBe(isWhole ? 3 : 0);
      expect(byIpLen.f.payloadLen).toBe(isWhole ? length - headerLen : 0);
      if (length < 4) expect([bySnapLen.touched, byIpLen.touched]).toEqual([{}, {}]);
    }
  });
});

describe('tcp', () => {
  it('reads sequence numbers as int32', () => {
    const { f } = run(decodeTcp, hex(TCP));
    expect([f.tcpSeq, f.tcpAck, f.tcpWindow, f.tcpFlags, f.tcpHeaderLen]).toEqual([
      -0x80000000, 0x7fffffff, 0xfaf0, 0x18, 20,
    ]);
  });

  it('has flags exactly when octet 13 was captured', () => {
    const bytes = hex(TCP);
    for (let length = 4; length < 20; length++)
      expect([length, run(decodeTcp, bytes.subarray(0, length), 23).f.tcpFlags]).toEqual([
        length,
        length >= 14 ? 0x18 : 0,
      ]);
  });

  it('keeps the ports but not the flags when the data offset is below 5', () => {
    for (let dataOffset = 0; dataOffset < 5; dataOffset++) {
      const bytes = hex(TCP);
      bytes[12] = dataOffset << 4;
      expect(run(decodeTcp, bytes)).toMatchObject({
        status: Status.Malformed,
        touched: { srcPort: 40000, dstPort: 443, hasPorts: true },
        f: { tcpFlags: 0, tcpHeaderLen: 0 },
      });
    }
  });

  it('is Malformed, with ports and flags, when the data offset passes the segment', () => {
    const bytes = hex(TCP);
    bytes[12] = 0x60;
    expect(run(decodeTcp, bytes)).toMatchObject({
      status: Status.Malformed,
      f: { hasPorts: true, tcpFlags: 0x18, tcpSeq: 0, payloadLen: 0 },
    });
  });

  it('is Ok when the snaplen cuts only the options', () => {
    const bytes = hex(TCP);
    bytes[12] = 0xf0;
    expect(run(decodeTcp, bytes, 100)).toMatchObject({
      status: Status.Ok,
      f: { tcpHeaderLen: 60, payloadLen: 40, payloadOff: -1, tcpWindow: 0xfaf0 },
    });
  });
});

describe('dccp', () => {
  it.each([2, 6])('rejects a data offset of %i words', (words) => {
    const bytes = hex('9c40 01bb 03000000 00000000 010203');
    bytes[4] = words;
    expect(run(decodeDccp, bytes)).toMatchObject({
      status: Status.Malformed,
      f: { hasPorts: true, payloadLen: 0 },
    });
  });
});

describe('icmp', () => {
  it('gives type and code; the payload begins behind eight octets', () => {
    const { f, status } = run(decodeIcmp, hex('0301 0000 00000000 0102'));
    expect(status).toBe(Status.Ok);
    expect(touched(f)).toEqual({ hasPorts: true, srcPort: 3, dstPort: 1, payloadLen: 2, payloadOff: 8 });
    expect(run(decodeIcmp, hex('0301 0000')).f.payloadLen).toBe(0);
  });

  it('touches nothing below four octets', () => {
    for (let length = 0; length < ICMP_HEADER_MIN; length++) {
      expect(run(decodeIcmp, hex('030100').subarray(0, length), 8)).toMatchObject({
        status: Status.Truncated,
        touched: {},
      });
      expect(run(decodeIcmp, hex('030100').subarray(0, length)).status).toBe(Status.Malformed);
    }
  });

  it('pairs types both ways, and leaves errors alone', () => {
    for (const proto of [1, 58]) {
      const paired: number[] = [];
      for (let type = 0; type < 256; type++) {
        const other = icmpCounterpart(proto, type);
        if (other < 0) continue;
        paired.push(type);
        expect([type, icmpCounterpart(proto, other)]).toEqual([type, type]);
      }
      expect(paired).toEqual(
        proto === 1
          ? [0, 8, 9, 10, 13, 14, 15, 16, 17, 18]
          : [128, 129, 130, 131, 133, 134, 135, 136, 139, 140, 144, 145],
      );
    }
    expect([icmpCounterpart(1, 8), icmpCounterpart(58, 135)]).toEqual([0, 136]);
  });
});
