import pc from 'picocolors';
import type { Look } from '../../../cli/top/look.ts';
import { initialState, questionOf, type TopState, update } from '../../../cli/top/model.ts';
import type {
  LiveCapture,
  LiveRankedFlow,
  LiveRankedGroup,
  LiveRanking,
  LiveStatus,
} from '../../../daemon/control/messages.ts';
import type { RouteDecision } from '../../../storage/route-decision.ts';

export const NOW_MS = Date.UTC(2026, 10, 23, 10, 0, 0);

export const PLAIN: Look = { colors: pc.createColors(false), isUnicode: true };
export const ASCII: Look = { colors: pc.createColors(false), isUnicode: false };
export const COLORED: Look = { colors: pc.createColors(true), isUnicode: true };

export function decision(more: Partial<RouteDecision> = {}): RouteDecision {
  return {
    type: 'unicast',
    verdict: 'send',
    rule: 32766,
    table: 'main',
    prefix: '10.0.0.0/24',
    gateway: null,
    dev: 'eth0',
    scope: 'link',
    protocol: 'kernel',
    metric: null,
    prefsrc: null,
    stage: 'output',
    observed: 'agrees',
    confidence: 'exact',
    reason: null,
    text: '10.0.0.0/24 dev eth0 proto kernel scope link',
    ...more,
  };
}

/** A flow from port `seq`, with so many octets a second. */
export function flow(seq: number, rate: number, more: Partial<LiveRankedFlow> = {}): LiveRankedFlow {
  return {
    flow: {
      flowId: 0,
      netns: 'red',
      interface: 'eth0',
      ipVersion: 4,
      protocol: 6,
      src: '10.0.0.1',
      dst: '10.0.0.2',
      hasPorts: true,
      srcPort: seq,
      dstPort: 443,
      startS: NOW_MS / 1000 - 75,
      startNs: 0,
      endS: NOW_MS / 1000,
      endNs: 0,
      packetsFwd: 10,
      packetsRev: 8,
      bytesFwd: 10_000,
      bytesRev: 8000,
      connState: 'S1',
      endReason: '',
      routeFwd: '',
      routeRev: '',
    },
    flowSeq: seq,
    bytesFwdPerS: rate,
    bytesRevPerS: 0,
    bytesPerSWindow: rate / 2,
    packetsPerS: 12,
    routeFwd: 1,
    routeRev: 0,
    routeChanged: false,
    vlan: [],
    ipBytesFwd: 9000,
    ipBytesRev: 7000,
    payloadBytesFwd: 8000,
    payloadBytesRev: 6000,
    tcpFlagsFwd: 0x1a,
    tcpFlagsRev: 0x12,
    history: 'ShADad',
    rttNs: 1_234_567,
    retransmitsFwd: 1,
    retransmitsRev: 0,
    outOfOrderFwd: 0,
    outOfOrderRev: 0,
    zeroWindowsFwd: 0,
    zeroWindowsRev: 0,
    ttlMinFwd: 64,
    ttlMaxFwd: 64,
    srcMac: '02:00:00:00:00:01',
    dstMac: '02:00:00:00:00:02',
    communityId: '1:abc=',
    tunnelType: '',
    ...more,
  };
}

export function group(more: Partial<LiveRankedGroup> = {}): LiveRankedGroup {
  return {
    netns: 'red',
    interface: 'eth0',
    address: '10.0.0.1',
    route: 0,
    flows: 3,
    bytes: 5000,
    packets: 50,
    sentPerS: 100,
    receivedPerS: 50,
    bytesPerSWindow: 75,
    packetsPerS: 2,
    ...more,
  };
}

export function ranking(more: Partial<LiveRanking> = {}): LiveRanking {
  return {
    intervalS: 1,
    windowS: 10,
    matched: more.flows?.length ?? 0,
    bytesPerS: 0,
    packetsPerS: 0,
    rows: more.flows?.length ?? more.groups?.length ?? 0,
    flows: [],
    groups: [],
    routes: [decision()],
    cpuS: 0,
    ...more,
  };
}

export function capture(index: number, more: Partial<LiveCapture> = {}): LiveCapture {
  return {
    index,
    netns: 'red',
    netnsId: '4:1',
    interface: `eth${index}`,
    source: 'ring',
    filter: '',
    received: 0,
    kernelDrops: 0,
    duplicates: 0,
    packets: 0,
    bytes: 0,
    decoded: 0,
    undecoded: 0,
    truncated: 0,
    fragments: 0,
    tunnelled: 0,
    tunnelUndecoded: 0,
    shedRecords: 0,
    shedRouteChanges: 0,
    evictedFlows: 0,
    shedHints: 0,
    untrackedFlows: 0,
    aliveFlows: 0,
    cpuNs: 0,
    ...more,
  };
}

export function status(captures: LiveCapture[], more: Partial<LiveStatus> = {}): LiveStatus {
  return {
    nstap: '0.1.0',
    pid: 1,
    enginePid: 2,
    uptimeS: 3700,
    engineUptimeS: 3700,
    engineRestarts: 0,
    database: '/var/lib/nstap/flows.db',
    storageTrouble: '',
    flows: 60_000,
    maxFlows: 1_000_000,
    createdFlows: 0,
    queuedBatches: 1,
    maxQueuedBatches: 64,
    engineCpuS: 10,
    engineRssBytes: 310_000_000,
    clients: 1,
    maxClients: 64,
    refusedClients: 0,
    skippedPackets: 0,
    skippedFlows: 0,
    captures,
    ...more,
  };
}

/** How it begins, of the flows. @param height rows of the table */
export function begun(height = 10): TopState {
  return initialState({ view: 'flows', filter: { text: '', json: '' }, intervalS: 1, height });
}

/** As if the daemon had answered what the state asks for. */
export function answered(state: TopState, found: LiveRanking): TopState {
  return update(state, { type: 'ranking', ranking: found, question: questionOf(state) });
}
