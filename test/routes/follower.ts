import { expect } from 'vitest';
import { RouteEngine, RouteQuery } from '../../daemon/routes/engine.ts';
import { lookupRule } from '../../daemon/routes/routing.ts';
import type { SnapshotRoute, SnapshotRule } from '../../daemon/routes/snapshot.ts';
import type { RouteUpdate } from '../../daemon/routes/update.ts';
import { prefixWords } from '../../daemon/routes/words.ts';
import { PacketType } from '../../decoders/packet-fields.ts';
import { Random } from '../support/random.ts';
import { ModelMirror, modelContext, modelHop, modelRoute } from './model-mirror.ts';

/** How often each thing came about. */
export const reached = {
  cached: 0,
  remembered: 0,
  whole: 0,
  pieces: 0,
  between: 0,
  context: 0,
  added: 0,
  removed: 0,
  replaced: 0,
  reloaded: 0,
  released: 0,
  reused: 0,
  reset: 0,
  kept: 0,
  expired: 0,
  none: 0,
};
/** While an engine is asked whose caches count. */
export const watch: { engine: RouteEngine | null } = { engine: null };

/** A mirror, an engine that gets its updates, and random changes. */
export class Follower {
  readonly mirror = new ModelMirror();
  readonly engine: RouteEngine;
  readonly #numbers: Random;
  /** Without those that fill the tables. */
  readonly #routes: SnapshotRoute[] = [];
  readonly #fill: SnapshotRoute[];
  #given: { id: number; epoch: number; decision: unknown }[] = [];
  #names = 0;

  constructor(seed: number, size: number, decisionsMax: number) {
    this.#numbers = new Random(seed);
    this.#fill = Array.from({ length: size }, (_, i) => [
      modelRoute(`11.${i >> 8}.${i & 255}.0/24`, { via: `10.0.0.${i % 20}` }),
      modelRoute(`fd11:${(i >> 8).toString(16)}:${(i & 255).toString(16)}::/48`, { via: `fd00::${i % 20}` }),
    ]).flat();
    this.mirror.reload(this.#fill);
    const first = this.mirror.take()!;
    this.engine = new RouteEngine({ ...first.context!, routes: [] }, decisionsMax);
    this.#applyPieces(first);
  }

  /** Some changes, of which the engine is told at once. */
  step(): void {
    const n = this.#numbers;
    for (let i = n.below(6); i >= 0; i--) this.#change();
    const update = this.mirror.take();
    if (update === null) {
      reached.none++;
      return;
    }
    if (n.below(25) === 0) this.engine.apply(this.mirror.full());
    else if (n.below(2) === 0) {
      this.engine.apply(update);
      reached.whole++;
    } else this.#applyPieces(update);
    if (update.context !== null) reached.context++;
  }

  #applyPieces(update: RouteUpdate): void {
    this.engine.apply(update, false);
    for (let at = 0; at < update.ops.length; reached.pieces++) {
      at = this.engine.applyOps(
        update.ops,
        at,
        Math.min(update.ops.length, at + 1 + this.#numbers.below(900)),
      );
      // What is answered now is neither the old nor the new, but an answer.
      const q = this.#question();
      expect(this.engine.decision(this.engine.lookup(q)).verdict).not.toBe(undefined);
      reached.between++;
    }
  }

  /** Compares the engine with one that is made of the mirror's tables. */
  compare(questions: number): void {
    const fresh = new RouteEngine(this.mirror.snapshot());
    watch.engine = this.engine;
    for (let i = 0; i < questions; i++) {
      const q = this.#question();
      const expected = fresh.explain(q);
      const { epoch } = this.engine;
      const id = this.engine.lookup(q);
      if (this.engine.epoch !== epoch) reached.reset++;
      const decision = this.engine.decision(id);
      expect(decision).toEqual(expected.decision);
      // The same number again, from a cache or not.
      expect(this.engine.lookup(q)).toBe(id);
      expect(this.engine.explain(q)).toEqual(expected);
      this.#given.push({ id, epoch: this.engine.epoch, decision });
    }
    watch.engine = null;
    expect(this.engine.size).toBe(fresh.size);
  }

  /** A number that was given before still stands for its decision, or for none. */
  checkGiven(): void {
    for (const { id, epoch, decision } of this.#given.splice(0)) {
      if (epoch !== this.engine.epoch) continue;
      try {
        expect(this.engine.decision(id)).toEqual(decision);
        reached.kept++;
      } catch (error) {
        if (!(error instanceof RangeError)) throw error;
        reached.expired++;
      }
    }
  }

  #change(): void {
    const n = this.#numbers;
    switch (n.below(12)) {
      case 0:
        this.#changeContext();
        break;
      case 1:
        this.#reload();
        break;
      case 2:
        this.#churn();
        break;
      case 3:
      case 4:
      case 5: {
        if (this.#routes.length === 0) break;
        const [route] = this.#routes.splice(n.below(this.#routes.length), 1);
        if (this.mirror.change(route!, { isRemoval: true }) !== 0) this.#reload();
        reached.removed++;
        break;
      }
      default:
        this.#add(this.#route());
    }
  }

  #add(route: SnapshotRoute): void {
    const isReplacement = this.#numbers.below(2) === 0;
    const equal = this.#routes.findIndex(
      (other) =>
        other.table === route.table &&
        other.prefix === route.prefix &&
        other.tos === route.tos &&
        other.metric === route.metric &&
        other.from === route.from,
    );
    // The kernel refuses a second one, or puts it in an order that only a dump tells.
    if (equal !== -1 && !isReplacement) return;
    if (equal !== -1) this.#routes[equal] = route;
    else this.#routes.push(route);
    expect(this.mirror.change(route, { isReplacement })).not.toBe(2);
    reached[equal !== -1 ? 'replaced' : 'added']++;
  }

  #reload(): void {
    this.mirror.reload([...this.#fill, ...this.#routes]);
    reached.reloaded++;
  }

  /** Many shapes that come and go, so that numbers are released and given again. */
  #churn(): void {
    if (this.#numbers.below(4) !== 0) return;
    const { index } = this.mirror;
    const before = index.shapes.length;
    const base = this.#numbers.below(1 << 20);
    const routes = Array.from({ length: 1100 }, (_, i) =>
      modelRoute('10.77.0.0/16', { metric: base * 2000 + i, via: '10.0.0.7' }),
    );
    for (const route of routes) {
      this.mirror.change(route);
      this.mirror.change(route, { isRemoval: true });
    }
    const update = this.mirror.take();
    if (update !== null) this.engine.apply(update);
    if (index.shapes.some((_, id) => !index.has(id))) reached.released++;
    if (update?.shapes.some(({ id }) => id < before)) reached.reused++;
  }

  #route(): SnapshotRoute {
    const n = this.#numbers;
    const family = n.below(2) === 0 ? 4 : 6;
    const prefix =
      family === 4
        ? n.pick([
            '0.0.0.0/0',
            '10.5.0.0/16',
            '10.5.6.0/24',
            '10.5.6.7/32',
            '11.0.0.0/8',
            '11.0.3.0/25',
            '10.0.0.0/30',
          ])
        : n.pick([
            '::/0',
            'fd05::/16',
            'fd05:6::/32',
            'fd05:6:7::/48',
            'fd05:6::7/128',
            'fd11::/16',
            'fd11:0:3::/64',
          ]);
    const via = family === 4 ? `10.0.0.${n.below(30)}` : `fd00::${n.below(30)}`;
    const kind = n.below(10);
    const more: Partial<SnapshotRoute> = {};
    if (kind === 0)
      Object.assign(more, { type: n.pick(['blackhole', 'unreachable', 'prohibit', 'throw']), nextHops: [] });
    if (kind === 1) more.nextHops = [modelHop(2, via), modelHop(3, via), modelHop(2 + n.below(4), null)];
    if (kind === 2) more.nextHops = [{ ...modelHop(4, via), linkdown: true, dead: n.below(2) === 0 }];
    if (kind === 3 && family === 6) more.from = n.pick(['fd20::/16', 'fd20:1::/32', '::/1']);
    if (kind === 4 && family === 4) more.tos = 0x10;
    if (kind === 5)
      Object.assign(more, { type: 'local', table: 255, scope: 'host', protocol: n.pick(['kernel', 'boot']) });
    if (more.table === undefined) more.table = n.pick([254, 254, 254, 100, 200, 255]);
    if (n.below(3) === 0) more.metric = 1 + n.below(4);
    return modelRoute(prefix, { via, ...more });
  }

  #changeContext(): void {
    const n = this.#numbers;
    const { context } = this.mirror;
    const next = structuredClone(context);
    switch (n.below(7)) {
      case 0: {
        // A name is part of routes: they are read anew.
        const link = next.links[1 + n.below(4)]!;
        const renamed = `n${this.#names++}`;
        const rename = (route: SnapshotRoute): SnapshotRoute => ({
          ...route,
          nextHops: route.nextHops.map((hop) => (hop.dev === link.name ? { ...hop, dev: renamed } : hop)),
        });
        // The model's routes are by their first names alone.
        if (this.#routes.length > 0) this.#routes[0] = rename(this.#routes[0]!);
        link.name = renamed;
        this.mirror.context = next;
        this.#reload();
        return;
      }
      case 1:
        next.sysctls.rpFilterAll = n.below(3);
        break;
      case 2:
        next.sysctls.interfaces[1 + n.below(4)]!.forwarding4 = n.below(2) === 0;
        next.sysctls.forwarding6 = n.below(2) === 0;
        break;
      case 3:
        next.sysctls.ignoreLinkdownAll4 = n.below(2) === 0;
        next.sysctls.ignoreLinkdownAll6 = n.below(2) === 0;
        break;
      case 4:
        next.addresses = modelContext().addresses.filter(() => n.below(4) > 0);
        break;
      case 5:
        next.groups = n.below(2) === 0 ? [] : [{ family: 4, ifIndex: 2, address: '239.1.1.1' }];
        break;
      default:
        next.rules = [...modelContext().rules];
        for (let i = n.below(4); i > 0; i--) next.rules.push(this.#rule());
        next.rules.sort((a, b) => a.priority - b.priority);
    }
    this.mirror.context = next;
  }

  #rule(): SnapshotRule {
    const n = this.#numbers;
    const family = n.below(2) === 0 ? 4 : 6;
    const rule = lookupRule(family, 100 + n.below(1000), n.pick([100, 200, 300]));
    switch (n.below(7)) {
      case 0:
        return { ...rule, from: family === 4 ? '10.200.0.0/16' : 'fd20::/16' };
      case 1:
        return { ...rule, iif: 'd2' };
      case 2:
        return { ...rule, dport: [53, 80] };
      case 3:
        return { ...rule, ipProto: 17 };
      case 4:
        return { ...rule, fwmark: 7 };
      case 5:
        return { ...rule, suppressPrefixLen: 8, table: 254 };
      default:
        return { ...rule, tos: 0x10 };
    }
  }

  #question(): RouteQuery {
    const n = this.#numbers;
    const q = new RouteQuery();
    const four = n.below(2) === 0;
    q.version = four ? 4 : 6;
    const at = n.below(12);
    const dst = four
      ? n.pick([
          '10.5.6.7',
          '10.5.6.8',
          '10.5.7.7',
          '10.0.0.1',
          '8.8.8.8',
          '239.1.1.1',
          '255.255.255.255',
          `11.0.${at}.9`,
          `11.0.3.${at * 20}`,
        ])
      : n.pick([
          'fd05:6::7',
          'fd05:6:7::1',
          'fd05:7::1',
          'fd00::1',
          '2001:db8::1',
          'ff02::1',
          `fd11:0:${at}::9`,
          'fd11:0:3:1::1',
        ]);
    const src = four
      ? n.pick(['10.200.0.9', '10.0.0.1', '10.0.0.9', '0.0.0.0', '11.0.1.1', '127.0.0.1'])
      : n.pick(['fd20:1::9', 'fd20::1', 'fd00::1', '::', 'fe80::1', '8000::1']);
    q.dst.set(prefixWords(dst)!.words);
    q.src.set(prefixWords(src)!.words);
    q.pktType = n.pick([
      PacketType.Host,
      PacketType.Host,
      PacketType.Outgoing,
      PacketType.Multicast,
      PacketType.Unknown,
    ]);
    q.ifIndex = n.below(6);
    q.proto = n.pick([2, 6, 17, 17, 47, 103]);
    q.l4Known = q.proto === 6 || q.proto === 17;
    q.sport = q.l4Known ? n.pick([53, 5000]) : 0;
    q.dport = q.l4Known ? n.pick([53, 80, 443]) : 0;
    q.tos = n.pick([0, 0, 0x10]);
    q.isFragment = n.below(8) === 0;
    return q;
  }
}
