import { formatAddress } from '../../decoders/address.ts';
import type { RouteAuditCounts } from '../../storage/messages.ts';
import { NetlinkError } from '../netlink/errors.ts';
import type { RouteMirror } from '../routes/mirror.ts';
import type { RouteSample } from './messages.ts';
import { agreesWithKernel, type KernelAnswer } from '../routes/verify.ts';

/** The decision was made by tables that may be this much behind, and the kernel is asked now: no comparison while they change. */
const SETTLED_MS = 1000;

type Counts = Omit<RouteAuditCounts, 'netns' | 'netnsId'>;

/** What it takes to ask a question again by hand. */
export interface Disagreement {
  question: Record<string, string | number>;
  /** For a shell in which `ip` may enter the namespace. */
  command: string;
  decision: RouteSample['decision'];
  kernel: KernelAnswer;
}

/** Puts a sample of our decisions to the kernel, and counts. */
export class RouteAudit {
  readonly #counts = new Map<string, Counts>();
  readonly #changedAtMs = new Map<string, number>();

  /** The tables of a namespace are others now. */
  changed(netnsId: string): void {
    this.#changedAtMs.set(netnsId, performance.now());
  }

  /** What was counted of a namespace so far. */
  counts(netnsId: string): Readonly<Counts> {
    return this.#counts.get(netnsId) ?? { asked: 0, agreed: 0, disagreed: 0, unasked: 0 };
  }

  /** Forgets a namespace that is gone. */
  remove(netnsId: string): void {
    this.#counts.delete(netnsId);
    this.#changedAtMs.delete(netnsId);
  }

  /**
   * Asks the kernel. Counted as unasked: what it cannot be asked, and what it was asked while the tables changed.
   * @returns a disagreement, or null
   * @throws SyscallError
   */
  ask(sample: RouteSample, mirror: RouteMirror): Disagreement | null {
    let counts = this.#counts.get(sample.netnsId);
    if (counts === undefined) {
      counts = { asked: 0, agreed: 0, disagreed: 0, unasked: 0 };
      this.#counts.set(sample.netnsId, counts);
    }
    const kernel = sample.decision === null ? null : askKernelOf(sample, mirror);
    const agrees =
      kernel === null || sample.decision === null
        ? null
        : agreesWithKernel(sample.decision, kernel, sample.compared, sample.others);
    const changedAtMs = this.#changedAtMs.get(sample.netnsId) ?? 0;
    const isSettled = !mirror.hasChanged && performance.now() - changedAtMs > SETTLED_MS;
    if (kernel === null || agrees === null || (!agrees && !isSettled)) {
      counts.unasked++;
      return null;
    }
    counts.asked++;
    if (agrees) {
      counts.agreed++;
      return null;
    }
    counts.disagreed++;
    return { ...describe(sample, mirror), decision: sample.decision, kernel };
  }
}

function askKernelOf(sample: RouteSample, mirror: RouteMirror): KernelAnswer | null {
  const { version, dst, src, iifIndex, tos, proto, sport, dport } = sample;
  try {
    return mirror.ask({
      version,
      dst,
      src: src.some((octet) => octet !== 0) ? src : undefined,
      iifIndex: iifIndex === 0 ? undefined : iifIndex,
      tos,
      // Who asks would be taken for the sender.
      uid: iifIndex === 0 ? 0 : undefined,
      ipProto: proto === 0 ? undefined : proto,
      sport: proto === 0 ? undefined : sport,
      dport: proto === 0 ? undefined : dport,
    });
  } catch (error) {
    if (error instanceof NetlinkError) return null;
    throw error;
  }
}

function describe(sample: RouteSample, mirror: RouteMirror): Pick<Disagreement, 'question' | 'command'> {
  const { version, tos, proto, sport, dport } = sample;
  const question: Record<string, string | number> = { dst: formatAddress(sample.dst, 0, version) };
  const words = [question.dst];
  if (sample.src.some((octet) => octet !== 0)) {
    question.from = formatAddress(sample.src, 0, version);
    words.push('from', question.from);
  }
  if (sample.iifIndex !== 0) {
    question.iif = mirror.linkName(sample.iifIndex) ?? String(sample.iifIndex);
    words.push('iif', question.iif);
  } else words.push('uid', 0);
  if (tos !== 0) words.push('tos', `0x${tos.toString(16)}`);
  if (proto !== 0) words.push('ipproto', proto, 'sport', sport, 'dport', dport);
  Object.assign(question, { tos, ipproto: proto, sport, dport });
  const family = version === 6 ? '-6 ' : '';
  return { question, command: `ip ${family}-n ${mirror.netns} route get fibmatch ${words.join(' ')}` };
}
