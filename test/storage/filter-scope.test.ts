import { describe, expect, test } from 'vitest';
import { parseFilter } from '../../cli/filter/parse.ts';
import { type FilterScope, inapplicable, uses } from '../../storage/filter-scope.ts';

const PACKET =
  'host 10.0.0.1 src net 10.0.0.0/8 port 80 tcp proto 47 ip netns blue if eth0 vlan 5 tunnel vxlan tunnel id 42 flags S bytes > 60 ' +
  'route verdict drop route rule 100';
const FLOW =
  'host 10.0.0.1 net 10.0.0.0/8 port 80 tcp ip6 netns blue if eth0 state SF bytes > 60 packets > 1 duration > 1s pps > 1 bps > 1 bpp > 1 ' +
  'flow 17';

function refused(filter: string, scope: FilterScope): string[] {
  return inapplicable(parseFilter(filter)!, scope).map(({ predicate }) => predicate);
}

describe('what cannot be asked', () => {
  test('of a packet and of a live flow: nothing of this', () => {
    expect(refused(PACKET, 'packet')).toEqual([]);
    expect(refused(FLOW, 'liveFlow')).toEqual([]);
    for (const scope of ['packet', 'liveFlow'] as const)
      expect(
        inapplicable({ kind: 'communityId', values: ['1:wCb3OG7yAFWelaUydu0D+125CLM='] }, scope),
      ).toEqual([]);
  });

  test('of a flow that still lives: what only the database knows', () => {
    expect(
      refused(
        'net 10.0.0.0/8 port 80 bytes > 1 pps > 1 state S1 tcp flags S retransmits > 0 route verdict drop vlan 5',
        'rankedFlow',
      ),
    ).toEqual([]);
    expect(refused('flow 17 or tunnel outer 17 and not experiment web', 'rankedFlow')).toEqual([
      'flow',
      'tunnel outer',
      'experiment',
    ]);
  });

  test('of a packet: what only a whole flow has, each once, wherever it stands', () => {
    expect(
      refused(
        'not (state SF or tcp and (duration > 1s or not state S0)) packets > 1 retransmits > 0 experiment web ' +
          'tunnel outer 17 route changed pps > 1 bps > 1 bpp > 1 flow 17',
        'packet',
      ),
    ).toEqual(
      ['state', 'duration', 'packets', 'retransmits', 'experiment', 'tunnel outer', 'route changed'].concat(
        'pps',
        'bps',
        'bpp',
        'flow',
      ),
    );
  });

  test('of a live flow: what is not told of it', () => {
    expect(
      refused(
        'vlan tunnel tunnel id 1 tunnel outer 1 flags S retransmits > 0 experiment web route type local ' +
          'route dev eth0 route rule 1 route changed',
        'liveFlow',
      ),
    ).toEqual(
      [
        'vlan',
        'tunnel',
        'tunnel id',
        'tunnel outer',
        'flags',
        'retransmits',
        'experiment',
        'route type',
      ].concat('route dev', 'route rule', 'route changed'),
    );
  });

  test('is told with the reason and what to do', () => {
    const [found] = inapplicable(parseFilter('tcp and state SF')!, 'packet');
    expect(found!.message).toBe(
      '"state" cannot be asked here: a connection state is of a whole flow, not of a packet; leave it out, or use `nstap flows` for it',
    );
  });
});

test('whether a filter has a condition of some kind', () => {
  const filter = parseFilter('tcp and not (port 80 or route verdict drop)')!;
  expect(uses(filter, 'route', 'routeRule')).toBe(true);
  expect(uses(filter, 'tunnel', 'vlan')).toBe(false);
});
