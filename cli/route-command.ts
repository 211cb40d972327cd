import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { parseAddress } from '../decoders/address.ts';
import { PacketType } from '../decoders/packet-fields.ts';
import type { NetlinkClient } from '../daemon/netlink/dump.ts';
import { NetlinkError } from '../daemon/netlink/errors.ts';
import { RouteEngine, RouteQuery } from '../daemon/routes/engine.ts';
import { ipProtoNumber } from '../daemon/routes/format.ts';
import { LiveRoutes } from '../daemon/routes/live-snapshot.ts';
import type { RouteStep } from '../daemon/routes/resolve.ts';
import type { RouteSnapshot } from '../daemon/routes/snapshot.ts';
import { type KernelAnswer, agreesWithKernel, askKernel } from '../daemon/routes/verify.ts';
import { bytesToWords } from '../daemon/routes/words.ts';
import type { RouteDecision } from '../storage/route-decision.ts';
import { UsageError } from './errors.ts';
import { formatRouteAnswer } from './format/route-answer.ts';
import { writeLines } from './output.ts';
import { netnsFile } from './netns-file.ts';
import { namedSnapshot, type SnapshotFlags } from './snapshot-source.ts';

const IPPROTO_UDP = 17;

/** Flags of `nstap route get` as they were given. */
export interface RouteGetFlags extends SnapshotFlags {
  from?: string;
  iif?: string;
  oif?: string;
  tos?: number;
  dscp?: number;
  mark?: number;
  uid?: number;
  ipproto?: string;
  sport?: number;
  dport?: number;
  batch?: string;
  verify?: boolean;
  json?: boolean;
}

/** What is asked, as it is printed back; null where nothing was given. */
export interface RouteAsked {
  dst: string;
  from: string | null;
  iif: string | null;
  oif: string | null;
  tos: number | null;
  mark: number | null;
  uid: number | null;
  ipproto: string | number | null;
  sport: number | null;
  dport: number | null;
}

/** The answer of `route get`: the decision, what was asked, and how it came about. */
export interface RouteAnswer extends RouteDecision {
  query: RouteAsked;
  steps: RouteStep[];
  /** The kernel's own answer, with --verify. */
  kernel?: KernelAnswer | null;
  /** Null when the kernel cannot be asked this. */
  agrees?: boolean | null;
}

/** Runs `nstap route get`. @returns exit status @throws as `namedSnapshot`; SyscallError, NetlinkError */
export async function routeGetCommand(dst: string | undefined, flags: RouteGetFlags): Promise<number> {
  if ((dst === undefined) === (flags.batch === undefined))
    throw new UsageError('give either a destination or --batch');
  const isFile = [flags.routes, flags.snapshot, flags.rules, flags.addrs].some((file) => file !== undefined);
  if (isFile && flags.verify)
    throw new UsageError('--verify asks the live kernel, which knows nothing of files');
  const asker = new RouteAsker(flags, await namedSnapshot(flags));
  try {
    if (dst === undefined) return await answerBatch(asker, flags.batch!);
    const answer = asker.ask(askedOf({ ...flags, dst }));
    await writeLines([flags.json ? `${JSON.stringify(answer)}\n` : formatRouteAnswer(answer)]);
    return 0;
  } finally {
    asker.close();
  }
}

/** Answers one JSON query a line with one JSON object a line; a line that is wrong gets an object with `error`. */
async function answerBatch(asker: RouteAsker, file: string): Promise<number> {
  const input = file === '-' ? process.stdin : createReadStream(file);
  let lineNumber = 0;
  let wrong = 0;
  let disagreements = 0;
  for await (const line of createInterface({ input, crlfDelay: Infinity })) {
    lineNumber++;
    if (line.trim() === '') continue;
    let output: unknown;
    try {
      const answer = asker.ask(askedOf(parseQuery(line)));
      if (answer.agrees === false) disagreements++;
      output = answer;
    } catch (error) {
      if (!(error instanceof UsageError)) throw error;
      wrong++;
      process.stderr.write(`nstap: line ${lineNumber}: ${error.message}\n`);
      output = { error: error.message, line: lineNumber };
    }
    // One by one: who asks over a pipe may wait for each answer.
    await writeLines([`${JSON.stringify(output)}\n`]);
  }
  if (disagreements > 0)
    process.stderr.write(`nstap: the kernel disagrees with ${disagreements} decisions\n`);
  return wrong > 0 ? 1 : 0;
}

function parseQuery(line: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch (error) {
    throw new UsageError(`no JSON: ${(error as Error).message}`);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new UsageError('should be a JSON object with `dst`');
  return value as Record<string, unknown>;
}

/** Checks a query from the command line or from a line of JSON. */
function askedOf(given: object): RouteAsked {
  const fields = given as Record<string, unknown>;
  const text = (name: string): string | null => {
    const value = fields[name];
    if (value === undefined || value === null) return null;
    if (typeof value !== 'string') throw new UsageError(`${name}: should be a string`);
    return value;
  };
  const number = (name: string, max: number): number | null => {
    const value = fields[name];
    if (value === undefined || value === null) return null;
    const parsed = typeof value === 'string' && /^(0x[0-9a-f]+|\d+)$/i.test(value) ? Number(value) : value;
    if (typeof parsed !== 'number' || !Number.isInteger(parsed) || parsed < 0 || parsed > max)
      throw new UsageError(`${name}: should be a number from 0 to ${max}`);
    return parsed;
  };
  const { ipproto } = fields;
  const dst = text('dst');
  if (dst === null) throw new UsageError('dst: is missing');
  return {
    dst,
    from: text('from'),
    iif: text('iif'),
    oif: text('oif'),
    tos: tosOf(number('tos', 0xff), number('dscp', 63)),
    mark: number('mark', 0xffffffff),
    uid: number('uid', 0xffffffff),
    ipproto: typeof ipproto === 'number' ? number('ipproto', 255) : text('ipproto'),
    sport: number('sport', 0xffff),
    dport: number('dport', 0xffff),
  };
}

/** DSCP is the upper six bits of the TOS octet. */
function tosOf(tos: number | null, dscp: number | null): number | null {
  if (dscp === null) return tos;
  if (tos !== null) throw new UsageError('dscp: is part of tos; give one of them');
  return dscp << 2;
}

/** Answers questions about one namespace, live or of the past, or one set of files. */
class RouteAsker {
  readonly #engine: RouteEngine;
  readonly #live: LiveRoutes | null;
  readonly #verify: boolean;
  readonly #where: string;

  /** @param snapshot null: the live kernel is asked */
  constructor(flags: RouteGetFlags, snapshot: RouteSnapshot | null) {
    this.#live = snapshot === null ? new LiveRoutes(flags.netns, netnsFile(flags.netns)) : null;
    this.#engine = new RouteEngine(snapshot ?? this.#live!.read());
    this.#verify = flags.verify === true;
    this.#where = flags.snapshot ?? flags.routes ?? flags.netns;
  }

  /** @throws UsageError for a question that makes no sense */
  ask(asked: RouteAsked): RouteAnswer {
    const dst = addressOf('destination', asked.dst);
    const from = asked.from === null ? null : addressOf('--from', asked.from);
    if (from !== null && from.version !== dst.version)
      throw new UsageError(`${asked.dst} and ${asked.from} are of different families`);
    const q = new RouteQuery();
    q.version = dst.version;
    bytesToWords(dst.bytes, q.dst);
    if (from !== null) bytesToWords(from.bytes, q.src);
    q.asked = true;
    q.pktType = asked.iif === null ? PacketType.Outgoing : PacketType.Host;
    if (asked.iif !== null) q.ifIndex = this.#device(asked.iif);
    if (asked.oif !== null) q.oif = this.#device(asked.oif);
    q.tos = asked.tos ?? 0;
    q.mark = asked.mark ?? 0;
    q.markKnown = asked.mark !== null;
    q.uid = asked.uid ?? 0;
    q.uidKnown = asked.uid !== null;
    // Without a protocol the kernel takes UDP for IPv4 (inet_rtm_getroute), and none for IPv6.
    const proto =
      asked.ipproto === null ? (dst.version === 4 ? IPPROTO_UDP : 0) : ipProtoNumber(String(asked.ipproto));
    if (proto === null) throw new UsageError(`${asked.ipproto}: no protocol that is known`);
    q.proto = proto;
    q.sport = asked.sport ?? 0;
    q.dport = asked.dport ?? 0;
    q.l4Known = asked.ipproto !== null;
    const { decision, steps } = this.#engine.explain(q);
    const answer: RouteAnswer = { ...decision, query: asked, steps };
    if (!this.#verify) return answer;
    const kernel = this.#askKernel(this.#live!.client, asked, q, dst.bytes, from?.bytes);
    const isMerged = q.version === 4 && this.#engine.hasDefaultRules4;
    const compared = { version: q.version, isInput: asked.iif !== null, isMerged };
    const others = this.#engine.alternatives(q);
    return {
      ...answer,
      kernel,
      agrees: kernel === null ? null : agreesWithKernel(decision, kernel, compared, others),
    };
  }

  #device(name: string): number {
    const ifIndex = this.#engine.ifIndexOf(name);
    if (ifIndex === 0) throw new UsageError(`no interface ${name} in ${this.#where}`);
    return ifIndex;
  }

  /** The kernel's answer, or null where it cannot be asked (multicast input of IPv6, an interface that is down). */
  #askKernel(
    client: NetlinkClient,
    asked: RouteAsked,
    q: RouteQuery,
    dst: Uint8Array,
    src: Uint8Array | undefined,
  ): KernelAnswer | null {
    const query = {
      version: q.version,
      dst,
      src,
      iifIndex: asked.iif === null ? undefined : q.ifIndex,
      oifIndex: asked.oif === null ? undefined : q.oif,
      tos: asked.tos ?? undefined,
      mark: asked.mark ?? undefined,
      uid: asked.uid ?? undefined,
      ipProto: asked.ipproto === null ? undefined : q.proto,
      sport: asked.sport ?? undefined,
      dport: asked.dport ?? undefined,
    };
    try {
      return askKernel(
        client,
        query,
        (ifIndex) => this.#engine.ifNameOf(ifIndex),
        `${asked.dst} in ${this.#where}`,
      );
    } catch (error) {
      if (!(error instanceof NetlinkError)) throw error;
      process.stderr.write(`nstap: ${error.message}\n`);
      return null;
    }
  }

  close(): void {
    this.#live?.close();
  }
}

function addressOf(what: string, text: string): { version: 4 | 6; bytes: Uint8Array } {
  const address = parseAddress(text);
  if (address === null) throw new UsageError(`${what}: ${text} is no address`);
  return address;
}
