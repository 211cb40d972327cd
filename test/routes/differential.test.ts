import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { RouteQuery } from '../../daemon/routes/engine.ts';
import { Lab, labMissing } from '../kernel/lab.ts';
import { Differential } from './differential.ts';
import { randomQuestion } from './random-questions.ts';
import { type RandomRound, randomRound } from './random-round.ts';
import { random } from './random-tables.ts';

const missing = labMissing();
const QUERIES = 1500;

const PLAIN = ['main'];
const MANY = ['main', '100', '200', '4242'];
const ROUNDS: RandomRound[] = [
  { name: 'default rules, no forwarding', seed: 1, routes: 120, rules: 0, tables: PLAIN, sysctls: [] },
  {
    name: 'default rules, routes in table default',
    seed: 2,
    routes: 120,
    rules: 0,
    tables: ['main', 'default'],
    sysctls: ['net.ipv4.ip_forward=1'],
  },
  {
    name: 'default rules, forwarding',
    seed: 3,
    routes: 300,
    rules: 0,
    tables: PLAIN,
    sysctls: ['net.ipv4.ip_forward=1', 'net.ipv6.conf.all.forwarding=1'],
  },
  {
    name: 'default rules, strict reverse path',
    seed: 4,
    routes: 100,
    rules: 0,
    tables: PLAIN,
    sysctls: ['net.ipv4.ip_forward=1', 'net.ipv4.conf.all.rp_filter=1'],
  },
  {
    name: 'default rules, loose reverse path',
    seed: 5,
    routes: 60,
    rules: 0,
    tables: PLAIN,
    sysctls: ['net.ipv4.ip_forward=1', 'net.ipv4.conf.all.rp_filter=2'],
  },
  { name: 'rules, no forwarding', seed: 6, routes: 200, rules: 12, tables: MANY, sysctls: [] },
  {
    name: 'rules, forwarding',
    seed: 7,
    routes: 300,
    rules: 25,
    tables: MANY,
    sysctls: ['net.ipv4.ip_forward=1', 'net.ipv6.conf.all.forwarding=1'],
  },
  {
    name: 'rules, strict reverse path on one interface',
    seed: 8,
    routes: 200,
    rules: 20,
    tables: MANY,
    sysctls: ['net.ipv4.ip_forward=1', 'net.ipv4.conf.d1.rp_filter=1'],
  },
  {
    name: 'rules, accept_local and route_localnet',
    seed: 9,
    routes: 150,
    rules: 10,
    tables: MANY,
    sysctls: [
      'net.ipv4.ip_forward=1',
      'net.ipv4.conf.d0.accept_local=1',
      'net.ipv4.conf.all.route_localnet=1',
    ],
  },
  {
    name: 'few routes, so that much has none',
    seed: 10,
    routes: 12,
    rules: 6,
    tables: MANY,
    sysctls: ['net.ipv4.ip_forward=1'],
  },
  // Interfaces, routes, rules and settings of every kind.
  ...[11, 12, 13, 14, 15, 16].map((seed) => randomRound(seed)),
];

describe.skipIf(missing !== null)(
  `decisions against the live kernel${missing === null ? '' : ` (${missing})`}`,
  () => {
    describe.each(ROUNDS)('$name', (round) => {
      const lab = new Lab(`r${round.seed}`);
      let both: Differential;

      beforeAll(() => {
        both = new Differential(lab, 't', round);
      });

      afterAll(() => {
        both?.close();
        lab.close();
      });

      test(`agree on ${QUERIES} questions`, () => {
        const next = random(round.seed * 1000);
        const reached: Record<string, number> = {};
        const disagreements: string[] = [];
        for (let i = 0; i < QUERIES; i++) {
          const question = randomQuestion(next, both.pool);
          const { decision, disagreement } = both.compare(question);
          const key =
            question.iif === null ? `out ${decision.type}` : `in ${decision.type} ${decision.verdict}`;
          reached[key] = (reached[key] ?? 0) + 1;
          if (disagreement !== null) disagreements.push(disagreement);
        }
        expect(disagreements.slice(0, 5).join('\n')).toBe('');
        // A round in which everything went one way would prove nothing.
        expect(Object.keys(reached).length, JSON.stringify(reached)).toBeGreaterThan(7);
        expect(reached['out unicast']).toBeGreaterThan(0);
      });

      test('the fast lookup gives what the explanation gives', () => {
        const next = random(round.seed * 77);
        const q = new RouteQuery();
        const ids = new Set<number>();
        for (let i = 0; i < 500; i++) {
          both.fill(q, randomQuestion(next, both.pool));
          const id = both.engine.lookup(q);
          ids.add(id);
          expect(both.engine.decision(id)).toEqual(both.engine.explain(q).decision);
        }
        expect(ids.size).toBeGreaterThan(10);
        expect(ids.size).toBeLessThan(500);
      });
    });
  },
);
