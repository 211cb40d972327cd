import { close } from '../kernel/libc.ts';
import * as k from '../kernel/netlink-constants.ts';
import type { NetlinkSocket } from '../kernel/netlink-socket.ts';
import { NetlinkClient } from '../netlink/dump.ts';
import type { LinkNames } from '../netlink/family.ts';
import type { KernelRouteQuery } from '../netlink/get-route.ts';
import { dumpGroups4 } from '../netlink/multicast.ts';
import { probeMemory } from '../netlink/probe.ts';
import { type NexthopObject, parseRoute } from '../netlink/route.ts';
import { RouteKey } from '../netlink/route-key.ts';
import {
  type ContextDump,
  dumpContext,
  dumpLinks,
  dumpRoutes,
  linkNames,
  type RoutingMemory,
} from '../netlink/rtnetlink.ts';
import { readAllSettings } from './all-settings.ts';
import { assembleContext, expandNexthop, takenNow } from './assemble.ts';
import { Applied, MirrorTables } from './mirror-tables.ts';
import { Effect, effectOf } from './notification.ts';
import { RawShapes } from './raw-shapes.ts';
import type { RouteTables } from './route-tables.ts';
import type { RouteSnapshot, SnapshotGroup } from './snapshot.ts';
import type { RouteContext, RouteUpdate } from './update.ts';
import { askKernel, type KernelAnswer } from './verify.ts';
import { wallClockMs } from './wall-clock.ts';

/** Rounds of dumps within one load, while notifications keep saying that something changed meanwhile. */
const LOAD_ROUNDS = 4;

const UNKNOWN_MEMORY: RoutingMemory = { mergedTables4: null, customLocalRoutes4: null, customRules6: null };

/** What else the kernel may not have told is read with each of so many polls. */
const POLLS_EACH = 10;

/** A notification of a route that came while the routes were read. */
interface Queued {
  type: number;
  flags: number;
  view: DataView;
}

/**
 * Follows the routing of one namespace over one netlink socket. Everything is synchronous, for a thread that blocks in
 * poll over several of them: poll `fd` for POLLIN, then `drain`, then `take` when it said true.
 *
 * Single route changes are applied as they are told. The routes are read anew when an interface changes state, an address
 * comes or goes, or a next hop object changes, because the kernel then removes or revives routes without a word
 * (fib_sync_down_dev, fib_sync_up, fib_sync_down_addr send no message), and when a message does not say where among
 * equals its route belongs. Rules, settings and names are read anew alone.
 */
export class RouteMirror {
  readonly netns: string;
  /** Times the routes were read anew because notifications were lost (ENOBUFS) or a dump stayed inconsistent. */
  resyncs = 0;
  /** Times the routes were read anew because of a change that is not applied by itself. */
  reloads = 0;
  /** Single route changes applied. */
  applied = 0;
  readonly #socket: NetlinkSocket;
  #settings: readonly number[];
  readonly #client: NetlinkClient;
  readonly #tables = new MirrorTables();
  readonly #raw = new RawShapes();
  readonly #key = new RouteKey();
  #context: ContextDump | null = null;
  /** Of the context, for routes that are parsed. */
  #nameOf: LinkNames = () => null;
  #nexthops = new Map<number, NexthopObject>();
  #groups: SnapshotGroup[] | null = null;
  /** What `poll` found last, as text, and how often since. */
  #polled = '';
  #polls = 0;
  /** What the kernel remembers of IPv4 rules that are gone has to be found out anew. */
  #rulesTold = true;
  /** What those who follow know of the context, as text; '' before the first update. */
  #told = '';
  #routesStale = true;
  #contextStale = true;
  #changed = false;
  /** When the first change was told that was not taken yet, in milliseconds since the epoch; 0: none was. */
  #toldAtMs = 0;
  /** What `client.lost` was when everything that was lost had been read anew, or was known to have to be. */
  #lost = 0;
  /** The context is being read: nobody can say whether it holds a change that is told meanwhile. */
  #readsContext = false;
  /** Routes told while the routes are read: they are applied behind the dump, which may hold them or not. */
  #queue: Queued[] | null = null;

  /**
   * @param socket   in the groups `ROUTE_GROUPS`; owned by the mirror from now on
   * @param settings files of `openAllSettings`; owned as well. Without them those settings are not known
   */
  constructor(socket: NetlinkSocket, netns: string, settings: readonly number[] = []) {
    this.#socket = socket;
    this.#settings = settings;
    this.#client = new NetlinkClient(socket);
    this.#client.onNotification = (type, view, off, end, flags) =>
      this.#notified(type, view, off, end, flags);
    this.netns = netns;
  }

  /** Descriptor to poll for POLLIN. */
  get fd(): number {
    return this.#socket.fd;
  }

  /** Dumps that were asked again because the table changed while it was read (NLM_F_DUMP_INTR). */
  get interrupted(): number {
    return this.#client.interrupted;
  }

  /** Routes in all tables. */
  get size(): number {
    return this.#tables.size;
  }

  /** True when something changed since the last `take` or `snapshot`. */
  get hasChanged(): boolean {
    return this.#changed;
  }

  /** Name of an interface, or null. */
  linkName(ifIndex: number): string | null {
    return this.#nameOf(ifIndex);
  }

  /** Asks the kernel for its own decision, see `askKernel`. @throws NetlinkError, SyscallError */
  ask(query: Omit<KernelRouteQuery, 'fibMatch'>): KernelAnswer {
    try {
      return askKernel(this.#client, query, this.#nameOf, `a sample in ${this.netns}`);
    } finally {
      this.#noticeLoss();
    }
  }

  /** True when `take` will read the routes anew. */
  get isStale(): boolean {
    return this.#routesStale;
  }

  /**
   * Reads everything.
   * @throws NetlinkError, SyscallError; what was known before stays
   */
  load(): void {
    for (let round = 1; ; round++) {
      // What was told so far is part of the dump that follows.
      this.#client.drain();
      this.#lost = this.#client.lost;
      this.#readContext();
      const consistent = this.#readRoutes();
      const lost = this.#client.lost !== this.#lost;
      this.#lost = this.#client.lost;
      if (lost || !consistent || !this.#context!.consistent) this.resyncs++;
      if (lost || !consistent) this.#routesStale = true;
      if (!this.#routesStale && !this.#contextStale) return;
      // Changes that came during the dump: read again, but a namespace that never rests must not hold us here.
      if (round === LOAD_ROUNDS) return;
    }
  }

  /**
   * Takes in the notifications that are there.
   * @returns true when something changed since the last `take` or `snapshot` @throws NetlinkError, SyscallError
   */
  drain(): boolean {
    this.#client.drain();
    this.#noticeLoss();
    return this.#changed;
  }

  /**
   * Looks at what changes without a word: settings (accept_local, src_valid_mark, route_localnet), before Linux 6.15 groups.
   * @returns true when the next `take` reads the context anew @throws NetlinkError, SyscallError
   */
  poll(): boolean {
    const links = dumpLinks(this.#client, this.netns).items;
    const groups = dumpGroups4(this.#client, this.netns);
    const found = JSON.stringify([links, groups, readAllSettings(this.#settings)]);
    this.#noticeLoss();
    if (found === this.#polled && ++this.#polls < POLLS_EACH) return false;
    this.#polled = found;
    this.#polls = 0;
    this.#contextStale = true;
    this.#changed = true;
    return true;
  }

  /** To be told that the routes may be others though nobody said so. */
  suspect(): void {
    this.#routesStale = true;
    this.#contextStale = true;
    this.#mark();
  }

  /**
   * What changed since the last call; the first time everything. Reads anew first what could not be applied by itself.
   * @returns null when nothing did after all @throws NetlinkError, SyscallError
   */
  take(): RouteUpdate | null {
    this.#refresh();
    // A setting that changed without a word did so some time before.
    const atMs = this.#toldAtMs === 0 ? wallClockMs() : this.#toldAtMs;
    this.#toldAtMs = 0;
    const context = this.#makeContext();
    const text = JSON.stringify({ ...context, takenAt: null });
    const isFull = this.#told === '';
    const isNew = text !== this.#told;
    this.#told = text;
    const { shapes, ops } = this.#tables.take();
    if (this.#tables.releaseUnused()) this.#raw.clear();
    if (!isNew && ops.length === 0) return null;
    return { isFull, atMs, context: isNew ? context : null, shapes, ops };
  }

  /** Everything, for somebody who knows nothing yet; `take` is not affected. @throws as `take` */
  full(): RouteUpdate {
    this.#refresh();
    return { isFull: true, atMs: wallClockMs(), context: this.#makeContext(), ...this.#tables.full() };
  }

  /**
   * The tables as they are now, as one object; reads them anew first when a change could not be applied by itself.
   * @throws NetlinkError, SyscallError
   */
  snapshot(): RouteSnapshot {
    this.#refresh();
    const { links, addresses, rules, sysctls, ...head } = this.#makeContext();
    return { ...head, links, addresses, rules, routes: this.#tables.routes(), sysctls };
  }

  /** Closes the socket and the files. Idempotent. */
  close(): void {
    this.#socket.close();
    for (const fd of this.#settings) close(fd);
    this.#settings = [];
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #makeContext(): RouteContext {
    const context = assembleContext(this.#context!, this.netns, takenNow());
    Object.assign(context.sysctls, readAllSettings(this.#settings));
    // Remembered by the kernel when the route is long gone.
    if (this.#tables.index.hasCustomLocal) context.sysctls.customLocalRoutes4 = true;
    if (this.#groups !== null) context.groups = this.#groups;
    return context;
  }

  #refresh(): void {
    // The context alone, when that is enough; it may turn out that it is not.
    for (let round = 0; this.#contextStale && !this.#routesStale && round < LOAD_ROUNDS; round++)
      this.#readContext();
    this.#noticeLoss();
    if (this.#routesStale) {
      this.reloads++;
      this.load();
    }
    this.#changed = this.#routesStale || this.#contextStale;
  }

  /** Notifications may be lost whenever the kernel is asked something. */
  #noticeLoss(): void {
    if (this.#client.lost === this.#lost) return;
    this.#lost = this.#client.lost;
    this.resyncs++;
    this.suspect();
  }

  #readContext(): void {
    this.#contextStale = false;
    this.#readsContext = true;
    try {
      const context = dumpContext(this.#client, this.netns);
      // Names are part of routes.
      if (this.#context !== null && hasRenamed(this.#context.links, context.links)) this.#routesStale = true;
      context.memory = this.#context?.memory ?? UNKNOWN_MEMORY;
      this.#context = context;
      this.#nameOf = linkNames(context.links);
      this.#nexthops = new Map(context.nexthops.map((object) => [object.id, object]));
      this.#groups = dumpGroups4(this.#client, this.netns);
      if (this.#rulesTold && this.#tables.size > 0) this.#probe();
    } catch (error) {
      this.#contextStale = true;
      throw error;
    } finally {
      this.#readsContext = false;
    }
  }

  /** @returns false when the table kept changing while it was read */
  #readRoutes(): boolean {
    const fresh = this.#tables.startOver();
    this.#routesStale = false;
    this.#raw.clear();
    this.#queue = [];
    let isConsistent: boolean;
    try {
      isConsistent = dumpRoutes(
        this.#client,
        this.netns,
        (family) => fresh.clear(family),
        (_type, view, off, end) => this.#readRoute(fresh, view, off, end),
      );
    } catch (error) {
      this.#queue = null;
      this.#routesStale = true;
      throw error;
    }
    this.#tables.settle(fresh);
    this.#probe();
    const queue = this.#queue;
    this.#queue = null;
    for (const { type, flags, view } of queue) this.#applyRoute(type, view, 0, view.byteLength, flags, true);
    return isConsistent;
  }

  #probe(): void {
    const context = this.#context!;
    context.memory = probeMemory(this.#client, context, this.#tables, this.netns, context.memory);
    this.#rulesTold = false;
  }

  #readRoute(into: RouteTables, view: DataView, off: number, end: number): void {
    const key = this.#key;
    if (!key.read(view, off, end)) return;
    const shape = this.#shapeOf(view, off, end);
    into.insert(
      into.table(key.family, key.table),
      key.prefix,
      key.prefixLen,
      shape,
      this.#tables.index.orders,
    );
  }

  /** The shape of the message that `#key` has read. */
  #shapeOf(view: DataView, off: number, end: number): number {
    const known = this.#raw.get(this.#key);
    if (known >= 0) return known;
    const route = parseRoute(view, off, end, this.#nameOf)!;
    const shape = this.#tables.index.idOf(expandNexthop(route, this.#nexthops));
    this.#raw.set(this.#key, shape);
    return shape;
  }

  #notified(type: number, view: DataView, off: number, end: number, flags: number): void {
    // While the context is read nobody can say whether it holds a change already.
    const effect = effectOf(type, view, off, end, this.#readsContext ? null : this.#context);
    if (effect === Effect.None) return;
    this.#mark();
    if (effect === Effect.Route) {
      if (this.#queue !== null) {
        const bytes = new Uint8Array(view.buffer, view.byteOffset + off, end - off).slice();
        this.#queue.push({ type, flags, view: new DataView(bytes.buffer) });
      } else if (!this.#routesStale) this.#applyRoute(type, view, off, end, flags, this.#readsContext);
      return;
    }
    this.#contextStale = true;
    if (effect === Effect.Rules) this.#rulesTold = true;
    if (effect === Effect.Routes) this.#routesStale = true;
  }

  /** The kernel told that something is other than what was taken last. */
  #mark(): void {
    if (this.#toldAtMs === 0) this.#toldAtMs = wallClockMs();
    this.#changed = true;
  }

  #applyRoute(
    type: number,
    view: DataView,
    off: number,
    end: number,
    flags: number,
    isRepeated: boolean,
  ): void {
    const key = this.#key;
    if (this.#routesStale || !key.read(view, off, end)) return;
    const shape = this.#shapeOf(view, off, end);
    const applied = this.#tables.change(key.family, key.table, key.prefix, key.prefixLen, shape, {
      isRemoval: type === k.RTM_DELROUTE,
      isReplacement: (flags & k.NLM_F_REPLACE) !== 0,
      isRepeated,
    });
    if (applied === Applied.Yes) this.applied++;
    else if (applied === Applied.Unclear) this.#routesStale = true;
  }
}

/** True when an interface has another name; one that came or went has no routes, or is told in other ways. */
function hasRenamed(before: ContextDump['links'], now: ContextDump['links']): boolean {
  const names = linkNames(before);
  return now.some(({ ifIndex, name }) => (names(ifIndex) ?? name) !== name);
}
