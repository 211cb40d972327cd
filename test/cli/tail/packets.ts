import type { LivePacket } from '../../../daemon/control/messages.ts';
import type { RouteDecision } from '../../../storage/route-decision.ts';

/** A decision as the daemon gives it; what a test names differs from a plain forwarded packet. */
export function decision(given: Partial<RouteDecision> = {}): RouteDecision {
  return {
    type: 'unicast',
    verdict: 'forward',
    rule: 32766,
    table: 'main',
    prefix: '10.2.0.0/16',
    gateway: '10.0.0.1',
    dev: 'eth0',
    scope: 'global',
    protocol: 'static',
    metric: null,
    prefsrc: null,
    stage: 'forward',
    observed: 'agrees',
    confidence: 'exact',
    reason: null,
    text: '10.2.0.0/16 via 10.0.0.1 dev eth0',
    ...given,
  };
}

/** An Ethernet frame as a live packet of red/eth0, received whole; `routeIndex` 0. */
export function livePacket(octets: Uint8Array, given: Partial<LivePacket> = {}): LivePacket {
  return {
    timeS: 1_700_000_000,
    timeNs: 123_456_789,
    netns: 'red',
    interface: 'eth0',
    linkType: 1,
    packetType: 0,
    wireLength: octets.length,
    capturedLength: octets.length,
    octets,
    vlanTci: 0,
    vlanTpid: 0,
    route: '',
    verdict: '',
    routeIndex: 0,
    ...given,
  };
}
