import { describe, expect, test } from 'vitest';
import { formatRoute } from '../../daemon/routes/format.ts';
import { snapshotOfUpdates } from '../../daemon/routes/rebuild.ts';
import type { RouteSnapshot } from '../../daemon/routes/snapshot.ts';
import { decodeUpdate, encodeUpdate, RouteUpdateError } from '../../daemon/routes/update-codec.ts';
import { contextOf, Teller } from './teller.ts';

const AT = '2026-11-23T10:00:00.000000000Z';

const texts = (snapshot: RouteSnapshot): string[] => snapshot.routes.map(formatRoute);

describe('tables made anew of updates', () => {
  test('have what the first one tells and each later one changes, through the stored form', () => {
    const teller = new Teller();
    const forwarding = contextOf((snapshot) => {
      snapshot.sysctls.forwarding4 = true;
    });
    const updates = [
      teller.update(
        ['default via 10.9.0.2 dev d0', '10.1.0.0/16 via 10.9.0.2 dev d0', '10.1.0.0/16 dev d1 metric 9'],
        { isFull: true, context: contextOf() },
      ),
      teller.update(['10.1.0.0/16 dev d1 metric 9', 'blackhole 10.2.0.0/16', 'fd00::/64 dev d0 metric 256']),
      teller.update(['del default'], { context: forwarding }),
      teller.update(['10.3.0.0/16 via 10.9.0.2 dev d0 table 77']),
    ];
    const stored = updates.map((update) => decodeUpdate(encodeUpdate(update)));
    const snapshot = snapshotOfUpdates(stored, AT);
    expect(texts(snapshot)).toEqual([
      '10.3.0.0/16 via 10.9.0.2 dev d0 table 77',
      '10.1.0.0/16 dev d1 metric 9',
      'blackhole 10.2.0.0/16',
      'fd00::/64 dev d0 metric 256',
    ]);
    const { routes: _, ...context } = snapshot;
    expect(context).toEqual({ ...forwarding, takenAt: AT });
    expect(texts(snapshotOfUpdates(stored.slice(0, 1), AT))).toEqual([
      'default via 10.9.0.2 dev d0',
      '10.1.0.0/16 via 10.9.0.2 dev d0',
      '10.1.0.0/16 dev d1 metric 9',
    ]);
  });

  test('forget everything at a full one, also the numbers of shapes', () => {
    const before = new Teller().update(['10.1.0.0/16 dev d0', '10.2.0.0/16 dev d1'], {
      isFull: true,
      context: contextOf(),
    });
    const after = new Teller().update(['blackhole 10.3.0.0/16'], { isFull: true, context: contextOf() });
    expect(texts(snapshotOfUpdates([before, after], AT))).toEqual(['blackhole 10.3.0.0/16']);
  });

  test('take a number of a shape that was given to another one', () => {
    const first = new Teller().update(['10.1.0.0/16 dev d0', '10.2.0.0/16 dev d1'], {
      isFull: true,
      context: contextOf(),
    });
    const other = new Teller();
    other.update(['10.1.0.0/16 dev d0']); // number 0
    const second = other.update(['del 10.2.0.0/16', 'prohibit 10.4.0.0/16']); // number 1 anew
    second.shapes[0]!.id = 1;
    second.ops[second.ops.length - 1] = 1;
    expect(texts(snapshotOfUpdates([first, second], AT))).toEqual([
      '10.1.0.0/16 dev d0',
      'prohibit 10.4.0.0/16',
    ]);
  });

  test('of a single address family and of none are whole', () => {
    const empty = new Teller().update([], { isFull: true, context: contextOf() });
    expect(snapshotOfUpdates([empty], AT)).toEqual({ ...contextOf(), takenAt: AT, routes: [] });
  });

  test('list IPv4 by address, and the longest prefix of one address first', () => {
    const lines = [
      '0.0.0.0/1 dev d0',
      'default dev d0',
      '10.0.0.0/16 dev d0',
      '10.0.0.0/8 dev d0',
      '10.0.1.0/24 dev d0',
      '128.0.0.0/1 dev d0',
      '200.0.0.1 dev d0',
    ];
    const update = new Teller().update(lines.toReversed(), { isFull: true, context: contextOf() });
    expect(texts(snapshotOfUpdates([update], AT))).toEqual(lines);
  });

  test('list IPv6 by address, and what is within a prefix before it', () => {
    const lines = [
      '::1 dev lo metric 256',
      '2001:db8:0:1::/64 dev d0 metric 256',
      '2001:db8:8000::/48 dev d0 metric 256',
      '2001:db8::/32 dev d0 metric 256',
      'fe80::/64 dev d0 metric 256',
      'default via fe80::1 dev d0 metric 1024',
    ];
    const update = new Teller().update(lines.toReversed(), { isFull: true, context: contextOf() });
    expect(texts(snapshotOfUpdates([update], AT))).toEqual(lines);
  });

  test.each([
    ['without any', [], 'there is none'],
    ['that begin with a change', [new Teller().update(['10.1.0.0/16 dev d0'])], 'not what it was before'],
    [
      'that name a shape which none told',
      [{ ...new Teller().update(['10.1.0.0/16 dev d0']), isFull: true, context: contextOf(), shapes: [] }],
      '10.1.0.0/16: no shape 0',
    ],
  ])('updates %s are refused', (_, updates, reason) => {
    expect(() => snapshotOfUpdates(updates, AT)).toThrow(RouteUpdateError);
    expect(() => snapshotOfUpdates(updates, AT)).toThrow(reason);
  });
});
