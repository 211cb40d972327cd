import { IpProto } from '../../decoders/packet-fields.ts';
import { EndReasonCode, type FlowBatch, HISTORY_MAX, NONE_U8 } from '../../storage/flow-batch.ts';
import { bytesOf, flowSeqOf, ipBytesOf, packetsOf, payloadOf } from './counters.ts';
import { isAbortedAttempt, isNoted, Letter, readHistory } from './history.ts';
import type { InnerFlows } from './inner-flows.ts';
import { routeOrigSide } from './route-change.ts';
import { BIT, D, Endpoint, F, farOf, KEY_IPV6, KEY_TUNNEL_SHIFT, nearOf, TAIL_WORDS, W } from './slot.ts';
import { writeTcp } from './tcp-record.ts';
import { datagramConnState, endpointState, isTcpOver, tcpConnState } from './tcp-state.ts';
import type { TimestampProbes } from './tcp-timestamps.ts';
import { unpackRtt } from './ticks.ts';
import type { TroubleTable } from './trouble.ts';

/** Protocols whose records carry ports (ICMP: type and code). */
export function protocolHasPorts(proto: number): boolean {
  switch (proto) {
    case IpProto.TCP:
    case IpProto.UDP:
    case IpProto.ICMP:
    case IpProto.ICMPV6:
    case IpProto.SCTP:
    case IpProto.DCCP:
    case IpProto.UDPLITE:
      return true;
    default:
      return false;
  }
}

/**
 * Code of the end reason of a flow: a TCP connection that was closed or reset ended by that, not by the silence or the
 * shutdown that came after. A living flow, and one that had to make room, are told as they are.
 */
export function endReasonCode(reason: number, proto: number, bits: number): number {
  if (reason === EndReasonCode.active || reason === EndReasonCode.evicted) return reason;
  if (proto !== IpProto.TCP || !isTcpOver(bits)) return reason;
  const reset = endpointState(bits, 0) === Endpoint.Reset || endpointState(bits, 1) === Endpoint.Reset;
  return reset ? EndReasonCode.rst : EndReasonCode.fin;
}

/** The slab of a flow table through its three views. */
export interface Slab {
  readonly words: Int32Array;
  readonly doubles: Float64Array;
  readonly bytes: Uint8Array;
  /** What goes wrong in TCP flows. */
  readonly trouble: TroubleTable;
  /** TCP timestamps whose echo is waited for. */
  readonly probes: TimestampProbes;
  /** null: no flow is inside a tunnel. */
  readonly inner: InnerFlows | null;
}

/**
 * Writes the flow in `slot` as the next record of `batch`, originator first. The counters are cumulative, so the record
 * replaces an earlier one of the same flow.
 * @param reason code of END_REASONS
 */
export function writeRecord(slab: Slab, slot: number, batch: FlowBatch, reason: number): void {
  const { words, doubles, bytes } = slab;
  const base = nearOf(slot);
  const far = farOf(words, base);
  const dbase = base >>> 1;
  const c = batch.columns;
  const i = batch.count;
  const key = words[base + W.key]!;
  const bits = words[base + W.bits]!;
  const proto = (key >>> 16) & 0xff;
  const orig = (bits & BIT.origIsHi) !== 0 ? 1 : 0;
  const resp = 1 - orig;
  const startSec = doubles[dbase + D.startSec]!;

  c.flowSeq[i] = flowSeqOf(words, slot);
  c.isNew[i] = (bits & BIT.written) !== 0 ? 0 : 1;
  c.startSec[i] = startSec;
  c.startNsec[i] = words[far + F.startNsec]!;
  c.endSec[i] = startSec + words[base + W.lastDelta]!;
  c.endNsec[i] = words[base + W.lastNsec]!;
  c.packetsFwd[i] = packetsOf(words, slot, orig);
  c.packetsRev[i] = packetsOf(words, slot, resp);
  c.bytesFwd[i] = bytesOf(words, slot, orig);
  c.bytesRev[i] = bytesOf(words, slot, resp);
  c.ipBytesFwd[i] = ipBytesOf(words, slot, orig);
  c.ipBytesRev[i] = ipBytesOf(words, slot, resp);
  const payloadFwd = payloadOf(words, slot, orig);
  const payloadRev = payloadOf(words, slot, resp);
  c.payloadBytesFwd[i] = payloadFwd;
  c.payloadBytesRev[i] = payloadRev;
  c.rttNs[i] = (bits & BIT.rttKnown) !== 0 ? unpackRtt(words[far + F.rtt]!) : -1;
  if (proto === IpProto.TCP) writeTcp(slab, slot, batch);
  const sentFwd = c.packetsFwd[i]! > 0;
  const sentRev = c.packetsRev[i]! > 0;
  c.routeFwd[i] = sentFwd ? words[far + F.route0 + orig]! : -1;
  c.routeRev[i] = sentRev ? words[far + F.route0 + resp]! : -1;
  c.routeOrigSide[i] = routeOrigSide(bits);
  c.captureIndex[i] = key & 0xffff;
  const tunnelType = key >>> KEY_TUNNEL_SHIFT;
  c.tunnelType[i] = tunnelType;
  if (tunnelType !== 0) {
    c.tunnelId[i] = slab.inner!.ids[slot]!;
    c.outerSeq[i] = slab.inner!.outerSeqs[slot]!;
  }
  const ports = words[base + W.ports]!;
  c.srcPort[i] = orig === 0 ? ports >>> 16 : ports & 0xffff;
  c.dstPort[i] = orig === 0 ? ports & 0xffff : ports >>> 16;
  const vlan = words[base + W.vlan]!;
  c.vlanOuter[i] = vlan & 0xfff;
  c.vlanInner[i] = (vlan >>> 12) & 0xfff;
  c.vlanCount[i] = (vlan >>> 24) & 3;
  const ipVersion = (key & KEY_IPV6) !== 0 ? 6 : 4;
  c.ipVersion[i] = ipVersion;
  c.proto[i] = proto;
  c.hasPorts[i] = protocolHasPorts(proto) ? 1 : 0;
  const flags = words[base + W.flags]!;
  const ttl = words[base + W.ttl]!;
  c.tcpFlagsFwd[i] = flags >>> (8 * orig);
  c.tcpFlagsRev[i] = flags >>> (8 * resp);
  const dscpFwd = (flags >>> (16 + 8 * orig)) & 0xff;
  const dscpRev = (flags >>> (16 + 8 * resp)) & 0xff;
  const rangeFwd = words[far + F.dscp]! >>> (12 * orig);
  const rangeRev = words[far + F.dscp]! >>> (12 * resp);
  c.dscpFwd[i] = sentFwd ? dscpFwd : NONE_U8;
  c.dscpRev[i] = sentRev ? dscpRev : NONE_U8;
  c.dscpMinFwd[i] = sentFwd ? Math.min(dscpFwd, rangeFwd & 0x3f) : NONE_U8;
  c.dscpMinRev[i] = sentRev ? Math.min(dscpRev, rangeRev & 0x3f) : NONE_U8;
  c.dscpMaxFwd[i] = sentFwd ? Math.max(dscpFwd, (rangeFwd >>> 6) & 0x3f) : NONE_U8;
  c.dscpMaxRev[i] = sentRev ? Math.max(dscpRev, (rangeRev >>> 6) & 0x3f) : NONE_U8;
  const ipIds = words[far + F.ipId]!;
  c.ipIdFwd[i] = ipIds >>> (16 * orig);
  c.ipIdRev[i] = ipIds >>> (16 * resp);
  c.ttlMinFwd[i] = sentFwd ? ttl >>> (16 * orig) : NONE_U8;
  c.ttlMaxFwd[i] = sentFwd ? ttl >>> (16 * orig + 8) : NONE_U8;
  c.ttlMinRev[i] = sentRev ? ttl >>> (16 * resp) : NONE_U8;
  c.ttlMaxRev[i] = sentRev ? ttl >>> (16 * resp + 8) : NONE_U8;
  c.connState[i] = connState(words, slot, proto, sentFwd, sentRev, payloadFwd + payloadRev);
  c.endReason[i] = endReasonCode(reason, proto, bits);

  const hasMac = (bits & BIT.hasMac) !== 0;
  c.hasMac[i] = hasMac ? 1 : 0;
  const mac = (far + F.mac) * 4;
  for (let k = 0; k < 6; k++) {
    c.srcMac[i * 6 + k] = bytes[mac + orig * 6 + k]!;
    c.dstMac[i * 6 + k] = bytes[mac + resp * 6 + k]!;
  }
  putWord(c.src, i * 16, words[base + (orig === 0 ? W.addrLo : W.addrHi)]!);
  putWord(c.dst, i * 16, words[base + (orig === 0 ? W.addrHi : W.addrLo)]!);
  const srcTail = far + F.tails + orig * TAIL_WORDS;
  const dstTail = far + F.tails + resp * TAIL_WORDS;
  for (let k = 0; k < TAIL_WORDS; k++) {
    putWord(c.src, i * 16 + 4 + k * 4, ipVersion === 6 ? words[srcTail + k]! : 0);
    putWord(c.dst, i * 16 + 4 + k * 4, ipVersion === 6 ? words[dstTail + k]! : 0);
  }
  c.historyLen[i] = readHistory(words, slot, c.history, i * HISTORY_MAX);
  batch.count = i + 1;
}

/** Code of the conn_state. @param payloadBytes of both sides */
function connState(
  words: Int32Array,
  slot: number,
  proto: number,
  sentFwd: boolean,
  sentRev: boolean,
  payloadBytes: number,
): number {
  const bits = words[nearOf(slot) + W.bits]!;
  const orig = (bits & BIT.origIsHi) !== 0 ? 1 : 0;
  switch (proto) {
    case IpProto.TCP:
      return tcpConnState(
        endpointState(bits, orig),
        endpointState(bits, 1 - orig),
        payloadBytes,
        isAbortedAttempt(words, slot),
      );
    case IpProto.UDP:
      return datagramConnState(isNoted(words, slot, Letter.d, true), isNoted(words, slot, Letter.d, false));
    default:
      return datagramConnState(sentFwd, sentRev);
  }
}

function putWord(to: Uint8Array, at: number, word: number): void {
  to[at] = word >>> 24;
  to[at + 1] = word >>> 16;
  to[at + 2] = word >>> 8;
  to[at + 3] = word;
}
