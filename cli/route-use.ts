import { tableNames } from '../daemon/netlink/names.ts';
import type { RouteSnapshot, SnapshotRoute, SnapshotRule } from '../daemon/routes/snapshot.ts';
import type { RouteDecision, RouteStage } from '../storage/route-decision.ts';
import type { RouteUseHead, RouteUseSink, UsedFlow } from '../storage/route-use.ts';
import { toNs } from '../storage/time.ts';

/** Flows, and the packets and octets (of frames) that they sent the way in question. */
export interface UseCounts {
  flows: number;
  packets: number;
  bytes: number;
}

/** How a route was used. */
export interface RouteUsage extends UseCounts {
  /** By direction of the flow: packets of the originator, and of the other end. */
  fwd: UseCounts;
  rev: UseCounts;
  /** Sent from here; passed on; come in and delivered, or dropped. */
  output: UseCounts;
  forward: UseCounts;
  input: UseCounts;
  /** Flows that went this way for a time, and another one at the end, where they are counted. */
  left: number;
  /** The latest end of a flow, in nanoseconds since the epoch; null: none. */
  lastNs: bigint | null;
}

/** What was used and is no route of the tables. */
export interface OtherUsage {
  decision: RouteDecision;
  usage: RouteUsage;
}

const NONE: ReadonlySet<string> = new Set();

/** Where a direction of a flow counts: the same for every flow with that decision. */
interface Place {
  /** Of the route, or of what it was used instead; then of the rule. */
  usages: readonly Tally[];
  stage: RouteStage | null;
}

/** A usage while flows are counted. */
interface Tally {
  usage: RouteUsage;
  lastSec: number;
  lastNsec: number;
}

/**
 * Counts flows by the routes and rules of a snapshot that decided them: a route is the same when table, prefix, type, metric and
 * the chosen next hop are. A packet that was seen at two interfaces of the namespace counts once, where it left.
 */
export class TableUsage implements RouteUseSink {
  /** All flows that were looked at. */
  flows = 0;
  /** Interfaces that there are captures of, and "dev:inode" of the namespaces that had the name. */
  captured: ReadonlySet<string> = NONE;
  netnsIds: readonly string[] = [];
  readonly #snapshot: RouteSnapshot;
  #find: RouteFinder;
  readonly #routes = new Map<SnapshotRoute, Tally>();
  readonly #rules = new Map<SnapshotRule, Tally>();
  readonly #others = new Map<string, { decision: RouteDecision; tally: Tally }>();
  readonly #places = new Map<RouteDecision, Place>();

  constructor(snapshot: RouteSnapshot) {
    this.#snapshot = snapshot;
    this.#find = new RouteFinder(snapshot, []);
  }

  begin({ captured, netnsIds, prefixes }: RouteUseHead): void {
    this.captured = captured;
    this.netnsIds = netnsIds;
    this.#find = new RouteFinder(this.#snapshot, prefixes);
  }

  flow(flow: UsedFlow): void {
    this.flows++;
    const { fwd, rev } = flow;
    const first = fwd !== null && !this.#isSeenElsewhere(fwd, flow) ? this.#place(fwd) : null;
    if (first !== null)
      for (const tally of first.usages) {
        tally.usage.flows++;
        count(tally, tally.usage.fwd, first.stage, flow.packetsFwd, flow.bytesFwd, flow);
      }
    if (rev === null || this.#isSeenElsewhere(rev, flow)) return;
    const place = this.#place(rev);
    for (const tally of place.usages) {
      const isCounted = first?.usages.includes(tally) === true;
      if (!isCounted) tally.usage.flows++;
      count(tally, tally.usage.rev, place.stage, flow.packetsRev, flow.bytesRev, flow);
      // In both directions at the same stage it is still one flow there.
      if (isCounted && place.stage !== null && place.stage === first!.stage) tally.usage[place.stage].flows--;
    }
  }

  left(decision: RouteDecision, flows: number): void {
    this.#place(decision).usages[0]!.usage.left += flows;
  }

  /** undefined: not used. */
  ofRoute(route: SnapshotRoute): RouteUsage | undefined {
    return finished(this.#routes.get(route));
  }

  ofRule(rule: SnapshotRule): RouteUsage | undefined {
    return finished(this.#rules.get(rule));
  }

  /** Routes that flows used and that are not in the tables (any more), the most used first. */
  get gone(): OtherUsage[] {
    return this.#sorted().filter(({ decision }) => decision.prefix !== null);
  }

  /** Decisions without a route: no_route, martian, not_routed, unknown, …; one of each type, verdict, reason and device. */
  get other(): OtherUsage[] {
    return this.#sorted().filter(({ decision }) => decision.prefix === null);
  }

  #sorted(): OtherUsage[] {
    return [...this.#others.values()]
      .map(({ decision, tally }) => ({ decision, usage: finished(tally)! }))
      .sort((a, b) => b.usage.bytes - a.usage.bytes);
  }

  #place(decision: RouteDecision): Place {
    let place = this.#places.get(decision);
    if (place === undefined) {
      const route = this.#find.route(decision);
      const rule = this.#find.rule(decision);
      const usages = [route === null ? this.#other(decision) : tallyIn(this.#routes, route)];
      if (rule !== null) usages.push(tallyIn(this.#rules, rule));
      place = { usages, stage: stageOf(decision) };
      this.#places.set(decision, place);
    }
    return place;
  }

  #other(decision: RouteDecision): Tally {
    const { type, verdict, table, prefix, text, gateway, dev, reason } = decision;
    const key = JSON.stringify(
      prefix === null ? [type, verdict, reason, dev] : [table, prefix, text, gateway, dev],
    );
    let other = this.#others.get(key);
    if (other === undefined) {
      other = { decision, tally: newTally() };
      this.#others.set(key, other);
    }
    return other.tally;
  }

  /**
   * A packet that is forwarded is seen coming in and going out, and one that leaves by a VLAN or a bond on the device below as
   * well. It counts where it leaves by the device of its route, if that is captured.
   */
  #isSeenElsewhere({ stage, verdict, dev, observed }: RouteDecision, flow: UsedFlow): boolean {
    if (verdict === 'drop' || dev === null || dev === flow.interface || !this.captured.has(dev)) return false;
    return (stage === 'input' && verdict === 'forward') || observed === 'agrees';
  }
}

/** What comes in to be forwarded is counted with what was seen leaving: `input` is for what goes no further. */
function stageOf({ stage, verdict }: RouteDecision): RouteStage | null {
  return verdict === 'forward' ? 'forward' : stage;
}

function count(
  tally: Tally,
  direction: UseCounts,
  stage: RouteStage | null,
  packets: number,
  bytes: number,
  { endSec, endNsec }: UsedFlow,
): void {
  const { usage } = tally;
  usage.packets += packets;
  usage.bytes += bytes;
  direction.flows++;
  direction.packets += packets;
  direction.bytes += bytes;
  if (stage !== null) {
    const part = usage[stage];
    part.flows++;
    part.packets += packets;
    part.bytes += bytes;
  }
  if (endSec < tally.lastSec || (endSec === tally.lastSec && endNsec <= tally.lastNsec)) return;
  tally.lastSec = endSec;
  tally.lastNsec = endNsec;
}

function newTally(): Tally {
  return { usage: noUsage(), lastSec: -Infinity, lastNsec: 0 };
}

function tallyIn<K>(tallies: Map<K, Tally>, key: K): Tally {
  let tally = tallies.get(key);
  if (tally === undefined) {
    tally = newTally();
    tallies.set(key, tally);
  }
  return tally;
}

function finished(tally: Tally | undefined): RouteUsage | undefined {
  if (tally !== undefined && tally.lastSec !== -Infinity)
    tally.usage.lastNs = toNs(tally.lastSec, tally.lastNsec);
  return tally?.usage;
}

/** A usage of nothing. */
export function noUsage(): RouteUsage {
  const none = (): UseCounts => ({ flows: 0, packets: 0, bytes: 0 });
  return {
    ...none(),
    fwd: none(),
    rev: none(),
    output: none(),
    forward: none(),
    input: none(),
    left: 0,
    lastNs: null,
  };
}

/** Finds what a decision was made by. */
class RouteFinder {
  /** Routes of the prefixes that decisions name, by family, table and prefix; the others need no room. */
  readonly #routes = new Map<string, SnapshotRoute[]>();
  readonly #rules = new Map<string, SnapshotRule[]>();

  constructor(snapshot: RouteSnapshot, prefixes: RouteUseHead['prefixes']) {
    for (const { table, prefix } of prefixes) this.#routes.set(keyOf({ table, prefix }), []);
    if (this.#routes.size > 0)
      for (const route of snapshot.routes)
        this.#routes.get(routeKey(route.family, tableNames.name(route.table), route.prefix))?.push(route);
    for (const rule of snapshot.rules) {
      const key = `${rule.family} ${rule.priority}`;
      const same = this.#rules.get(key);
      if (same === undefined) this.#rules.set(key, [rule]);
      else same.push(rule);
    }
  }

  /** Of several that are the same it is the first: that is the one which the kernel takes. */
  route(decision: RouteDecision): SnapshotRoute | null {
    if (decision.prefix === null) return null;
    return this.#routes.get(keyOf(decision))?.find((route) => isSame(route, decision)) ?? null;
  }

  /** The rule of that preference; of several the one with the decision's table. null also where the family is not known. */
  rule({ rule, table, prefix, gateway, type }: RouteDecision): SnapshotRule | null {
    if (rule === null) return null;
    const isSix = (prefix ?? gateway)?.includes(':');
    const families = isSix === undefined ? [4, 6] : [isSix ? 6 : 4];
    const same = families.flatMap((family) => this.#rules.get(`${family} ${rule}`) ?? []);
    const fitting = same.filter(({ action, table: own }) =>
      action === 'lookup' ? tableNames.name(own) === table : action === type,
    );
    const found = fitting.length > 0 ? fitting : same;
    return isSix === undefined && found.length > 1 ? null : (found[0] ?? null);
  }
}

function keyOf({ table, prefix }: Pick<RouteDecision, 'table' | 'prefix'>): string {
  return routeKey(prefix?.includes(':') ? 6 : 4, table ?? '', prefix ?? '');
}

function routeKey(family: number, table: string, prefix: string): string {
  return `${family} ${table} ${prefix}`;
}

function isSame(route: SnapshotRoute, { type, metric, gateway, dev }: RouteDecision): boolean {
  const own = route.nhBlackhole === true ? 'blackhole' : route.type;
  if (type !== own && type !== 'unknown') return false;
  if (metric !== route.metric) return false;
  const [first] = route.nextHops;
  if (first === undefined) return gateway === null;
  // A packet that was dropped before a next hop was chosen has none.
  if (gateway === null && dev === null) return true;
  return route.nextHops.some((hop) => hop.gateway === gateway && hop.dev === dev);
}
