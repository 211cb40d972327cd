import { formatAddress, formatMac } from '../decoders/address.ts';
import { communityId } from '../decoders/community-id.ts';
import { CONN_STATES, NONE_U8, TUNNEL_TYPES } from '../storage/flow-batch.ts';
import type { RouteDecision } from '../storage/route-decision.ts';
import type { LiveRankedFlow, LiveRankedGroup, LiveRanking } from './control/messages.ts';
import { liveRoute } from './live-records.ts';
import type { RankAnswer, RankedFlow, RankedGroup, RankPlace } from './rank/messages.ts';

/** Numbers of the decisions that an answer points at, each once. */
export function decisionsOf({ flows, groups }: RankAnswer): number[] {
  const numbers = [
    ...flows.flatMap(({ routeFwd, routeRev }) => [routeFwd, routeRev]),
    ...groups.map(({ route }) => route),
  ];
  return [...new Set(numbers)].filter((number) => number >= 0);
}

/**
 * A ranking as clients are told.
 * @param place    tells a capture; undefined: nobody knows its name any more
 * @param decision tells a decision by its number; undefined: it cannot be told just now
 */
export function liveRanking(
  answer: RankAnswer,
  place: (captureIndex: number) => RankPlace | undefined,
  decision: (number: number) => RouteDecision | undefined,
): LiveRanking {
  const routes: RouteDecision[] = [];
  const places = new Map<number, number>();
  const routeIndex = (number: number): number => {
    const known = places.get(number);
    if (known !== undefined) return known;
    const found = number < 0 ? undefined : decision(number);
    if (found !== undefined) routes.push(liveRoute(found));
    const index = found === undefined ? 0 : routes.length;
    places.set(number, index);
    return index;
  };
  return {
    intervalS: answer.intervalMs / 1000,
    windowS: answer.windowMs / 1000,
    matched: answer.matched,
    bytesPerS: answer.bytesPerS,
    packetsPerS: answer.packetsPerS,
    rows: answer.rows,
    flows: answer.flows.map((flow) => liveRankedFlow(flow, place(flow.captureIndex), routeIndex)),
    groups: answer.groups.map((group) => liveRankedGroup(group, place(group.captureIndex), routeIndex)),
    routes,
    cpuS: answer.cpuNs / 1e9,
  };
}

function liveRankedFlow(
  flow: RankedFlow,
  place: RankPlace | undefined,
  routeIndex: (number: number) => number,
): LiveRankedFlow {
  const c = flow.columns;
  const version = flow.ipVersion === 6 ? 6 : 4;
  const src = Buffer.from(flow.src, 'hex');
  const dst = Buffer.from(flow.dst, 'hex');
  const ports = { hasPorts: flow.hasPorts, srcPort: c.srcPort, dstPort: c.dstPort };
  return {
    flow: {
      flowId: 0,
      netns: place?.netns ?? '',
      interface: place?.interface ?? '',
      ipVersion: version,
      protocol: flow.proto,
      src: formatAddress(src, 0, version),
      dst: formatAddress(dst, 0, version),
      ...ports,
      startS: c.startSec,
      startNs: c.startNsec,
      endS: c.endSec,
      endNs: c.endNsec,
      packetsFwd: c.packetsFwd,
      packetsRev: c.packetsRev,
      bytesFwd: c.bytesFwd,
      bytesRev: c.bytesRev,
      connState: CONN_STATES[c.connState] ?? '',
      endReason: '',
      routeFwd: '',
      routeRev: '',
    },
    flowSeq: flow.seq,
    bytesFwdPerS: flow.bytesFwdPerS,
    bytesRevPerS: flow.bytesRevPerS,
    bytesPerSWindow: flow.bytesPerSWindow,
    packetsPerS: flow.packetsPerS,
    routeFwd: routeIndex(flow.routeFwd),
    routeRev: routeIndex(flow.routeRev),
    routeChanged: flow.isRouteChanged,
    vlan: flow.vlans,
    ipBytesFwd: c.ipBytesFwd,
    ipBytesRev: c.ipBytesRev,
    payloadBytesFwd: c.payloadBytesFwd,
    payloadBytesRev: c.payloadBytesRev,
    tcpFlagsFwd: c.tcpFlagsFwd,
    tcpFlagsRev: c.tcpFlagsRev,
    history: flow.history,
    ...known({ rttNs: c.rttNs }, -1),
    retransmitsFwd: c.retransmitsFwd,
    retransmitsRev: c.retransmitsRev,
    outOfOrderFwd: c.outOfOrderFwd,
    outOfOrderRev: c.outOfOrderRev,
    zeroWindowsFwd: c.zeroWindowsFwd,
    zeroWindowsRev: c.zeroWindowsRev,
    ...known(
      {
        ttlMinFwd: c.ttlMinFwd,
        ttlMaxFwd: c.ttlMaxFwd,
        ttlMinRev: c.ttlMinRev,
        ttlMaxRev: c.ttlMaxRev,
        dscpFwd: c.dscpFwd,
        dscpRev: c.dscpRev,
      },
      NONE_U8,
    ),
    srcMac: macText(flow.srcMac),
    dstMac: macText(flow.dstMac),
    communityId: communityId({ version, protocol: flow.proto, src, dst, ...ports }),
    tunnelType: TUNNEL_TYPES[flow.tunnelType] ?? '',
    ...known({ tunnelId: flow.tunnelId }, -1),
  };
}

function liveRankedGroup(
  group: RankedGroup,
  place: RankPlace | undefined,
  routeIndex: (number: number) => number,
): LiveRankedGroup {
  const { address, flows, bytes, packets, sentPerS, receivedPerS, bytesPerSWindow, packetsPerS } = group;
  const octets = Buffer.from(address, 'hex');
  return {
    netns: place?.netns ?? '',
    interface: group.route >= 0 ? '' : (place?.interface ?? ''),
    address: octets.length === 0 ? '' : formatAddress(octets, 0, octets.length === 16 ? 6 : 4),
    route: routeIndex(group.route),
    flows,
    bytes,
    packets,
    sentPerS,
    receivedPerS,
    bytesPerSWindow,
    packetsPerS,
  };
}

/** Without the fields that have the value that stands for none. */
function known<T extends Record<string, number>>(fields: T, none: number): Partial<T> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== none)) as Partial<T>;
}

function macText(mac: string | null): string {
  return mac === null ? '' : formatMac(Buffer.from(mac, 'hex'), 0);
}
