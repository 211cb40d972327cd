import type { NetlinkClient } from '../../daemon/netlink/dump.ts';
import { NetlinkError } from '../../daemon/netlink/errors.ts';
import { RouteEngine, RouteQuery } from '../../daemon/routes/engine.ts';
import { LiveRoutes } from '../../daemon/routes/live-snapshot.ts';
import type { RouteSnapshot } from '../../daemon/routes/snapshot.ts';
import { agreesWithKernel, askKernel, type Compared, type KernelAnswer } from '../../daemon/routes/verify.ts';
import { bytesToWords } from '../../daemon/routes/words.ts';
import { parseAddress } from '../../decoders/address.ts';
import { PacketType } from '../../decoders/packet-fields.ts';
import type { RouteDecision } from '../../storage/route-decision.ts';
import type { Lab } from '../kernel/lab.ts';
import {
  type Exception,
  exceptionFor,
  exceptionOf,
  isHidden,
  withThrow,
  withoutSubtree,
} from './exceptions.ts';
import { type Question, type QuestionPool, questionPool } from './random-questions.ts';
import type { RandomRound } from './random-round.ts';
import { buildNamespace } from './random-namespace.ts';

const IPPROTO_UDP = 17;

/** What came of one question. */
export interface Comparison {
  decision: RouteDecision;
  /** The reason why it was not compared, or null. */
  exception: Exception | null;
  /** What to print when the two disagree, else null. */
  disagreement: string | null;
}

/** Puts a question into a query of the engine. */
export function fillQuery(engine: RouteEngine, q: RouteQuery, question: Question): void {
  q.version = question.version;
  bytesToWords(parseAddress(question.dst)!.bytes, q.dst);
  if (question.from === null) q.src.fill(0);
  else bytesToWords(parseAddress(question.from)!.bytes, q.src);
  q.pktType = question.iif === null ? PacketType.Outgoing : PacketType.Host;
  q.ifIndex = question.iif === null ? 0 : engine.ifIndexOf(question.iif);
  q.oif = question.oif === null ? 0 : engine.ifIndexOf(question.oif);
  q.uid = question.uid ?? 0;
  q.uidKnown = question.uid !== null;
  q.tos = question.tos;
  q.mark = question.mark;
  q.markKnown = true;
  q.proto = question.proto ?? (question.version === 4 ? IPPROTO_UDP : 0);
  q.sport = question.sport;
  q.dport = question.dport;
  q.l4Known = question.proto !== null;
  q.asked = true;
}

/** Asks an engine and the kernel the same. @throws NetlinkError for a question that the kernel did not take */
export function compareAnswers(
  engine: RouteEngine,
  snapshot: RouteSnapshot,
  client: NetlinkClient,
  question: Question,
): Comparison {
  const q = new RouteQuery();
  fillQuery(engine, q, question);
  const { decision } = engine.explain(q);
  let kernel: KernelAnswer;
  try {
    kernel = askKernel(
      client,
      {
        version: question.version,
        dst: parseAddress(question.dst)!.bytes,
        src: question.from === null ? undefined : parseAddress(question.from)!.bytes,
        iifIndex: question.iif === null ? undefined : q.ifIndex,
        oifIndex: question.oif === null ? undefined : q.oif,
        uid: question.uid ?? undefined,
        tos: question.tos,
        mark: question.mark,
        ipProto: question.proto ?? undefined,
        sport: question.sport,
        dport: question.dport,
      },
      (ifIndex) => engine.ifNameOf(ifIndex),
      JSON.stringify(question),
    );
  } catch (error) {
    const exception = error instanceof NetlinkError ? exceptionOf(error, question) : null;
    if (exception === null) throw error;
    return { decision, exception, disagreement: null };
  }
  const isMerged = question.version === 4 && engine.hasDefaultRules4;
  const compared = { version: question.version, isInput: question.iif !== null, isMerged };
  if (agreesWithKernel(decision, kernel, compared, engine.alternatives(q)) === true)
    return { decision, exception: null, disagreement: null };
  let exception = exceptionFor(decision);
  if (exception === null && question.version === 6) {
    let other = withoutSubtree(snapshot, decision);
    // More than one such prefix may hold the destination.
    for (let round = 0; other !== null && exception === null && round < 4; round++) {
      const passing = new RouteEngine(other);
      if (isAnswerOf(passing, q, kernel, compared)) exception = 'subtree';
      else other = withoutSubtree(other, passing.explain(q).decision);
    }
  }
  if (exception === null && question.version === 6) {
    const thrown = withThrow(snapshot, decision);
    const isThrown = thrown !== null && isAnswerOf(new RouteEngine(thrown), q, kernel, compared);
    if (isThrown || isHidden(snapshot, kernel, question.dst)) exception = 'hidden';
  }
  const text = `${JSON.stringify(question)}\n  kernel ${JSON.stringify(kernel)}\n  nstap  ${JSON.stringify(decision)}`;
  return { decision, exception, disagreement: exception === null ? text : null };
}

function isAnswerOf(engine: RouteEngine, q: RouteQuery, kernel: KernelAnswer, compared: Compared): boolean {
  return agreesWithKernel(engine.explain(q).decision, kernel, compared, engine.alternatives(q)) === true;
}

/** One namespace with random tables, to ask both the kernel and nstap. */
export class Differential {
  readonly engine: RouteEngine;
  readonly snapshot: RouteSnapshot;
  readonly pool: QuestionPool;
  readonly #live: LiveRoutes;

  /** Makes the namespace `label` in the lab and fills it. */
  constructor(lab: Lab, label: string, round: RandomRound) {
    const name = buildNamespace(lab, label, round);
    this.#live = new LiveRoutes(name);
    this.snapshot = this.#live.read();
    this.engine = new RouteEngine(this.snapshot);
    this.pool = questionPool(this.snapshot);
  }

  /** The namespace as it is now; `snapshot` is as it was made. */
  read(): RouteSnapshot {
    return this.#live.read();
  }

  close(): void {
    this.#live.close();
  }

  /** Asks both. */
  compare(question: Question): Comparison {
    return compareAnswers(this.engine, this.snapshot, this.#live.client, question);
  }

  fill(q: RouteQuery, question: Question): void {
    fillQuery(this.engine, q, question);
  }
}
