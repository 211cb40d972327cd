import type { FlowBatch } from '../../storage/flow-batch.ts';
import type { Slab } from './record.ts';
import { BIT, F, farOf, nearOf, SCALE_NONE, SCALE_SHIFT, W } from './slot.ts';
import { missedOctets, sequenceOctets } from './tcp-holes.ts';
import { leastNs } from './ticks.ts';
import { T } from './trouble.ts';

/** Writes what only a TCP flow has into the next record of `batch`, originator first. */
export function writeTcp(slab: Slab, slot: number, batch: FlowBatch): void {
  const { words, trouble } = slab;
  const base = nearOf(slot);
  const far = farOf(words, base);
  const c = batch.columns;
  const i = batch.count;
  const bits = words[base + W.bits]!;
  const orig = (bits & BIT.origIsHi) !== 0 ? 1 : 0;
  const resp = 1 - orig;
  c.retransmitsFwd[i] = trouble.count(words, slot, orig, T.retransmits);
  c.retransmitsRev[i] = trouble.count(words, slot, resp, T.retransmits);
  c.fastRetransmitsFwd[i] = trouble.count(words, slot, orig, T.fast);
  c.fastRetransmitsRev[i] = trouble.count(words, slot, resp, T.fast);
  c.spuriousRetransmitsFwd[i] = trouble.count(words, slot, orig, T.spurious);
  c.spuriousRetransmitsRev[i] = trouble.count(words, slot, resp, T.spurious);
  c.outOfOrderFwd[i] = trouble.count(words, slot, orig, T.outOfOrder);
  c.outOfOrderRev[i] = trouble.count(words, slot, resp, T.outOfOrder);
  c.dupAcksFwd[i] = trouble.count(words, slot, orig, T.dupAcks);
  c.dupAcksRev[i] = trouble.count(words, slot, resp, T.dupAcks);
  c.lostSegmentsFwd[i] = trouble.count(words, slot, orig, T.lostSegments);
  c.lostSegmentsRev[i] = trouble.count(words, slot, resp, T.lostSegments);
  c.zeroWindowsFwd[i] = trouble.count(words, slot, orig, T.zeroWindows);
  c.zeroWindowsRev[i] = trouble.count(words, slot, resp, T.zeroWindows);
  c.keepAlivesFwd[i] = trouble.count(words, slot, orig, T.keepAlives);
  c.keepAlivesRev[i] = trouble.count(words, slot, resp, T.keepAlives);

  const isTracked = (bits & BIT.untracked) === 0;
  c.missedBytesFwd[i] = isTracked ? missedOctets(slab, slot, orig) : -1;
  c.missedBytesRev[i] = isTracked ? missedOctets(slab, slot, resp) : -1;
  c.seqBytesFwd[i] = isTracked ? sequenceOctets(slab, slot, orig) : -1;
  c.seqBytesRev[i] = isTracked ? sequenceOctets(slab, slot, resp) : -1;
  c.retransmittedBytesFwd[i] = isTracked ? trouble.count(words, slot, orig, T.repeated) : -1;
  c.retransmittedBytesRev[i] = isTracked ? trouble.count(words, slot, resp, T.repeated) : -1;

  const widestFwd = words[far + F.maxWindow0 + orig]!;
  const widestRev = words[far + F.maxWindow0 + resp]!;
  c.mssFwd[i] = widestFwd >>> 16;
  c.mssRev[i] = widestRev >>> 16;
  const scales = words[far + F.dscp]! >>> SCALE_SHIFT;
  const scaleFwd = (scales >>> (4 * orig)) & 0xf;
  const scaleRev = (scales >>> (4 * resp)) & 0xf;
  c.windowScaleFwd[i] = scaleFwd;
  c.windowScaleRev[i] = scaleRev;
  // RFC 7323 §2.2: neither side scales unless both sent the option.
  const areScaled = scaleFwd !== SCALE_NONE && scaleRev !== SCALE_NONE;
  c.maxWindowFwd[i] = (widestFwd & 0xffff) * (areScaled ? 2 ** scaleFwd : 1);
  c.maxWindowRev[i] = (widestRev & 0xffff) * (areScaled ? 2 ** scaleRev : 1);

  const handshake = bits & (BIT.rttKnown | BIT.synTime);
  const ackRtt = handshake === BIT.synTime ? 0 : words[base + W.ackRtt]!;
  c.ackRttNsFwd[i] = leastNs(ackRtt, orig);
  c.ackRttNsRev[i] = leastNs(ackRtt, resp);
  const tsRtt = handshake === 0 ? words[far + F.rtt]! : 0;
  c.tsRttNsFwd[i] = leastNs(tsRtt, orig);
  c.tsRttNsRev[i] = leastNs(tsRtt, resp);
  c.originatorGuessed[i] = (bits & (BIT.origBySyn | BIT.origBySynAck)) === 0 ? 1 : 0;
}
