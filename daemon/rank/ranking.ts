import { type Match, matcher } from '../../storage/filter-match.ts';
import { uses } from '../../storage/filter-scope.ts';
import { EndReasonCode, FlowBatch, HISTORY_MAX } from '../../storage/flow-batch.ts';
import { FlowSubject } from '../../storage/flow-subject.ts';
import type { RouteDecision } from '../../storage/route-decision.ts';
import { bytesOf, flowSeqOf, packetsOf } from '../flow/counters.ts';
import { writeRecord } from '../flow/record.ts';
import { BIT, D, F, farOf, KEY_IPV6, nearOf, TAIL_WORDS, W } from '../flow/slot.ts';
import type { Activity, FlowActivity } from './activity.ts';
import { taggedDecision } from './decision-tag.ts';
import { TICKS } from './activity.ts';
import { GroupTable, KEY_WORDS, SUM } from './group-table.ts';
import type { KnownDecisions } from './known-decisions.ts';
import {
  RANKED_COLUMNS,
  type RankAnswer,
  type RankedColumn,
  type RankedFlow,
  type RankedGroup,
  type RankPlace,
  type RankQuestion,
} from './messages.ts';
import { addressOf, IPV6_TALKER } from './talker-key.ts';
import { TopK } from './top-k.ts';

/** More than any flow table has: see MAX_FLOWS_LIMIT. */
const SLOTS_A_THREAD = 2 ** 24;

const NOWHERE: RankPlace = { captureIndex: -1, netns: null, netnsId: null, interface: null };

/** What rankings know beside the flow table. */
export interface RankContext {
  /** Of the flow table of each capture thread. */
  activities: readonly FlowActivity[];
  place(captureIndex: number): RankPlace | undefined;
  decisions: KnownDecisions;
}

/** One question, asked again and again while flows come and go. */
export class Ranking {
  readonly question: RankQuestion;
  readonly #context: RankContext;
  readonly #match: Match | null;
  readonly #subject = new FlowSubject();
  readonly #batch = new FlowBatch(8);
  readonly #top = new TopK();
  readonly #groups = new GroupTable();
  readonly #asksForRoutes: boolean;
  /** A decision of the flow at hand is not known. */
  #isUnknown = false;
  readonly #activity: Activity = { bytes0: 0, bytes1: 0, packets0: 0, packets1: 0 };
  /** By thread and slot: the tick at which the filter was asked, negative when it did not match; 0: never. */
  readonly #askedAt: Int32Array[];
  /** The flow table at hand, and the number of its thread. */
  #table: FlowActivity;
  #thread = 0;
  /** Numbers of namespaces, for the keys of groups, and a capture of each. */
  readonly #netnsNumbers = new Map<string, number>();
  readonly #netnsCaptures: number[] = [];
  readonly #netnsOfCapture: number[] = [];
  readonly #sides: [Sums, Sums] = [{ ...NOTHING }, { ...NOTHING }];
  /** In the answer that is made, a filter or a row asked for a decision that is not known yet. */
  isWaiting = false;

  /** @throws RangeError for a filter that has no answer here */
  constructor(question: RankQuestion, context: RankContext) {
    this.question = question;
    this.#context = context;
    this.#table = context.activities[0]!;
    this.#askedAt = context.activities.map(() => new Int32Array(0));
    this.#match = question.filter === null ? null : matcher(question.filter);
    this.#asksForRoutes = question.filter !== null && uses(question.filter, 'route', 'routeRule');
  }

  /** The rows as of the last tick. `isWaiting` says afterwards whether some flows could not be told from others yet. */
  answer(): RankAnswer {
    const { activities } = this.#context;
    const { ticks, view, limit } = this.question;
    const intervalMs = activities[0]!.spanMs(ticks);
    const windowMs = activities[0]!.spanMs(TICKS);
    this.isWaiting = false;
    this.#top.reset(limit);
    this.#groups.clear();
    let matched = 0;
    let bytes = 0;
    let packets = 0;
    const a = this.#activity;
    for (let thread = 0; thread < activities.length; thread++) {
      const activity = this.#look(thread);
      for (let slot = 0; slot < activity.used; slot++) {
        if (activity.seqs[slot]! < 0 || !this.#matches(slot)) continue;
        matched++;
        activity.since(slot, ticks, a);
        bytes += a.bytes0 + a.bytes1;
        packets += a.packets0 + a.packets1;
        if (view === 'flows')
          this.#top.offer(this.#signed(this.#flowValue(slot, a)), thread * SLOTS_A_THREAD + slot);
        else this.#addToGroups(slot, a);
      }
    }
    const perS = intervalMs > 0 ? 1000 / intervalMs : 0;
    const answer: RankAnswer = {
      intervalMs,
      windowMs,
      matched,
      bytesPerS: bytes * perS,
      packetsPerS: packets * perS,
      rows: view === 'flows' ? matched : this.#groups.count,
      flows: [],
      groups: [],
      cpuNs: 0,
    };
    if (view === 'flows')
      answer.flows = this.#top.take().flatMap((item) => this.#flow(item, intervalMs, windowMs) ?? []);
    else answer.groups = this.#bestGroups(intervalMs, windowMs);
    return answer;
  }

  /** Turns to the flow table of a thread. */
  #look(thread: number): FlowActivity {
    const activity = this.#context.activities[thread]!;
    this.#table = activity;
    this.#thread = thread;
    if (activity.used > this.#askedAt[thread]!.length) {
      const askedAt = new Int32Array(activity.seqs.length);
      askedAt.set(this.#askedAt[thread]!);
      this.#askedAt[thread] = askedAt;
    }
    return activity;
  }

  /** Asks the filter again only when the flow has changed since. */
  #matches(slot: number): boolean {
    const match = this.#match;
    if (match === null) return true;
    const activity = this.#table;
    const askedAt = this.#askedAt[this.#thread]!;
    const asked = askedAt[slot]!;
    if (asked !== 0 && Math.abs(asked) >= activity.changedAt[slot]!) return asked > 0;
    const batch = this.#batch;
    batch.clear();
    writeRecord(activity.slab, slot, batch, EndReasonCode.active);
    const place = this.#context.place(batch.columns.captureIndex[0]!) ?? NOWHERE;
    this.#isUnknown = false;
    this.#subject.setRecord(batch.columns, 0, place, -1, -1, this.#decision);
    const isMatch = match(this.#subject);
    if (this.#isUnknown) this.isWaiting = true;
    else askedAt[slot] = isMatch ? activity.ticks : -activity.ticks;
    return isMatch;
  }

  readonly #decision = (index: number): RouteDecision | null => {
    if (!this.#asksForRoutes) return null;
    const decision = this.#context.decisions.get(taggedDecision(index, this.#thread));
    if (decision === undefined) this.#isUnknown = true;
    return decision ?? null;
  };

  /** So that the largest comes first. */
  #signed(value: number): number {
    return this.question.isAscending ? -value : value;
  }

  #flowValue(slot: number, a: Activity): number {
    const activity = this.#table;
    const { words, doubles } = activity.slab;
    const far = farOf(words, nearOf(slot));
    switch (this.question.sort) {
      case 'rate':
        return a.bytes0 + a.bytes1;
      case 'sent':
        return isOrigHi(words, slot) ? a.bytes1 : a.bytes0;
      case 'received':
        return isOrigHi(words, slot) ? a.bytes0 : a.bytes1;
      case 'pps':
        return a.packets0 + a.packets1;
      case 'window':
        activity.since(slot, TICKS, a);
        return a.bytes0 + a.bytes1;
      case 'bytes':
        return bytesOf(words, slot, 0) + bytesOf(words, slot, 1);
      case 'packets':
        return packetsOf(words, slot, 0) + packetsOf(words, slot, 1);
      case 'start':
        return doubles[(nearOf(slot) >>> 1) + D.startSec]! + words[far + F.startNsec]! / 1e9;
      case 'flows':
        return 1;
    }
  }

  /** @returns null when the slot was given to another flow meanwhile */
  #flow(item: number, intervalMs: number, windowMs: number): RankedFlow | null {
    const activity = this.#look(Math.floor(item / SLOTS_A_THREAD));
    const slot = item % SLOTS_A_THREAD;
    const { words } = activity.slab;
    const batch = this.#batch;
    const c = batch.columns;
    batch.clear();
    writeRecord(activity.slab, slot, batch, EndReasonCode.active);
    const seq = activity.seqs[slot]!;
    if (c.flowSeq[0] !== seq || flowSeqOf(words, slot) !== seq) return null;
    const octets = c.ipVersion[0] === 6 ? 16 : 4;
    const a = this.#activity;
    activity.since(slot, TICKS, a);
    const bytesPerSWindow = perSecond(a.bytes0 + a.bytes1, windowMs);
    activity.since(slot, this.question.ticks, a);
    const isHi = isOrigHi(words, slot);
    const columns = {} as Record<RankedColumn, number>;
    for (const name of RANKED_COLUMNS) columns[name] = c[name][0]!;
    return {
      // Each thread counts its own.
      seq: seq * this.#context.activities.length + this.#thread,
      captureIndex: c.captureIndex[0]!,
      ipVersion: c.ipVersion[0]!,
      proto: c.proto[0]!,
      src: hex(c.src, octets),
      dst: hex(c.dst, octets),
      srcMac: c.hasMac[0] === 1 ? hex(c.srcMac, 6) : null,
      dstMac: c.hasMac[0] === 1 ? hex(c.dstMac, 6) : null,
      hasPorts: c.hasPorts[0] === 1,
      vlans: [c.vlanOuter[0]!, c.vlanInner[0]!].slice(0, c.vlanCount[0]),
      tunnelType: c.tunnelType[0]!,
      tunnelId: c.tunnelType[0] === 0 ? -1 : c.tunnelId[0]!,
      history: Buffer.from(c.history.subarray(0, Math.min(c.historyLen[0]!, HISTORY_MAX))).toString('latin1'),
      routeFwd: taggedDecision(c.routeFwd[0]!, this.#thread),
      routeRev: taggedDecision(c.routeRev[0]!, this.#thread),
      isRouteChanged: c.routeOrigSide[0]! <= 1,
      bytesFwdPerS: perSecond(isHi ? a.bytes1 : a.bytes0, intervalMs),
      bytesRevPerS: perSecond(isHi ? a.bytes0 : a.bytes1, intervalMs),
      bytesPerSWindow,
      packetsPerS: perSecond(a.packets0 + a.packets1, intervalMs),
      columns,
    };
  }

  /** Adds the flow in `slot`, of whose activity in the interval `a` tells, to its groups. */
  #addToGroups(slot: number, a: Activity): void {
    const activity = this.#table;
    const { words } = activity.slab;
    const base = nearOf(slot);
    const own = this.#sides;
    for (let side = 0; side < 2; side++) {
      own[side]!.bytes = bytesOf(words, slot, side);
      own[side]!.packets = packetsOf(words, slot, side);
    }
    own[0].rate = a.bytes0;
    own[1].rate = a.bytes1;
    own[0].pps = a.packets0;
    own[1].pps = a.packets1;
    activity.since(slot, TICKS, a);
    own[0].window = a.bytes0;
    own[1].window = a.bytes1;
    const key = words[base + W.key]!;
    const { key: wanted } = this.#groups;
    wanted.fill(0);
    switch (this.question.view) {
      case 'talkers':
        this.#addTalkers(base, key, own);
        break;
      case 'interfaces':
        wanted[0] = key & 0xffff;
        this.#add(own[0], own[1], 1);
        break;
      case 'routes': {
        const netns = this.#netnsNumber(key & 0xffff);
        const routes = farOf(words, base) + F.route0;
        const isOne = words[routes] === words[routes + 1];
        for (let side = 0; side < 2; side++) {
          if (own[side]!.packets === 0) continue;
          wanted[0] = netns;
          wanted[1] = this.#route(words[routes + side]!);
          // Where both directions go by one route it is one flow there.
          this.#add(own[side]!, NOTHING, side === 1 && isOne && own[0].packets > 0 ? 0 : 1);
        }
      }
    }
  }

  /** The number of a row. One that is not known yet is by itself. @param index of a decision, as the thread at hand has it */
  #route(index: number): number {
    const { activities, decisions } = this.#context;
    const tagged = taggedDecision(index, this.#thread);
    if (activities.length === 1 || tagged < 0) return tagged;
    const same = decisions.same(tagged);
    if (same === undefined) this.isWaiting = true;
    return same ?? tagged;
  }

  #addTalkers(base: number, key: number, own: readonly [Sums, Sums]): void {
    const { words } = this.#table.slab;
    const { key: wanted } = this.#groups;
    wanted[0] = (key & 0xffff) | ((key & KEY_IPV6) !== 0 ? IPV6_TALKER : 0);
    const tails = farOf(words, base) + F.tails;
    // Of IPv4 the words of the tails may hold something else.
    const tailWords = (key & KEY_IPV6) !== 0 ? TAIL_WORDS : 0;
    let isSame = words[base + W.addrLo] === words[base + W.addrHi];
    wanted[1] = words[base + W.addrLo]!;
    for (let i = 0; i < tailWords; i++) {
      wanted[2 + i] = words[tails + i]!;
      if (words[tails + i] !== words[tails + TAIL_WORDS + i]) isSame = false;
    }
    if (isSame) {
      // Who talks to itself is one talker.
      this.#add(own[0], NOTHING, 1);
      this.#add(own[1], NOTHING, 0);
      return;
    }
    this.#add(own[0], own[1], 1);
    wanted[1] = words[base + W.addrHi]!;
    for (let i = 0; i < tailWords; i++) wanted[2 + i] = words[tails + TAIL_WORDS + i]!;
    this.#add(own[1], own[0], 1);
  }

  /** Adds to the group of the key at hand. */
  #add(sent: Sums, received: Sums, flows: number): void {
    const at = this.#groups.group();
    const { sums } = this.#groups;
    sums[at + SUM.flows]! += flows;
    sums[at + SUM.bytes]! += sent.bytes + received.bytes;
    sums[at + SUM.packets]! += sent.packets + received.packets;
    sums[at + SUM.sent]! += sent.rate;
    sums[at + SUM.received]! += received.rate;
    sums[at + SUM.pps]! += sent.pps + received.pps;
    sums[at + SUM.window]! += sent.window + received.window;
  }

  #bestGroups(intervalMs: number, windowMs: number): RankedGroup[] {
    const groups = this.#groups;
    for (let group = 0; group < groups.count; group++)
      this.#top.offer(this.#signed(this.#groupValue(group)), group);
    return this.#top.take().map((group) => {
      const first = groups.keys[group * KEY_WORDS]!;
      const { view } = this.question;
      return {
        captureIndex: view === 'routes' ? this.#netnsCaptures[first]! : first & 0xffff,
        address: view === 'talkers' ? addressOf(groups.keys, group * KEY_WORDS) : '',
        route: view === 'routes' ? groups.keys[group * KEY_WORDS + 1]! : -1,
        flows: groups.sum(group, SUM.flows),
        bytes: groups.sum(group, SUM.bytes),
        packets: groups.sum(group, SUM.packets),
        sentPerS: perSecond(groups.sum(group, SUM.sent), intervalMs),
        receivedPerS: perSecond(groups.sum(group, SUM.received), intervalMs),
        bytesPerSWindow: perSecond(groups.sum(group, SUM.window), windowMs),
        packetsPerS: perSecond(groups.sum(group, SUM.pps), intervalMs),
      };
    });
  }

  #groupValue(group: number): number {
    const groups = this.#groups;
    switch (this.question.sort) {
      case 'rate':
        return groups.sum(group, SUM.sent) + groups.sum(group, SUM.received);
      case 'start':
        return 0;
      default:
        return groups.sum(group, SUM[this.question.sort]);
    }
  }

  /** Of the namespace of a capture. */
  #netnsNumber(captureIndex: number): number {
    const known = this.#netnsOfCapture[captureIndex];
    if (known !== undefined) return known;
    const id = this.#context.place(captureIndex)?.netnsId ?? '';
    let number = this.#netnsNumbers.get(id);
    if (number === undefined) {
      number = this.#netnsCaptures.length;
      this.#netnsNumbers.set(id, number);
      this.#netnsCaptures.push(captureIndex);
    }
    this.#netnsOfCapture[captureIndex] = number;
    return number;
  }
}

/** What one side of a flow sent: in all, in the interval, and in the long window. */
interface Sums {
  bytes: number;
  packets: number;
  rate: number;
  pps: number;
  window: number;
}

const NOTHING: Readonly<Sums> = { bytes: 0, packets: 0, rate: 0, pps: 0, window: 0 };

function isOrigHi(words: Int32Array, slot: number): boolean {
  return (words[nearOf(slot) + W.bits]! & BIT.origIsHi) !== 0;
}

function perSecond(sum: number, spanMs: number): number {
  return spanMs > 0 ? (sum * 1000) / spanMs : 0;
}

function hex(octets: Uint8Array, length: number): string {
  return Buffer.from(octets.subarray(0, length)).toString('hex');
}
