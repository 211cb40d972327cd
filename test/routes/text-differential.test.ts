import { afterAll, describe, expect, test } from 'vitest';
import { RouteEngine, RouteQuery } from '../../daemon/routes/engine.ts';
import { parseAddrs, parseRules, snapshotOfRoutes, withAddrs } from '../../daemon/routes/load-snapshot.ts';
import type { RouteSnapshot } from '../../daemon/routes/snapshot.ts';
import { PacketType } from '../../decoders/packet-fields.ts';
import { WAY_KEYS } from '../../storage/compare-runs.ts';
import type { RouteDecision } from '../../storage/route-decision.ts';
import { Lab, labMissing } from '../kernel/lab.ts';
import { Differential } from './differential.ts';
import { type Question, randomQuestion } from './random-questions.ts';
import { DEVICES, picker, random } from './random-tables.ts';

const missing = labMissing();
const ROUNDS = 4;
const QUESTIONS = 500;

/**
 * What text cannot say is made the same on both sides: it has no sysctls, so that forwarding is assumed and the reverse path
 * is not checked.
 */
const SYSCTLS = [
  'net.ipv4.ip_forward=1',
  'net.ipv6.conf.all.forwarding=1',
  'net.ipv4.conf.all.rp_filter=0',
  ...DEVICES.map((device) => `net.ipv4.conf.${device}.rp_filter=0`),
];

/** The snapshot that a user gets from five outputs of `ip`. */
function fromOutputs(lab: Lab, name: string, flags: string): RouteSnapshot {
  const ip = (words: string): string => lab.ip(name, `${flags}${words}`);
  const snapshot = snapshotOfRoutes(
    `${ip('-4 route show table all')}${ip('-6 route show table all')}`,
    'routes',
  );
  const rules = parseRules(`${ip('-4 rule')}${ip('-6 rule')}`, 'rules');
  return withAddrs({ ...snapshot, rules }, parseAddrs(ip('addr'), 'addr'));
}

/** The part of a decision that is the way. */
function way(decision: RouteDecision): unknown[] {
  return WAY_KEYS.map((key) => decision[key]);
}

/** Asked as `ip route get` is, or as a packet that was captured at that interface, or in a file that does not say. */
function ask(
  engine: RouteEngine,
  differential: Differential,
  question: Question,
  how: number,
): RouteDecision {
  const q = new RouteQuery();
  differential.fill(q, question);
  if (question.iif !== null) q.ifIndex = engine.ifIndexOf(question.iif);
  q.asked = how === 0;
  if (how === 2) {
    q.pktType = PacketType.Unknown;
    q.ifIndex = 0;
  }
  return engine.decision(engine.lookup(q));
}

/**
 * `ip route get D from S` with an S that is not here: the live kernel refuses (IPv4) or sends all the same (IPv6), and nstap
 * with it; of text it says how the packet of another host is forwarded, since text is what people paste to ask that.
 */
function isKnownException(question: Question, how: number, own: ReadonlySet<string>): boolean {
  const { from, iif } = question;
  const isLoopback = from?.startsWith('127.') === true && from !== '127.255.255.255';
  return how === 0 && iif === null && from !== null && !own.has(from) && !isLoopback;
}

describe.skipIf(missing !== null)(
  `decisions from the text of ip and from the kernel${missing === null ? '' : ` (${missing})`}`,
  () => {
    const lab = new Lab('td');
    const verdicts = new Set<string>();
    afterAll(() => lab.close());

    test.each(Array.from({ length: ROUNDS }, (_, i) => i + 1))('agree in a random namespace (%i)', (seed) => {
      const differential = new Differential(lab, `r${seed}`, {
        name: `text ${seed}`,
        seed,
        routes: 200,
        rules: [0, 8, 20, 40][seed % 4]!,
        tables: ['main', '100', '4242'],
        sysctls: SYSCTLS,
      });
      try {
        const name = differential.snapshot.netns!;
        lab.ip(name, 'addr add 10.8.0.1 peer 10.8.0.2/32 dev d1');
        lab.ip(name, 'addr add 10.9.0.77/24 dev d0');
        lab.ip(name, 'link set p2 down');
        const snapshot = differential.read();
        // Text does not list the groups of interfaces.
        delete snapshot.groups;
        const own = new Set(snapshot.addresses.map(({ address }) => address));
        const live = new RouteEngine(snapshot);
        const forms = ['', '-d ', '-N ', '-j ', '-d -j '].map((flags) => ({
          flags,
          engine: new RouteEngine(fromOutputs(lab, name, flags)),
        }));
        const next = random(seed * 31);
        const pick = picker(next);
        let exceptions = 0;
        for (let i = 0; i < QUESTIONS; i++) {
          // Who sends, and from which socket, is no part of what text is asked for.
          const question = { ...randomQuestion(next, differential.pool), oif: null, uid: null };
          if (next() < 0.1 && question.version === 4)
            question.dst = pick(['10.8.0.1', '10.8.0.2', '10.9.0.77']);
          const how = pick([0, 1, 2]);
          const expected = ask(live, differential, question, how);
          verdicts.add(`${expected.verdict}`);
          if (isKnownException(question, how, own)) {
            exceptions++;
            continue;
          }
          for (const { flags, engine } of forms) {
            const decision = ask(engine, differential, question, how);
            expect(
              way(decision),
              `ip ${flags}: ${JSON.stringify({ question, how, decision, expected })}`,
            ).toEqual(way(expected));
          }
        }
        expect(exceptions).toBeLessThan(QUESTIONS / 10);
      } finally {
        differential.close();
      }
    });

    test('every verdict was reached', () => {
      expect([...verdicts].sort()).toEqual(['deliver', 'drop', 'forward', 'send']);
    });
  },
);
