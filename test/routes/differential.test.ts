import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { RouteEngine, RouteQuery } from '../../daemon/routes/engine.ts';
import { LiveRoutes } from '../../daemon/routes/live-snapshot.ts';
import type { RouteSnapshot } from '../../daemon/routes/snapshot.ts';
import { agreesWithKernel, askKernel, type KernelAnswer } from '../../daemon/routes/verify.ts';
import { bytesToWords } from '../../daemon/routes/words.ts';
import { parseAddress } from '../../decoders/address.ts';
import { PacketType } from '../../decoders/packet-fields.ts';
import type { RouteDecision } from '../../storage/route-decision.ts';
import { Lab, labMissing } from '../kernel/lab.ts';
import { ipBatch } from './ip-batch.ts';
import { address4, address6, DEVICES, picker, random, routeCommands, ruleCommands } from './random-tables.ts';

const missing = labMissing();
const QUERIES = 1500;

/** A question in text, as `ip route get` takes it. */
interface Question {
  version: 4 | 6;
  dst: string;
  from: string | null;
  iif: string | null;
  tos: number;
  mark: number;
  proto: number;
  sport: number;
  dport: number;
}

interface Round {
  name: string;
  seed: number;
  routes: number;
  rules: number;
  tables: string[];
  sysctls: string[];
}

const PLAIN = ['main'];
const MANY = ['main', '100', '200', '4242'];
const ROUNDS: Round[] = [
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
];

/** errno with which the kernel drops what we drop, or null when any will do. */
function expectedError(decision: RouteDecision, question: Question, forwards: boolean): string[] {
  // fib_lookup's error is replaced where the interface does not forward. ip_route_input_slow
  if (question.version === 4 && question.iif !== null && !forwards && decision.type !== 'martian')
    return ['EHOSTUNREACH'];
  switch (decision.type) {
    case 'blackhole':
      return ['EINVAL'];
    case 'prohibit':
      return ['EACCES'];
    case 'unreachable':
      return decision.prefix === null ? ['ENETUNREACH'] : ['EHOSTUNREACH'];
    case 'no_route':
      return ['ENETUNREACH'];
    case 'martian':
      return ['EINVAL', 'EXDEV'];
    default:
      return ['EHOSTUNREACH'];
  }
}

describe.skipIf(missing !== null)(
  `decisions against the live kernel${missing === null ? '' : ` (${missing})`}`,
  () => {
    describe.each(ROUNDS)('$name', (round) => {
      const lab = new Lab(`r${round.seed}`);
      let name: string;
      let live: LiveRoutes;
      let snapshot: RouteSnapshot;
      let engine: RouteEngine;

      beforeAll(() => {
        name = lab.add('t');
        lab.exec(
          name,
          'sysctl',
          '-qw',
          'net.ipv6.conf.all.accept_dad=0',
          'net.ipv6.conf.default.accept_dad=0',
        );
        const setup = DEVICES.flatMap((device, i) => [
          `link add ${device} type veth peer name p${i}`,
          `link set ${device} up`,
          `link set p${i} up`,
          `addr add 10.9.${i}.1/24 brd + dev ${device}`,
          `-6 addr add fd00:9:${i}::1/64 dev ${device} nodad`,
        ]);
        ipBatch(name, setup, false);
        lab.exec(name, 'sleep', '0.2');
        const next = random(round.seed);
        ipBatch(name, routeCommands(round.routes, next, round.tables), true);
        ipBatch(name, ruleCommands(round.rules, next, round.tables), true);
        if (round.sysctls.length > 0) lab.exec(name, 'sysctl', '-qw', ...round.sysctls);
        live = new LiveRoutes(name);
        snapshot = live.read();
        engine = new RouteEngine(snapshot);
      });

      afterAll(() => {
        live?.close();
        lab.close();
      });

      test(`agree on ${QUERIES} questions`, () => {
        const next = random(round.seed * 1000);
        const reached: Record<string, number> = {};
        const disagreements: string[] = [];
        for (let i = 0; i < QUERIES; i++) {
          const question = ask(next);
          const { decision, kernel } = answer(question);
          const key =
            question.iif === null ? `out ${decision.type}` : `in ${decision.type} ${decision.verdict}`;
          reached[key] = (reached[key] ?? 0) + 1;
          const forwards = snapshot.sysctls.forwarding4 === true;
          const sameError =
            kernel.error === null || expectedError(decision, question, forwards).includes(kernel.error);
          const isMerged = round.rules === 0 && question.version === 4;
          if (!agreesWithKernel(decision, kernel, isMerged) || !sameError)
            disagreements.push(
              `${JSON.stringify(question)}\n  kernel ${JSON.stringify(kernel)}\n  nstap  ${JSON.stringify(decision)}`,
            );
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
          fill(q, ask(next));
          const id = engine.lookup(q);
          ids.add(id);
          expect(engine.decision(id)).toEqual(engine.explain(q).decision);
        }
        expect(ids.size).toBeGreaterThan(10);
        expect(ids.size).toBeLessThan(500);
      });

      function ask(next: () => number): Question {
        const pick = picker(next);
        const version = next() < 0.6 ? 4 : 6;
        const isInput = next() < 0.5;
        const local = version === 4 ? `10.9.${pick([0, 1, 2, 3])}.1` : `fd00:9:${pick([0, 1, 2, 3])}::1`;
        const foreign = version === 4 ? address4(pick) : address6(pick);
        const neighbour =
          version === 4
            ? `10.9.${pick([0, 1, 2, 3])}.${pick([2, 9, 255])}`
            : `fd00:9:${pick([0, 1, 2, 3])}::9`;
        const special =
          version === 4
            ? [
                '224.0.0.1',
                '255.255.255.255',
                '127.0.0.1',
                '0.0.0.1',
                '127.5.5.5',
                ...(isInput ? [] : ['239.1.1.1']),
              ]
            : // The kernel cannot be asked for multicast input: its answer is EMSGSIZE (rt6_fill_node).
              ['::1', 'fe80::1', ...(isInput ? [] : ['ff02::1', 'ff05::2'])];
        const chance = next();
        const dst =
          chance < 0.06 ? pick(special) : chance < 0.12 ? local : chance < 0.2 ? neighbour : foreign;
        const sourceChance = next();
        let from: string | null =
          sourceChance < 0.6 ? foreign : sourceChance < 0.95 ? neighbour : pick(special);
        if (!isInput) from = next() < 0.5 ? null : next() < 0.9 ? local : from;
        else if (next() < 0.05) from = local;
        return {
          version,
          dst,
          from,
          iif: isInput ? pick(DEVICES) : null,
          tos: next() < 0.3 ? pick([4, 8, 16]) : 0,
          mark: next() < 0.3 ? pick([1, 2, 0x12]) : 0,
          proto: pick([6, 17]),
          sport: pick([1000, 1500, 9999]),
          dport: pick([80, 100, 5000]),
        };
      }

      function fill(q: RouteQuery, question: Question): void {
        q.version = question.version;
        bytesToWords(parseAddress(question.dst)!.bytes, q.dst);
        if (question.from === null) q.src.fill(0);
        else bytesToWords(parseAddress(question.from)!.bytes, q.src);
        q.pktType = question.iif === null ? PacketType.Outgoing : PacketType.Host;
        q.ifIndex = question.iif === null ? 0 : engine.ifIndexOf(question.iif);
        q.tos = question.tos;
        q.mark = question.mark;
        q.markKnown = true;
        q.proto = question.proto;
        q.sport = question.sport;
        q.dport = question.dport;
        q.asked = true;
      }

      function answer(question: Question): { decision: RouteDecision; kernel: KernelAnswer } {
        const q = new RouteQuery();
        fill(q, question);
        const { decision } = engine.explain(q);
        const kernel = askKernel(
          live.client,
          {
            version: question.version,
            dst: parseAddress(question.dst)!.bytes,
            src: question.from === null ? undefined : parseAddress(question.from)!.bytes,
            iifIndex: question.iif === null ? undefined : q.ifIndex,
            tos: question.tos,
            mark: question.mark,
            ipProto: question.proto,
            sport: question.sport,
            dport: question.dport,
          },
          (ifIndex) => engine.ifNameOf(ifIndex),
          JSON.stringify(question),
        );
        return { decision, kernel };
      }
    });
  },
);
