import type { FilterSubject } from './filter-subject.ts';
import { CONN_STATES, type FlowColumns, TUNNEL_TYPES } from './flow-batch.ts';
import { putAddress } from './net-set.ts';
import type { FlowRow } from './query.ts';
import type { RouteDecision } from './route-decision.ts';
import { clampNs, fromNs, toNs } from './time.ts';

/** IANA: the only protocol whose records have flags and retransmissions. */
const TCP = 6;
/** Whole seconds of the last time that 64 bits of nanoseconds hold. */
const INT64_MAX_SEC = 9_223_372_036;

/** Where a flow was captured. */
export interface SubjectPlace {
  readonly netns: string | null;
  readonly interface: string | null;
}

/** A flow as a filter sees it. One object for many flows: each `set…` replaces all of it. */
export class FlowSubject implements FilterSubject {
  flowId = -1;
  readonly addresses = new Int32Array(8);
  addressWords: 0 | 1 | 4 = 0;
  ipVersion = 0;
  proto = -1;
  srcPort = -1;
  dstPort = -1;
  netns: string | null = null;
  interface: string | null = null;
  vlanOuter = -1;
  vlanInner = -1;
  tunnelType = 0;
  tunnelId = -1;
  tunnelOuter = -1;
  connState = 0;
  tcpFlags = -1;
  bytes = 0;
  packets = 0;
  retransmits = -1;
  startSec = 0;
  startNsec = 0;
  endSec = 0;
  endNsec = 0;
  isRouteChanged = false;
  routeFwd: RouteDecision | null = null;
  routeRev: RouteDecision | null = null;

  route(direction: 0 | 1): RouteDecision | null {
    return direction === 0 ? this.routeFwd : this.routeRev;
  }

  /** Takes a flow as it is stored. */
  setRow(row: FlowRow): void {
    this.flowId = row.flowId;
    this.ipVersion = row.ipVersion;
    this.setAddresses(row.src, 0, row.dst, 0, row.src.length);
    this.proto = row.proto;
    this.srcPort = row.srcPort ?? -1;
    this.dstPort = row.dstPort ?? -1;
    this.netns = row.netns;
    this.interface = row.interface;
    this.vlanOuter = row.vlanOuter ?? -1;
    this.vlanInner = row.vlanInner ?? -1;
    this.tunnelType = TUNNEL_TYPES.indexOf(row.tunnelType);
    this.tunnelId = row.tunnelId ?? -1;
    this.tunnelOuter = row.tunnelOuterFlowId ?? -1;
    this.connState = CONN_STATES.indexOf(row.connState);
    this.tcpFlags =
      row.tcpFlagsFwd === null || row.tcpFlagsRev === null ? -1 : row.tcpFlagsFwd | row.tcpFlagsRev;
    this.bytes = row.bytesFwd + row.bytesRev;
    this.packets = row.packetsFwd + row.packetsRev;
    this.retransmits =
      row.retransmitsFwd === null || row.retransmitsRev === null
        ? -1
        : row.retransmitsFwd + row.retransmitsRev;
    ({ sec: this.startSec, nsec: this.startNsec } = fromNs(row.startNs));
    ({ sec: this.endSec, nsec: this.endNsec } = fromNs(row.endNs));
    this.isRouteChanged = row.routeChanges !== null;
    this.routeFwd = row.routeFwd;
    this.routeRev = row.routeRev;
  }

  /**
   * Takes record `i` of a batch, as it is before it is written. Allocates nothing.
   * @param place       of its `captureIndex`
   * @param flowId      of its `flowSeq`; -1: not known
   * @param tunnelOuter `flow_id` of its `outerSeq`; -1: none, or not known
   * @param decision    tells decisions by the numbers of the batch; never asked for a negative one
   */
  setRecord(
    c: FlowColumns,
    i: number,
    place: SubjectPlace,
    flowId: number,
    tunnelOuter: number,
    decision: (index: number) => RouteDecision | null,
  ): void {
    this.flowId = flowId;
    this.ipVersion = c.ipVersion[i]!;
    this.setAddresses(c.src, i * 16, c.dst, i * 16, this.ipVersion === 6 ? 16 : 4);
    this.proto = c.proto[i]!;
    const hasPorts = c.hasPorts[i] === 1;
    this.srcPort = hasPorts ? c.srcPort[i]! : -1;
    this.dstPort = hasPorts ? c.dstPort[i]! : -1;
    this.netns = place.netns;
    this.interface = place.interface;
    this.vlanOuter = c.vlanCount[i]! > 0 ? c.vlanOuter[i]! : -1;
    this.vlanInner = c.vlanCount[i]! > 1 ? c.vlanInner[i]! : -1;
    this.tunnelType = c.tunnelType[i]!;
    this.tunnelId = this.tunnelType === 0 ? -1 : c.tunnelId[i]!;
    this.tunnelOuter = this.tunnelType === 0 ? -1 : tunnelOuter;
    this.connState = c.connState[i]!;
    const isTcp = this.proto === TCP;
    this.tcpFlags = isTcp ? c.tcpFlagsFwd[i]! | c.tcpFlagsRev[i]! : -1;
    this.bytes = c.bytesFwd[i]! + c.bytesRev[i]!;
    this.packets = c.packetsFwd[i]! + c.packetsRev[i]!;
    this.retransmits = isTcp ? c.retransmitsFwd[i]! + c.retransmitsRev[i]! : -1;
    this.setTimes(c.startSec[i]!, c.startNsec[i]!, c.endSec[i]!, c.endNsec[i]!);
    this.isRouteChanged = c.routeOrigSide[i]! <= 1;
    const fwd = c.routeFwd[i]!;
    const rev = c.routeRev[i]!;
    this.routeFwd = fwd < 0 ? null : decision(fwd);
    this.routeRev = rev < 0 ? null : decision(rev);
  }

  /** @param octets of each: 4 or 16 */
  setAddresses(src: Uint8Array, srcOff: number, dst: Uint8Array, dstOff: number, octets: number): void {
    this.addressWords = putAddress(this.addresses, 0, src, srcOff, octets);
    putAddress(this.addresses, 4, dst, dstOff, octets);
  }

  /** Times as in FlowBatch; those that SQLite could not hold become the nearest that it can. */
  setTimes(startSec: number, startNsec: number, endSec: number, endNsec: number): void {
    this.startSec = startSec;
    this.startNsec = startNsec;
    this.endSec = endSec;
    this.endNsec = endNsec;
    if (Math.abs(startSec) >= INT64_MAX_SEC)
      ({ sec: this.startSec, nsec: this.startNsec } = fromNs(clampNs(toNs(startSec, startNsec))));
    if (Math.abs(endSec) >= INT64_MAX_SEC)
      ({ sec: this.endSec, nsec: this.endNsec } = fromNs(clampNs(toNs(endSec, endNsec))));
  }
}
