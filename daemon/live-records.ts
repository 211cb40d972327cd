import { formatAddress } from '../decoders/address.ts';
import type { TappedFlow } from '../storage/flow-tap.ts';
import type { CaptureInfo } from '../storage/messages.ts';
import type { RouteDecision } from '../storage/route-decision.ts';
import type { CountedCapture } from './capture/capture-messages.ts';
import type { TappedPacket } from './capture/packet-tap-reader.ts';
import type { LiveCapture, LiveFlow, LivePacket } from './control/messages.ts';

/** See packet_type in nstap.proto. */
const PACKET_TYPE_UNKNOWN = 255;
/** Characters of a text that clients get: a message has a bound, and a filter or a multipath route has none. */
const TEXT_MAX = 192;

/** What a capture counted, as clients are told. @returns null when nobody knows its name any more */
export function liveCapture(
  { captureIndex: index, counters: c }: CountedCapture,
  info: CaptureInfo | undefined,
): LiveCapture | null {
  if (info === undefined) return null;
  return {
    index,
    netns: info.netns ?? '',
    netnsId: info.netnsId ?? '',
    interface: info.interface ?? '',
    source: info.source,
    filter: (info.filter ?? '').slice(0, TEXT_MAX),
    received: c.received,
    kernelDrops: c.kernelDrops,
    duplicates: c.duplicates,
    packets: c.packets,
    bytes: c.bytes,
    decoded: c.decodedIpv4 + c.decodedIpv6 + c.decodedArp + c.decodedOther,
    undecoded: c.undecoded,
    truncated: c.truncated,
    fragments: c.fragments,
    tunnelled: c.tunnelled,
    tunnelUndecoded: c.tunnelUndecoded,
    shedRecords: c.shedRecords,
    shedRouteChanges: c.shedRouteChanges,
    evictedFlows: c.evictedFlows,
    shedHints: c.shedHints,
    untrackedFlows: c.untrackedFlows,
    aliveFlows: c.aliveFlows,
    cpuNs: c.cpuNs,
  };
}

/**
 * A packet as clients are told; of a capture whose name nobody knows any more, without it.
 * @param routeIndex see LivePacket
 */
export function livePacket(
  packet: TappedPacket,
  info: CaptureInfo | undefined,
  routeIndex: number,
): LivePacket {
  const { decision } = packet;
  return {
    timeS: packet.tsSec,
    timeNs: packet.tsNsec,
    netns: info?.netns ?? '',
    interface: info?.interface ?? '',
    linkType: packet.linkType,
    packetType: packet.pktType < 0 ? PACKET_TYPE_UNKNOWN : packet.pktType,
    wireLength: packet.wireLen,
    capturedLength: packet.capLen,
    octets: packet.octets,
    vlanTci: Math.max(0, packet.strippedTci),
    vlanTpid: packet.strippedTpid,
    route: decision === null ? '' : (decision.text ?? decision.type).slice(0, TEXT_MAX),
    verdict: decision?.verdict ?? '',
    routeIndex,
  };
}

/** A route decision as clients are told. */
export function liveRoute(decision: RouteDecision): RouteDecision {
  const { text, reason } = decision;
  return {
    ...decision,
    text: text?.slice(0, TEXT_MAX) ?? null,
    reason: reason?.slice(0, TEXT_MAX) ?? null,
  };
}

/** A flow record as clients are told; of a capture whose name nobody knows any more, without it. */
export function liveFlow(flow: TappedFlow, info: CaptureInfo | undefined): LiveFlow {
  const version = flow.ipVersion === 6 ? 6 : 4;
  return {
    flowId: flow.flowId,
    netns: info?.netns ?? '',
    interface: info?.interface ?? '',
    ipVersion: flow.ipVersion,
    protocol: flow.proto,
    src: formatAddress(Buffer.from(flow.src, 'hex'), 0, version),
    dst: formatAddress(Buffer.from(flow.dst, 'hex'), 0, version),
    hasPorts: flow.hasPorts,
    srcPort: flow.srcPort,
    dstPort: flow.dstPort,
    startS: flow.startSec,
    startNs: flow.startNsec,
    endS: flow.endSec,
    endNs: flow.endNsec,
    packetsFwd: flow.packetsFwd,
    packetsRev: flow.packetsRev,
    bytesFwd: flow.bytesFwd,
    bytesRev: flow.bytesRev,
    connState: flow.connState ?? '',
    endReason: flow.endReason ?? '',
    routeFwd: (flow.routeFwd ?? '').slice(0, TEXT_MAX),
    routeRev: (flow.routeRev ?? '').slice(0, TEXT_MAX),
  };
}
