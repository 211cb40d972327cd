import { describe, expect, test } from 'vitest';
import { RouteFeed } from '../../daemon/capture/route-feed.ts';
import { RouteTagger } from '../../daemon/capture/route-tag.ts';
import { F, farOf, NEAR_WORDS } from '../../daemon/flow/slot.ts';
import type { SnapshotRoute } from '../../daemon/routes/snapshot.ts';
import { decodePacket } from '../../decoders/packet.ts';
import type { RouteDecision } from '../../storage/route-decision.ts';
import { Random } from '../support/random.ts';
import { ModelMirror, modelContext, modelRoute } from '../routes/model-mirror.ts';
import { frame } from '../support/frames.ts';
import { TestMeter } from '../support/meter.ts';

/** Before this time of packets nothing happens, in seconds since the epoch. */
const START = 1_700_000_000;
/** All packets come from here; their destinations are smaller addresses, so it is side 1 of their flows. */
const SRC = '10.200.0.9';
/** As many routes are put in force in more than one piece. */
const MANY = 3000;

const many = (via: string): SnapshotRoute[] =>
  Array.from({ length: MANY }, (_, i) => modelRoute(`10.${100 + (i >> 8)}.${i & 255}.0/24`, { via }));

/** Namespaces with one capture each, and flows that show what is in force. */
class Scene {
  readonly tagger = new RouteTagger();
  readonly feed = new RouteFeed(this.tagger);
  readonly table = new TestMeter({}, this.tagger).table;
  readonly #fields = new TestMeter().meter.fields;
  readonly #decisions: RouteDecision[] = [];

  /** Makes a mirror of namespace "n<capture>" and puts its first tables in force. */
  add(capture: number, ...routes: SnapshotRoute[]): ModelMirror {
    const mirror = new ModelMirror();
    mirror.reload(routes);
    this.tagger.setCapture(capture, `n${capture}`, 2);
    this.feed.push(`n${capture}`, mirror.take(START * 1000)!);
    while (this.feed.work(START * 1000));
    return mirror;
  }

  /** Tells what changed in a mirror. @param seconds after START */
  tell(capture: number, mirror: ModelMirror, seconds: number): void {
    const update = mirror.take((START + seconds) * 1000);
    if (update !== null) this.feed.push(`n${capture}`, update);
  }

  /** Does what is due at a time, to its end. */
  work(seconds: number): void {
    while (this.feed.work((START + seconds) * 1000));
  }

  /** The decision that a flow has with its next packet, of a time in seconds after START. */
  packet(seconds: number, dst = '10.5.0.1', capture = 0): RouteDecision {
    return this.#decide(seconds, SRC, dst, capture);
  }

  packet6(seconds: number, src: string, dst: string): RouteDecision {
    return this.#decide(seconds, src, dst, 0);
  }

  #decide(seconds: number, src: string, dst: string, capture: number): RouteDecision {
    const bytes = frame({ proto: 'udp', src, sport: 5000, dst, dport: 53 });
    const view = new DataView(bytes.buffer);
    const f = this.#fields;
    f.linkType = 1;
    f.captureIndex = capture;
    f.pktType = 0;
    f.tsSec = START + Math.floor(seconds);
    f.tsNsec = Math.round((seconds % 1) * 1e9);
    f.wireLen = bytes.length;
    f.strippedTci = -1;
    decodePacket(view, 0, bytes.length, f);
    const slot = this.table.packet(view, f);
    const fresh = this.tagger.takeNew();
    if (fresh !== null) {
      expect(fresh.base).toBe(this.#decisions.length);
      this.#decisions.push(...fresh.list);
    }
    return this.#decisions[this.table.words[farOf(this.table.words, slot * NEAR_WORDS) + F.route0 + 1]!]!;
  }

  gateway(seconds: number, dst?: string, capture?: number): string | null {
    return this.packet(seconds, dst, capture).gateway;
  }
}

const replace = (mirror: ModelMirror, prefix: string, via: string): void => {
  mirror.change(modelRoute(prefix, { via }), { isReplacement: true });
};

describe('changes of routes come in force', () => {
  test('with the first packet of their time, and of no other namespace', () => {
    const s = new Scene();
    const mirror = s.add(0, modelRoute('10.5.0.0/16', { via: '10.0.0.2' }));
    s.add(1, modelRoute('10.5.0.0/16', { via: '10.0.0.2' }));
    expect(s.gateway(1)).toBe('10.0.0.2');
    replace(mirror, '10.5.0.0/16', '10.0.0.3');
    s.tell(0, mirror, 2);
    expect(s.gateway(1.9)).toBe('10.0.0.2');
    expect(s.gateway(2, undefined, 1)).toBe('10.0.0.2');
    expect(s.gateway(2)).toBe('10.0.0.3');
  });

  test('without a packet after a while, also when the clock was set back by little or much', () => {
    for (const back of [0, 0.1, 3600]) {
      const s = new Scene();
      const mirror = s.add(0, modelRoute('10.5.0.0/16', { via: '10.0.0.2' }));
      s.gateway(5000);
      replace(mirror, '10.5.0.0/16', '10.0.0.3');
      s.tell(0, mirror, 5001);
      s.work(5001.01);
      expect(s.gateway(5000.99)).toBe('10.0.0.2');
      s.work(5001 - back);
      s.work(5003 - back);
      expect(s.gateway(5004)).toBe('10.0.0.3');
    }
  });

  test('a packet of another ring from before the change leaves its flow as it was, and a flow that was never seen gets the new one', () => {
    const s = new Scene();
    const mirror = s.add(0, modelRoute('10.5.0.0/16', { via: '10.0.0.2' }));
    s.gateway(1);
    s.gateway(1, '10.5.0.2');
    replace(mirror, '10.5.0.0/16', '10.0.0.3');
    s.tell(0, mirror, 2);
    expect(s.gateway(2.5)).toBe('10.0.0.3');
    expect(s.gateway(1.8, '10.5.0.2')).toBe('10.0.0.2');
    expect(s.gateway(2.1, '10.5.0.2')).toBe('10.0.0.3');
    expect(s.gateway(1.8, '10.5.0.3')).toBe('10.0.0.3');
  });

  test('a clock that was set back does not keep decisions of before', () => {
    const s = new Scene();
    const mirror = s.add(0, modelRoute('10.5.0.0/16', { via: '10.0.0.2' }));
    s.gateway(4000);
    replace(mirror, '10.5.0.0/16', '10.0.0.3');
    s.tell(0, mirror, 4001);
    s.work(4002);
    expect(s.gateway(100)).toBe('10.0.0.3');
  });

  test('tables that come in pieces are in force when they are whole', () => {
    const s = new Scene();
    const mirror = new ModelMirror();
    mirror.reload(many('10.0.0.2'));
    s.tagger.setCapture(0, 'n0', 2);
    s.tell(0, mirror, 0);
    let pieces = 0;
    while (s.feed.isLoading('n0')) {
      expect(s.packet(1, '10.100.0.1').type).toBe('unknown');
      s.feed.work(START * 1000);
      pieces++;
    }
    expect(pieces).toBeGreaterThan(1);
    expect(s.gateway(1, '10.100.0.1')).toBe('10.0.0.2');
    expect(s.gateway(1, '10.111.1.1')).toBe('10.0.0.2');
  });

  test('tables that are told whole again replace those before when they are whole', () => {
    for (const isBehind of [false, true]) {
      const s = new Scene();
      const mirror = s.add(0, ...many('10.0.0.2'));
      expect(s.gateway(1, '10.111.1.1')).toBe('10.0.0.2');
      if (isBehind) {
        replace(mirror, '10.100.0.0/24', '10.0.0.7');
        s.tell(0, mirror, 2);
      }
      const other = new ModelMirror();
      other.reload(many('10.0.0.3'));
      s.tell(0, other, 3);
      let pieces = 0;
      for (; s.packet(4, '10.111.1.1').gateway === '10.0.0.2'; pieces++) {
        expect(s.packet(4, '10.100.5.1').type).toBe('unicast');
        s.feed.work((START + 60) * 1000);
      }
      expect(pieces).toBeGreaterThan(1);
      expect(s.gateway(5, '10.111.1.1')).toBe('10.0.0.3');
      expect(s.gateway(5, '10.100.0.1')).toBe('10.0.0.3');
    }
  });

  test('what is told of a namespace that was removed meanwhile is left aside', () => {
    const s = new Scene();
    const mirror = s.add(0, modelRoute('10.5.0.0/16', { via: '10.0.0.2' }));
    s.gateway(1);
    s.feed.remove('n0');
    replace(mirror, '10.5.0.0/16', '10.0.0.3');
    s.tell(0, mirror, 2);
    s.work(3);
    expect(s.gateway(3)).toBe('10.0.0.2');
    expect(s.packet(3, '10.5.0.2').type).toBe('unknown');
    expect(s.feed.isLoading('n0')).toBe(false);
  });

  test('one namespace that has much to do does not keep another from its first tables', () => {
    const s = new Scene();
    const mirror = s.add(0, ...many('10.0.0.2'));
    const other = new ModelMirror();
    other.reload(many('10.0.0.4'));
    s.tagger.setCapture(1, 'n1', 2);
    let via = 0;
    for (let turn = 0; turn < 20; turn++) {
      // More than one turn takes.
      mirror.reload(many(`10.0.1.${via++}`));
      s.tell(0, mirror, 1);
      if (turn === 0) s.tell(1, other, 1);
      s.feed.work((START + 2) * 1000);
    }
    expect(s.gateway(3, '10.100.0.1', 1)).toBe('10.0.0.4');
  });
});

test('a prefix far from a source-specific route may make it doubtful, and flows over it are told', () => {
  const s = new Scene();
  const specific = modelRoute('fd10::/16', { from: 'fd20::/16', via: 'fd00::2' });
  const mirror = s.add(0, specific, modelRoute('fd10:1::/32'), modelRoute('::/0', { via: 'fd00::9' }));
  const doubt = (seconds: number): string => s.packet6(seconds, 'fd20::9', 'fd10:1111::1').confidence;
  expect(doubt(1)).toBe('exact');
  mirror.change(modelRoute('fd10:8001::/32'));
  s.tell(0, mirror, 2);
  expect(doubt(3)).toBe('assumed');
});

describe('when generations start over', () => {
  test('no flow keeps a decision that was changed by what made them', () => {
    for (const how of ['arrives', 'works'] as const) {
      const s = new Scene();
      const mirror = s.add(0, modelRoute('10.5.0.0/16', { via: '10.0.0.2' }));
      const idle = s.add(1, modelRoute('10.5.0.0/16', { via: '10.0.0.2' }));
      s.gateway(0.5, '10.5.0.9');
      s.tagger.generation = 65_535;
      s.gateway(1);
      replace(mirror, '10.5.0.0/16', '10.0.0.3');
      s.tell(0, mirror, 2);
      if (how === 'works') s.work(3);
      expect(s.gateway(3)).toBe('10.0.0.3');
      expect(s.tagger.generation).toBe(1);
      expect(s.gateway(3, '10.5.0.9')).toBe('10.0.0.3');
      replace(idle, '10.5.0.0/16', '10.0.0.4');
      s.tell(1, idle, 4);
      expect(s.gateway(5, undefined, 1)).toBe('10.0.0.4');
    }
  });

  test('a flow of long ago, which was tagged in a generation of the same number, is decided anew', () => {
    const s = new Scene();
    const mirror = s.add(0, modelRoute('10.5.0.0/16', { via: '10.0.0.2' }));
    s.gateway(1);
    const { generation } = s.tagger;
    s.tagger.generation = 65_535;
    for (let i = 0; i < generation; i++) {
      replace(mirror, '10.5.0.0/16', `10.0.0.${3 + i}`);
      s.tell(0, mirror, 2 + i);
      s.work(2.5 + i);
    }
    expect(s.tagger.generation).toBe(generation);
    expect(s.gateway(50)).toBe(`10.0.0.${2 + generation}`);
  });
});

test('random changes of two namespaces: what a packet is told is what its tables say at its time', () => {
  const numbers = new Random(11);
  const reached = { changed: 0, waited: 0, context: 0, wrapped: 0 };
  for (let run = 0; run < 20; run++) {
    const s = new Scene();
    const prefixes = [
      '0.0.0.0/0',
      '10.0.0.0/9',
      '10.5.0.0/16',
      '10.5.0.0/24',
      '10.5.0.1/32',
      '10.6.0.0/15',
      '10.7.3.0/24',
    ];
    const addresses = ['10.5.0.1', '10.5.0.2', '10.5.1.1', '10.6.0.1', '10.7.3.1', '10.7.4.1', '9.1.1.1'];
    const captures = [0, 1].map((capture) => ({ mirror: s.add(capture), table: new Map<string, string>() }));
    const expected = (table: Map<string, string>, address: string): string | null => {
      const word = (text: string): number => text.split('.').reduce((n, octet) => n * 256 + Number(octet), 0);
      const inside = (prefix: string): boolean => {
        const [net, len] = prefix.split('/');
        const size = 2 ** (32 - Number(len));
        return Math.floor(word(net!) / size) === Math.floor(word(address) / size);
      };
      return (
        table.get(
          [...table.keys()]
            .filter(inside)
            .sort((a, b) => Number(b.split('/')[1]) - Number(a.split('/')[1]))[0] ?? '',
        ) ?? null
      );
    };
    s.tagger.generation = 65_500;
    for (let step = 1; step < 200; step++) {
      const capture = numbers.below(2);
      const { mirror, table } = captures[capture]!;
      if (numbers.below(3) === 0) {
        const prefix = numbers.pick(prefixes);
        const before = table.get(prefix);
        if (before !== undefined && numbers.below(2) === 0) {
          mirror.change(modelRoute(prefix, { via: before }), { isRemoval: true });
          table.delete(prefix);
        } else {
          const via = `10.0.${numbers.below(200)}.7`;
          replace(mirror, prefix, via);
          table.set(prefix, via);
        }
        reached.changed++;
        if (numbers.below(10) === 0) {
          mirror.context = { ...modelContext(), takenAt: String(step) };
          reached.context++;
        }
        s.tell(capture, mirror, step);
        if (numbers.below(2) === 0) s.work(step + 1);
        else reached.waited++;
      }
      for (let i = 0; i < 4; i++) {
        const of = numbers.below(2);
        const address = numbers.pick(addresses);
        expect(s.gateway(step + numbers.fraction(), address, of), `${run} ${step}`).toBe(
          expected(captures[of]!.table, address),
        );
      }
      if (s.tagger.generation < 100) reached.wrapped++;
    }
  }
  for (const [outcome, times] of Object.entries(reached)) expect(times, outcome).toBeGreaterThan(0);
});
