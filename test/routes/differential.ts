import { RouteEngine, RouteQuery } from '../../daemon/routes/engine.ts';
import { LiveRoutes } from '../../daemon/routes/live-snapshot.ts';
import type { RouteSnapshot } from '../../daemon/routes/snapshot.ts';
import { agreesWithKernel, askKernel, type KernelAnswer } from '../../daemon/routes/verify.ts';
import { bytesToWords } from '../../daemon/routes/words.ts';
import { parseAddress } from '../../decoders/address.ts';
import { PacketType } from '../../decoders/packet-fields.ts';
import type { RouteDecision } from '../../storage/route-decision.ts';
import type { Lab } from '../kernel/lab.ts';
import { ipBatch } from './ip-batch.ts';
import {
  address4,
  address6,
  DEVICES,
  picker,
  type RandomRound,
  random,
  routeCommands,
  ruleCommands,
} from './random-tables.ts';

/** A question in text, as `ip route get` takes it. */
export interface Question {
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

/** A random question about such a namespace, as `ip route get` takes it. */
export function randomQuestion(next: () => number): Question {
  const pick = picker(next);
  const version = next() < 0.6 ? 4 : 6;
  const isInput = next() < 0.5;
  const local = version === 4 ? `10.9.${pick([0, 1, 2, 3])}.1` : `fd00:9:${pick([0, 1, 2, 3])}::1`;
  const foreign = version === 4 ? address4(pick) : address6(pick);
  const neighbour =
    version === 4 ? `10.9.${pick([0, 1, 2, 3])}.${pick([2, 9, 255])}` : `fd00:9:${pick([0, 1, 2, 3])}::9`;
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
  const dst = chance < 0.06 ? pick(special) : chance < 0.12 ? local : chance < 0.2 ? neighbour : foreign;
  const sourceChance = next();
  let from: string | null = sourceChance < 0.6 ? foreign : sourceChance < 0.95 ? neighbour : pick(special);
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

/** One namespace with random tables, to ask both the kernel and nstap. */
export class Differential {
  readonly engine: RouteEngine;
  readonly snapshot: RouteSnapshot;
  readonly #live: LiveRoutes;

  /** Makes the namespace `label` in the lab and fills it. */
  constructor(lab: Lab, label: string, round: RandomRound) {
    const name = lab.add(label);
    lab.exec(name, 'sysctl', '-qw', 'net.ipv6.conf.all.accept_dad=0', 'net.ipv6.conf.default.accept_dad=0');
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
    this.#live = new LiveRoutes(name);
    this.snapshot = this.#live.read();
    this.engine = new RouteEngine(this.snapshot);
  }

  /** The namespace as it is now; `snapshot` is as it was made. */
  read(): RouteSnapshot {
    return this.#live.read();
  }

  close(): void {
    this.#live.close();
  }

  /** Asks both. @returns the decision, and what to print when they disagree, else null */
  compare(question: Question): { decision: RouteDecision; disagreement: string | null } {
    const { decision, kernel } = this.answer(question);
    const isMerged = question.version === 4 && this.engine.hasDefaultRules4;
    const compared = { version: question.version, isInput: question.iif !== null, isMerged };
    const q = new RouteQuery();
    this.fill(q, question);
    const isSame = agreesWithKernel(decision, kernel, compared, this.engine.alternatives(q)) !== false;
    const disagreement = isSame
      ? null
      : `${JSON.stringify(question)}\n  kernel ${JSON.stringify(kernel)}\n  nstap  ${JSON.stringify(decision)}`;
    return { decision, disagreement };
  }

  /** Puts the question into a query of the engine. */
  fill(q: RouteQuery, question: Question): void {
    q.version = question.version;
    bytesToWords(parseAddress(question.dst)!.bytes, q.dst);
    if (question.from === null) q.src.fill(0);
    else bytesToWords(parseAddress(question.from)!.bytes, q.src);
    q.pktType = question.iif === null ? PacketType.Outgoing : PacketType.Host;
    q.ifIndex = question.iif === null ? 0 : this.engine.ifIndexOf(question.iif);
    q.tos = question.tos;
    q.mark = question.mark;
    q.markKnown = true;
    q.proto = question.proto;
    q.sport = question.sport;
    q.dport = question.dport;
    q.asked = true;
  }

  answer(question: Question): { decision: RouteDecision; kernel: KernelAnswer } {
    const q = new RouteQuery();
    this.fill(q, question);
    const { decision } = this.engine.explain(q);
    const kernel = askKernel(
      this.#live.client,
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
      (ifIndex) => this.engine.ifNameOf(ifIndex),
      JSON.stringify(question),
    );
    return { decision, kernel };
  }
}
