import { communityId } from '../decoders/community-id.ts';
import type { Comparator, FilterNode, FlowQuantity, RouteTextField, Side } from './filter-ast.ts';
import type { FilterSubject } from './filter-subject.ts';
import { CONN_STATES } from './flow-batch.ts';
import { NetSet, takeAddress } from './net-set.ts';
import type { RouteDecision } from './route-decision.ts';
import { clampNs, fromNs } from './time.ts';

/** True for what a filter selects. Allocates nothing, but for a community id, which is made anew in some 2 us. */
export type Match = (subject: FilterSubject) => boolean;

/** Makes the test for flows of the experiments with these names, which depends on when those were: see experimentMatch. */
export type ExperimentMatch = (names: readonly string[]) => Match;

/** Protocols whose ports are type and code. */
const ICMP = 1;
const ICMPV6 = 58;

const NS_PER_SEC = 1_000_000_000;

/** Which orders of a value and that of the filter a comparator takes: bit 0 below, bit 1 the same, bit 2 above. */
const ACCEPTS: Readonly<Record<Comparator, number>> = {
  '<': 0b001,
  '=': 0b010,
  '<=': 0b011,
  '>': 0b100,
  '!=': 0b101,
  '>=': 0b110,
};

/**
 * The filter as a function: what filterToSql is for rows, for what is in memory, and the two always agree. What SQL calls NULL
 * is here simply not true: `not` is IS NOT TRUE there, so that no third value is ever seen.
 * @param experiment left out: experiments are not known here (see `inapplicable`)
 * @throws RangeError for an experiment when they are not known
 */
export function matcher(node: FilterNode, experiment: ExperimentMatch = noExperiments): Match {
  switch (node.kind) {
    case 'and':
      return every(node.nodes.map((each) => matcher(each, experiment)));
    case 'or':
      return some(node.nodes.map((each) => matcher(each, experiment)));
    case 'not': {
      const inner = matcher(node.node, experiment);
      return (s) => !inner(s);
    }
    case 'host':
      return netMatch(
        node.side,
        node.addresses.map((each) => ({ ...each, prefixLen: each.bytes.length * 8 })),
      );
    case 'net':
      return netMatch(node.side, node.nets);
    case 'port':
      return portMatch(node.side, node.comparator, node.values);
    case 'proto': {
      const numbers = sorted(node.numbers);
      return (s) => has(numbers, s.proto);
    }
    case 'ipVersion': {
      const { version } = node;
      return (s) => s.ipVersion === version;
    }
    case 'netns': {
      const names = textSet(node.names);
      return (s) => s.netns !== null && names.has(s.netns);
    }
    case 'interface': {
      const names = textSet(node.names);
      return (s) => s.interface !== null && names.has(s.interface);
    }
    case 'experiment':
      return experiment(node.names);
    case 'vlan': {
      if (node.ids === null) return (s) => s.vlanOuter >= 0;
      const ids = sorted(node.ids);
      return (s) => has(ids, s.vlanOuter) || has(ids, s.vlanInner);
    }
    case 'tunnel': {
      if (node.types === null) return (s) => s.tunnelType !== 0;
      const types = sorted(node.types);
      return (s) => s.tunnelType !== 0 && has(types, s.tunnelType);
    }
    case 'tunnelId': {
      const values = sorted(node.values);
      return (s) => has(values, s.tunnelId);
    }
    case 'tunnelOuter': {
      const values = sorted(node.values);
      return (s) => has(values, s.tunnelOuter);
    }
    case 'flowId': {
      const values = sorted(node.values);
      return (s) => has(values, s.flowId);
    }
    case 'communityId':
      return communityIdMatch(textSet(node.values));
    case 'state': {
      const codes = sorted(node.states.map((name) => CONN_STATES.indexOf(name as 'SF')));
      return (s) => s.connState !== 0 && has(codes, s.connState);
    }
    case 'flags': {
      const { mask } = node;
      return (s) => s.tcpFlags >= 0 && (s.tcpFlags & mask) === mask;
    }
    case 'quantity':
      return quantityMatch(node.field, node.comparator, clampNs(node.value));
    case 'route':
      return routeMatch(node.field, textSet(node.values));
    case 'routeRule':
      return ruleMatch(sorted(node.values));
    case 'routeChanged':
      return (s) => s.isRouteChanged;
  }
}

function noExperiments(names: readonly string[]): Match {
  throw new RangeError(`filter: experiment ${names.join(', ')} is not known here; ask the database`);
}

function every(all: readonly Match[]): Match {
  return (s) => {
    for (let i = 0; i < all.length; i++) if (!all[i]!(s)) return false;
    return true;
  };
}

function some(all: readonly Match[]): Match {
  return (s) => {
    for (let i = 0; i < all.length; i++) if (all[i]!(s)) return true;
    return false;
  };
}

function netMatch(side: Side, nets: ConstructorParameters<typeof NetSet>[0]): Match {
  const set = new NetSet(nets);
  const src: Match = (s) => set.has(s.addresses, 0, s.addressWords);
  const dst: Match = (s) => set.has(s.addresses, 4, s.addressWords);
  if (side === 'any') return (s) => src(s) || dst(s);
  return side === 'src' ? src : dst;
}

function portMatch(side: Side, comparator: Comparator, values: readonly number[]): Match {
  const ofSrc = side !== 'dst';
  const ofDst = side !== 'src';
  if (comparator === '=' || comparator === '!=') {
    const ports = sorted(values);
    const wanted = comparator === '=';
    return (s) =>
      hasPorts(s) && ((ofSrc && has(ports, s.srcPort)) || (ofDst && has(ports, s.dstPort))) === wanted;
  }
  const accepted = ACCEPTS[comparator];
  const port = values[0]!;
  return (s) =>
    hasPorts(s) &&
    ((ofSrc && accepts(accepted, order(s.srcPort, port))) ||
      (ofDst && accepts(accepted, order(s.dstPort, port))));
}

function hasPorts(s: FilterSubject): boolean {
  return s.srcPort >= 0 && s.proto !== ICMP && s.proto !== ICMPV6;
}

function quantityMatch(field: FlowQuantity, comparator: Comparator, value: bigint): Match {
  const accepted = ACCEPTS[comparator];
  if (field === 'duration') {
    const { sec, nsec } = fromNs(value);
    return (s) => accepts(accepted, orderDuration(s, sec, nsec));
  }
  // The value as the double next to it and below: where it lies above that, no double lies between them.
  const floor = floorDouble(value);
  const same = BigInt(floor) === value ? 0 : -1;
  const isAccepted = (is: number): boolean => accepts(accepted, is === floor ? same : order(is, floor));
  switch (field) {
    case 'bytes':
      return (s) => isAccepted(s.bytes);
    case 'packets':
      return (s) => isAccepted(s.packets);
    case 'retransmits':
      return (s) => s.retransmits >= 0 && isAccepted(s.retransmits);
    case 'pps':
      return (s) => tookTime(s) && isAccepted((s.packets * 1e9) / durationNs(s));
    case 'bps':
      return (s) => tookTime(s) && isAccepted((s.bytes * 8e9) / durationNs(s));
    case 'bpp':
      return (s) => s.packets !== 0 && isAccepted(s.bytes / s.packets);
  }
}

/** The largest double that is not above an integer of 64 bits. */
function floorDouble(value: bigint): number {
  const near = Number(value);
  if (BigInt(near) <= value) return near;
  const bits = new DataView(new ArrayBuffer(8));
  bits.setFloat64(0, near);
  bits.setBigInt64(0, bits.getBigInt64(0) + (near > 0 ? -1n : 1n));
  return bits.getFloat64(0);
}

function order(a: number, b: number): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function orderDuration(s: FilterSubject, sec: number, nsec: number): number {
  let ownSec = s.endSec - s.startSec;
  let ownNsec = s.endNsec - s.startNsec;
  if (ownNsec < 0) {
    ownSec -= 1;
    ownNsec += NS_PER_SEC;
  }
  return ownSec === sec ? order(ownNsec, nsec) : order(ownSec, sec);
}

function tookTime(s: FilterSubject): boolean {
  return s.endSec !== s.startSec || s.endNsec !== s.startNsec;
}

/** The double that is nearest to the nanoseconds: both terms are exact, so only their sum is rounded. */
function durationNs(s: FilterSubject): number {
  const sec = s.endSec - s.startSec;
  const whole = Math.floor(sec / 65_536);
  return whole * 65_536e9 + ((sec - whole * 65_536) * 1e9 + (s.endNsec - s.startNsec));
}

function accepts(accepted: number, ordered: number): boolean {
  return ((accepted >> (ordered + 1)) & 1) === 1;
}

function communityIdMatch(values: ReadonlySet<string>): Match {
  const src = new Uint8Array(16);
  const dst = new Uint8Array(16);
  return (s) => {
    if (s.addressWords === 0 || s.proto < 0) return false;
    takeAddress(s.addresses, 0, src);
    takeAddress(s.addresses, 4, dst);
    const id = communityId({
      version: s.addressWords === 4 ? 6 : 4,
      protocol: s.proto,
      src,
      dst,
      srcPort: Math.max(0, s.srcPort),
      dstPort: Math.max(0, s.dstPort),
      hasPorts: s.srcPort >= 0,
    });
    return values.has(id);
  };
}

function routeMatch(field: RouteTextField, values: ReadonlySet<string>): Match {
  const ofOne = (decision: RouteDecision | null): boolean => {
    const value = decision === null ? null : decision[field];
    return value !== null && values.has(value);
  };
  return (s) => ofOne(s.route(0)) || ofOne(s.route(1));
}

function ruleMatch(rules: Float64Array): Match {
  const ofOne = (decision: RouteDecision | null): boolean =>
    decision !== null && decision.rule !== null && has(rules, decision.rule);
  return (s) => ofOne(s.route(0)) || ofOne(s.route(1));
}

function sorted(values: readonly number[]): Float64Array {
  return Float64Array.from(values).sort();
}

/** Texts are stored as UTF-8, in which half a surrogate pair becomes U+FFFD. */
function textSet(texts: readonly string[]): ReadonlySet<string> {
  return new Set(texts.map((text) => text.toWellFormed()));
}

/** @param value negative: there is none @param values ascending */
function has(values: Float64Array, value: number): boolean {
  if (value < 0) return false;
  let low = 0;
  let high = values.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (values[middle]! < value) low = middle + 1;
    else high = middle;
  }
  return low < values.length && values[low] === value;
}
