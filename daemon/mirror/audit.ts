import { formatAddress } from '../../decoders/address.ts';
import type { RouteAuditCounts } from '../../storage/messages.ts';
import { SyscallError } from '../kernel/errors.ts';
import { HOST_NETNS } from '../kernel/netns.ts';
import { LogLimit } from '../log-limit.ts';
import { NetlinkError, NetlinkFormatError } from '../netlink/errors.ts';
import type { RouteMirror } from '../routes/mirror.ts';
import type { RouteSample } from './messages.ts';
import { agreesWithKernel, type KernelAnswer } from '../routes/verify.ts';

/** The decision was made by tables that may be this much behind, and the kernel is asked now: no comparison while they change. */
const SETTLED_MS = 1000;

/** Disagreements that are told of a namespace, at most so many in so long; the next one after that counts the others. */
const TOLD_MAX = 10;
const TOLD_MS = 60_000;

type Counts = Omit<RouteAuditCounts, 'netns' | 'netnsId'>;

/** What it takes to ask a question again by hand. */
export interface Disagreement {
  question: Record<string, string | number>;
  /** For a shell in which `ip` may enter the namespace. */
  command: string;
  decision: RouteSample['decision'];
  kernel: KernelAnswer;
  /** Disagreements since the last one that was told: a table that is wrong is wrong for every packet. */
  untold: number;
}

/** Puts a sample of our decisions to the kernel, and counts. */
export class RouteAudit {
  readonly #counts = new Map<string, Counts>();
  readonly #changedAtMs = new Map<string, number>();
  readonly #told: LogLimit;
  readonly #nowMs: () => number;

  /** @param nowMs a clock that only goes forward, in milliseconds */
  constructor(nowMs: () => number = () => performance.now()) {
    this.#nowMs = nowMs;
    this.#told = new LogLimit(TOLD_MAX, TOLD_MS, nowMs);
  }

  /** The tables of a namespace are others now. */
  changed(netnsId: string): void {
    this.#changedAtMs.set(netnsId, this.#nowMs());
  }

  /** What was counted of a namespace so far. */
  counts(netnsId: string): Readonly<Counts> {
    return this.#counts.get(netnsId) ?? { asked: 0, agreed: 0, disagreed: 0, unasked: 0 };
  }

  /** Forgets a namespace that is gone. */
  remove(netnsId: string): void {
    this.#counts.delete(netnsId);
    this.#changedAtMs.delete(netnsId);
    this.#told.forget(netnsId);
  }

  /**
   * Asks the kernel. Counted as unasked: what it cannot be asked, and what it was asked while the tables changed.
   * @returns a disagreement that is to be told, or null
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
    const changedAtMs = this.#changedAtMs.get(sample.netnsId) ?? -Infinity;
    const isSettled = !mirror.hasChanged && this.#nowMs() - changedAtMs > SETTLED_MS;
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
    const untold = this.#told.admit(sample.netnsId);
    return untold === null
      ? null
      : { ...describe(sample, mirror), decision: sample.decision, kernel, untold };
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
    // Of a broken socket whoever reads its notifications will hear.
    if (error instanceof NetlinkError || error instanceof SyscallError) return null;
    if (error instanceof NetlinkFormatError) {
      // A notification that came in between, and that nobody will see again.
      mirror.suspect();
      return null;
    }
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
    question.iif = mirror.linkName(sample.iifIndex) ?? `if${sample.iifIndex}`;
    words.push('iif', question.iif);
  } else words.push('uid', 0);
  if (tos !== 0) words.push('tos', `0x${tos.toString(16)}`);
  if (proto !== 0) words.push('ipproto', proto, 'sport', sport, 'dport', dport);
  Object.assign(question, { tos, ipproto: proto, sport, dport });
  return { question, command: `${ipIn(mirror.netns, version)} route get fibmatch ${words.join(' ')}` };
}

/** `ip` in a namespace as the daemon names it: "host", a name of ip-netns(8), or a path. */
function ipIn(netns: string, version: 4 | 6): string {
  const ip = version === 6 ? 'ip -6' : 'ip';
  if (netns === HOST_NETNS) return ip;
  return netns.includes('/') ? `nsenter --net=${netns} ${ip}` : `${ip} -n ${netns}`;
}
