import { expect, test } from 'vitest';
import { RouteTagger } from '../../daemon/capture/route-tag.ts';
import { RouteEngine } from '../../daemon/routes/engine.ts';
import { parseRules, snapshotOfRoutes } from '../../daemon/routes/load-snapshot.ts';
import { PacketFields } from '../../decoders/packet-fields.ts';
import { decodePacket } from '../../decoders/packet.ts';
import type { RouteDecision } from '../../storage/route-decision.ts';
import { type FrameSpec, frame } from '../support/frames.ts';

const ROUTES = 'default via 10.0.0.1 dev eth0\ndefault via 10.9.0.1 dev eth1 table 100';

/** The decision for a frame, where this rule leads to table 100. */
function tag(rule: string, spec: FrameSpec): RouteDecision {
  const tagger = new RouteTagger();
  tagger.setCapture(0, 'n', 0);
  const rules = `0: from all lookup local\n10: from all ${rule} lookup 100\n32766: from all lookup main\n32767: from all lookup default`;
  const snapshot = { ...snapshotOfRoutes(ROUTES, 'routes'), rules: parseRules(rules, 'rules') };
  tagger.setRoutes('n', new RouteEngine(snapshot));
  const bytes = frame({ src: '10.5.0.1', dst: '10.6.0.1', ...spec });
  const view = new DataView(bytes.buffer);
  const f = new PacketFields();
  f.wireLen = bytes.length;
  decodePacket(view, 0, bytes.length, f);
  tagger.tag(view, f);
  return tagger.takeNew()!.list[0]!;
}

test('ports are those of the packet', () => {
  expect(tag('dport 53', { proto: 'udp', dport: 53 })).toMatchObject({ rule: 10, dev: 'eth1' });
  expect(tag('dport 53', { proto: 'udp', dport: 54 })).toMatchObject({ rule: 32766, dev: 'eth0' });
});

test('type and code of ICMP are no ports', () => {
  expect(tag('sport 8', { proto: 'icmp', sport: 8, dport: 0 })).toMatchObject({ rule: 32766 });
  expect(tag('ipproto icmp', { proto: 'icmp', sport: 8, dport: 0 })).toMatchObject({ rule: 10 });
});

test('fragments have no port for the kernel, and the first one’s say where that is an assumption', () => {
  const first = { proto: 'udp', dport: 53, moreFragments: true, payload: 16 } as const;
  const reason = expect.stringMatching(/^rule 10: .* a fragment/);
  expect(tag('dport 53', first)).toMatchObject({ rule: 32766, confidence: 'assumed', reason });
  expect(tag('dport 54', first).reason).not.toContain('fragment');
  const later = { proto: 'udp', fragOff: 800, payload: 16 } as const;
  expect(tag('dport 53', later)).toMatchObject({ rule: 32766, confidence: 'assumed', reason });
  expect(tag('ipproto tcp dport 53', later).reason).not.toContain('fragment');
  expect(tag('ipproto udp', later)).toMatchObject({ rule: 10 });
});
