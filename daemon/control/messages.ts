/** The messages of nstap.proto as objects: what the codec takes and gives. The meaning of each field is said there. */

import type { RouteDecision } from '../../storage/route-decision.ts';

/** Version of the protocol that this program speaks. */
export const CONTROL_VERSION = 1;

/** What was added within the version, see `revision` in nstap.proto. */
export const CONTROL_REVISION = 1;

/** Of namespaces and interfaces by name or pattern; '' stands for any where the request allows it. */
export interface Selection {
  netns: string;
  interface: string;
}

/** Which packets are wanted, as the request says it: `filter` is JSON of filter-json, or ''. */
export interface PacketsRequest extends Selection {
  filter: string;
  /** 0: the daemon's default. */
  snapLength: number;
}

/** What a request asks for: exactly one. */
export interface RequestBodies {
  hello: { version: number; client: string };
  status: Record<string, never>;
  netns: Record<string, never>;
  interfaces: { netns: string };
  routes: { netns: string };
  addCapture: Selection;
  removeCapture: Selection;
  packets: PacketsRequest;
  flows: Selection;
  cancel: { id: number };
  reload: Record<string, never>;
  experimentStart: { name: string; netns: string };
  /** By id; 0: by name; '' too: the one started last. */
  experimentStop: { name: string; experimentId: number };
  checkpoint: Record<string, never>;
  rank: RankBody;
}
export type RequestKind = keyof RequestBodies;

/** A request with what it asks for. */
export type ControlRequest = {
  [K in RequestKind]: { id: number; kind: K; body: RequestBodies[K] };
}[RequestKind];

/** As the request says it; `filter` as of encodeFilter, or ''. */
export interface RankBody {
  view: string;
  filter: string;
  sort: string;
  ascending: boolean;
  limit: number;
  intervalS: number;
}

export interface Welcome {
  version: number;
  nstap: string;
  pid: number;
  enginePid: number;
  revision: number;
}

export interface LiveCapture {
  index: number;
  netns: string;
  netnsId: string;
  interface: string;
  source: string;
  filter: string;
  received: number;
  kernelDrops: number;
  duplicates: number;
  packets: number;
  bytes: number;
  decoded: number;
  undecoded: number;
  truncated: number;
  fragments: number;
  tunnelled: number;
  tunnelUndecoded: number;
  shedRecords: number;
  shedRouteChanges: number;
  evictedFlows: number;
  shedHints: number;
  untrackedFlows: number;
  aliveFlows: number;
  cpuNs: number;
}

export interface LiveStatus {
  nstap: string;
  pid: number;
  enginePid: number;
  uptimeS: number;
  engineUptimeS: number;
  engineRestarts: number;
  database: string;
  storageTrouble: string;
  flows: number;
  maxFlows: number;
  createdFlows: number;
  queuedBatches: number;
  maxQueuedBatches: number;
  engineCpuS: number;
  engineRssBytes: number;
  clients: number;
  maxClients: number;
  refusedClients: number;
  skippedPackets: number;
  skippedFlows: number;
  captures: LiveCapture[];
}

export interface LiveNetns {
  netns: string;
  netnsId: string;
  interfaces: number;
  captured: number;
  reason: string;
}

export interface LiveInterface {
  netns: string;
  netnsId: string;
  interface: string;
  ifIndex: number;
  up: boolean;
  captured: boolean;
  reason: string;
}

export interface LiveExperiment {
  experimentId: number;
  name: string;
  number: number;
  netns: string;
  startedS: number;
  startedNs: number;
  running: boolean;
  endedS: number;
  endedNs: number;
}

export interface LivePacket {
  timeS: number;
  timeNs: number;
  netns: string;
  interface: string;
  linkType: number;
  packetType: number;
  wireLength: number;
  capturedLength: number;
  octets: Uint8Array;
  vlanTci: number;
  vlanTpid: number;
  route: string;
  verdict: string;
  /** Place in `routes` of its message, from 1 on; 0: none. */
  routeIndex: number;
}

export interface LiveFlow {
  flowId: number;
  netns: string;
  interface: string;
  ipVersion: number;
  protocol: number;
  src: string;
  dst: string;
  hasPorts: boolean;
  srcPort: number;
  dstPort: number;
  startS: number;
  startNs: number;
  endS: number;
  endNs: number;
  packetsFwd: number;
  packetsRev: number;
  bytesFwd: number;
  bytesRev: number;
  connState: string;
  endReason: string;
  routeFwd: string;
  routeRev: string;
}

/** A living flow with its rates; what is not known of it is left out. */
export interface LiveRankedFlow {
  flow: LiveFlow;
  flowSeq: number;
  bytesFwdPerS: number;
  bytesRevPerS: number;
  bytesPerSWindow: number;
  packetsPerS: number;
  /** Places in the ranking's `routes`, from 1 on; 0: none. */
  routeFwd: number;
  routeRev: number;
  routeChanged: boolean;
  vlan: number[];
  ipBytesFwd: number;
  ipBytesRev: number;
  payloadBytesFwd: number;
  payloadBytesRev: number;
  tcpFlagsFwd: number;
  tcpFlagsRev: number;
  history: string;
  rttNs?: number;
  retransmitsFwd: number;
  retransmitsRev: number;
  outOfOrderFwd: number;
  outOfOrderRev: number;
  zeroWindowsFwd: number;
  zeroWindowsRev: number;
  ttlMinFwd?: number;
  ttlMaxFwd?: number;
  ttlMinRev?: number;
  ttlMaxRev?: number;
  dscpFwd?: number;
  dscpRev?: number;
  srcMac: string;
  dstMac: string;
  communityId: string;
  tunnelType: string;
  tunnelId?: number;
}

export interface LiveRankedGroup {
  netns: string;
  interface: string;
  address: string;
  route: number;
  flows: number;
  bytes: number;
  packets: number;
  sentPerS: number;
  receivedPerS: number;
  bytesPerSWindow: number;
  packetsPerS: number;
}

export interface LiveRanking {
  intervalS: number;
  windowS: number;
  matched: number;
  bytesPerS: number;
  packetsPerS: number;
  rows: number;
  flows: LiveRankedFlow[];
  groups: LiveRankedGroup[];
  routes: RouteDecision[];
  cpuS: number;
}

/** A message of a stream: what came, and what was left out since the one before. */
export interface PacketsMessage {
  packets: LivePacket[];
  skippedClient: number;
  skipped: number;
  matched: number;
  routes: RouteDecision[];
}
export interface FlowsMessage {
  flows: LiveFlow[];
  skippedClient: number;
  skipped: number;
}

/** What a response may carry. */
export interface ResponseBodies {
  welcome: Welcome;
  status: LiveStatus;
  netns: { netns: LiveNetns[] };
  interfaces: { interfaces: LiveInterface[] };
  routes: { snapshot: string };
  capture: { captured: number };
  experiment: LiveExperiment;
  packets: PacketsMessage;
  flows: FlowsMessage;
  ranking: LiveRanking;
}
export type ResponseKind = keyof ResponseBodies;

/** The body of a response, by its kind; an answer without one (reload, cancel, checkpoint) is {}. */
export type ResponseBody = { [K in ResponseKind]?: ResponseBodies[K] };

export interface ControlResponse extends ResponseBody {
  id: number;
  end: boolean;
  error: { code: string; message: string } | null;
}
