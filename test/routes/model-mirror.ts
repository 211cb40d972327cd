import { snapshotLink } from '../support/snapshot-link.ts';
import type { ShapeIndex } from '../../daemon/routes/shape-index.ts';
import { type Applied, MirrorTables, type RouteChange } from '../../daemon/routes/mirror-tables.ts';
import { defaultRules } from '../../daemon/routes/routing.ts';
import type { RouteSnapshot, SnapshotRoute } from '../../daemon/routes/snapshot.ts';
import type { RouteContext, RouteUpdate } from '../../daemon/routes/update.ts';
import { snapshotPrefix } from '../../daemon/routes/words.ts';

/** What tells `RouteMirror` from its kernel: it is told what to have, and makes the same updates of it. */
export class ModelMirror {
  /** What is not routes, beside what is remembered of routes. */
  context: RouteContext;
  readonly tables = new MirrorTables();
  #told = '';

  constructor(context: RouteContext = modelContext()) {
    this.context = context;
  }

  get index(): ShapeIndex {
    return this.tables.index;
  }

  /** As if all routes were read anew. */
  reload(routes: readonly SnapshotRoute[]): void {
    const fresh = this.tables.startOver();
    for (const route of routes) {
      const { words, len } = snapshotPrefix(route.prefix);
      const table = fresh.table(route.family, route.table);
      fresh.insert(table, words, len, this.index.idOf(route), this.index.orders);
    }
    this.tables.settle(fresh);
  }

  /** As if a notification told of one route. */
  change(route: SnapshotRoute, how: Partial<RouteChange> = {}): Applied {
    const { words, len } = snapshotPrefix(route.prefix);
    return this.tables.change(route.family, route.table, words, len, this.index.idOf(route), {
      isRemoval: false,
      isReplacement: false,
      isRepeated: false,
      ...how,
    });
  }

  /** @param atMs see RouteUpdate */
  take(atMs = 0): RouteUpdate | null {
    const context = this.#makeContext();
    const text = JSON.stringify(context);
    const isFull = this.#told === '';
    const isNew = text !== this.#told;
    this.#told = text;
    const { shapes, ops } = this.tables.take();
    this.tables.releaseUnused();
    if (!isNew && ops.length === 0) return null;
    return structuredClone({ isFull, atMs, context: isNew ? context : null, shapes, ops });
  }

  full(atMs = 0): RouteUpdate {
    return structuredClone({ isFull: true, atMs, context: this.#makeContext(), ...this.tables.full() });
  }

  snapshot(): RouteSnapshot {
    return structuredClone({ ...this.#makeContext(), routes: this.tables.routes() });
  }

  #makeContext(): RouteContext {
    const { sysctls, ...rest } = this.context;
    const memory = this.index.hasCustomLocal ? { customLocalRoutes4: true } : {};
    return { ...rest, sysctls: { ...sysctls, ...memory } };
  }
}

/** Five interfaces: lo, d2 (10.0.0.1/24 and fd00::1/64), d3, d4 and d5. */
export function modelContext(): RouteContext {
  const links = [snapshotLink(1, 'lo'), ...[2, 3, 4, 5].map((i) => snapshotLink(i, `d${i}`))];
  return {
    format: 'nstap-routes-1',
    netns: 'model',
    takenAt: null,
    source: 'kernel',
    links,
    addresses: [
      { family: 4, ifIndex: 1, address: '127.0.0.1', prefixLen: 8, broadcast: null, scope: 'host' },
      { family: 4, ifIndex: 2, address: '10.0.0.1', prefixLen: 24, broadcast: null, scope: 'global' },
      { family: 6, ifIndex: 2, address: 'fd00::1', prefixLen: 64, broadcast: null, scope: 'global' },
    ],
    rules: [...defaultRules(4), ...defaultRules(6)],
    sysctls: {
      forwarding4: true,
      forwarding6: true,
      rpFilterAll: 0,
      mergedTables4: true,
      interfaces: links.map(({ ifIndex }) => ({
        ifIndex,
        forwarding4: true,
        forwarding6: true,
        rpFilter: 0,
        ignoreLinkdown4: false,
        ignoreLinkdown6: false,
      })),
    },
    groups: [],
  };
}

/** A route by d2 to a gateway, in the table main. */
export function modelRoute(
  prefix: string,
  more: Partial<SnapshotRoute> & { via?: string | null } = {},
): SnapshotRoute {
  const { via = null, ...rest } = more;
  const family = prefix.includes(':') ? 6 : 4;
  return {
    family,
    type: 'unicast',
    table: 254,
    prefix,
    from: null,
    tos: 0,
    protocol: 'static',
    scope: 'global',
    metric: family === 4 ? null : 1024,
    prefsrc: null,
    pref: null,
    nextHops: [modelHop(2, via)],
    nhid: null,
    ...rest,
  };
}

export function modelHop(ifIndex: number, gateway: string | null): SnapshotRoute['nextHops'][number] {
  return {
    gateway,
    gatewayFamily: null,
    dev: ifIndex === 1 ? 'lo' : `d${ifIndex}`,
    ifIndex,
    weight: 1,
    onlink: false,
    dead: false,
    linkdown: false,
  };
}
