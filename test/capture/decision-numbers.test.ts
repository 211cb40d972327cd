import { expect, test } from 'vitest';
import { DecisionNumbers } from '../../daemon/capture/decision-numbers.ts';
import { DECISION_KEYS, type RouteDecision } from '../../storage/route-decision.ts';

const DECISION: RouteDecision = {
  type: 'unicast',
  verdict: 'forward',
  rule: 32766,
  table: 'main',
  prefix: '10.0.0.0/24',
  gateway: '10.9.0.1',
  dev: 'eth0',
  scope: 'global',
  protocol: 'static',
  metric: 100,
  prefsrc: null,
  stage: 'forward',
  observed: 'agrees',
  confidence: 'exact',
  reason: null,
  text: '10.0.0.0/24 via 10.9.0.1 dev eth0',
};

test('equal decisions have one number, also as other objects', () => {
  const numbers = new DecisionNumbers();
  expect(numbers.numberOf(DECISION)).toBe(0);
  expect(numbers.numberOf({ ...DECISION })).toBe(0);
  expect(numbers.count).toBe(1);
});

test('each field tells decisions apart, and where one ends and the next begins', () => {
  const numbers = new DecisionNumbers();
  numbers.numberOf(DECISION);
  for (const [i, key] of DECISION_KEYS.entries())
    expect(numbers.numberOf({ ...DECISION, [key]: 'other' } as RouteDecision), key).toBe(i + 1);
  const moved = { ...DECISION, table: 'mai', prefix: 'n10.0.0.0/24' };
  expect(numbers.numberOf(moved)).toBe(DECISION_KEYS.length + 1);
});

test('numbers follow each other and stay, for many decisions that differ in a digit or two', () => {
  const numbers = new DecisionNumbers();
  const count = 200_000;
  const decision = (i: number): RouteDecision => ({
    ...DECISION,
    prefix: `10.${i >> 12}.${(i >> 4) & 255}.${(i & 15) * 16}/28`,
    gateway: `10.9.${i & 7}.${i & 3}`,
    metric: i % 3 === 0 ? null : i % 10,
  });
  for (let i = 0; i < count; i++) expect(numbers.numberOf(decision(i))).toBe(i);
  for (let i = 0; i < count; i += 7) expect(numbers.numberOf(decision(i))).toBe(i);
  expect(numbers.count).toBe(count);
});
