import type { FlowDatabase } from './database.ts';

/**
 * How a group key reads: an address is a BLOB of 4 or 16 octets, and so is a net (its first address); a protocol its number,
 * a time the seconds since the epoch at which a span begins, everything else as it is.
 */
export type GroupKind =
  | 'address'
  | 'net'
  | 'protocol'
  | 'time'
  | 'connState'
  | 'endReason'
  | 'tunnelType'
  | 'plain';

/** What flows can be grouped by. */
export interface GroupField {
  /** Of the sums of flows that are alike in `column`, under the alias `s`, and of what is joined to them. */
  sql: string;
  /** What tells flows apart, of a flow under the alias `f`; `{end}` stands for src and dst, of which a flow counts for both. */
  raw: string;
  /** How the sums call that. */
  column: string;
  kind: GroupKind;
  /** A table that is joined for it. */
  join?: 'captures' | 'route_decisions';
  /** The column has few values, so that each file can be added up by itself. */
  isFew?: boolean;
}

/** Prefix lengths of a net as a group field has them, by the octets of an address. */
export interface NetLengths {
  4: number;
  16: number;
}

/** Where one length is given, addresses of the other version are cut to … */
const OTHER_V4 = 32;
const OTHER_V6 = 64;

/**
 * Fields that are made of a name: `src/24`, `dst/24/48`, `host/64` are nets of addresses, `start:3600` spans of so many seconds in
 * which flows began, as UTC counts them, `start:86400@Europe/Berlin` as clocks of that zone do (a multiple of ZONE_PART_SEC).
 * undefined for another name.
 */
export function madeGroupField(name: string): GroupField | undefined {
  const lengths = netLengths(name);
  if (lengths !== null) {
    const end = name.split('/')[0]!;
    const column = `${end}_${lengths[4]}_${lengths[16]}`;
    return { sql: `s.${column}`, raw: netSql(endOf(end), lengths), column, kind: 'net' };
  }
  const [, text, zone] = /^start:([1-9]\d*)(?:@([\w+:/-]+))?$/.exec(name) ?? [];
  const span = Number(text);
  if (!Number.isSafeInteger(span)) return undefined;
  // What a zone shows is asked for parts that no zone divides, of which there are few.
  const part = zone === undefined ? span : ZONE_PART_SEC;
  const sec = 'f.start_ns / 1000000000';
  const raw = `(${sec} - (${sec} % ${part} + ${part}) % ${part})`;
  const column = `start_${part}`;
  const sql = zone === undefined ? `s.${column}` : groupSpanSql(`s.${column}`, span, zone);
  return { sql, raw, column, kind: 'time', isFew: true };
}

/** When a span of a zone's clocks begins, in SQL. @param sec when a part of ZONE_PART_SEC begins @param zone of letters, digits and `_+:/-` */
export function groupSpanSql(sec: string, span: number, zone: string): string {
  return `nstap_span(${sec}, ${span}, '${zone}')`;
}

/** Offsets of zones are a multiple of this, in seconds. */
export const ZONE_PART_SEC = 900;

/** An end of a flow in SQL; `host` is either. */
export function endOf(name: string): string {
  return name === 'host' ? 'f.{end}' : `f.${name}`;
}

/** The prefix lengths that such a name has; null for a name of another kind. */
export function netLengths(name: string): NetLengths | null {
  const match = /^(?:src|dst|host)\/(\d{1,3})(?:\/(\d{1,3}))?$/.exec(name);
  if (match === null) return null;
  const first = Number(match[1]);
  const second = match[2] === undefined ? null : Number(match[2]);
  if (second === null)
    return first > 128 ? null : first > 32 ? { 4: OTHER_V4, 16: first } : { 4: first, 16: OTHER_V6 };
  return first > 32 || second > 128 ? null : { 4: first, 16: second };
}

function netSql(address: string, lengths: NetLengths): string {
  return `nstap_net(${address}, ${lengths[4]}, ${lengths[16]})`;
}

/**
 * Where fields tell of the ends of a flow (`host`, or a net of it): the condition for its destination to count as another one.
 * null where none does.
 */
export function otherEnd(by: readonly string[]): string | null {
  const hosts = by.filter((name) => /^host(?:\/|$)/.test(name));
  if (hosts.length === 0) return null;
  const lengths = hosts.length === 1 ? netLengths(hosts[0]!) : null;
  return lengths === null ? 'f.dst <> f.src' : `${netSql('f.dst', lengths)} <> ${netSql('f.src', lengths)}`;
}

/** Connections that have the functions which the SQL of these fields calls. */
const ready = new WeakSet<FlowDatabase>();

/** Gives a connection the functions which the SQL of these fields calls. */
export function addGroupFunctions(db: FlowDatabase): void {
  if (ready.has(db)) return;
  ready.add(db);
  db.function('nstap_net', { deterministic: true }, (address: Buffer, v4: number, v6: number) => {
    const net = Buffer.from(address);
    const prefixLen = net.length === 4 ? v4 : v6;
    const whole = prefixLen >> 3;
    if (whole < net.length) {
      net[whole]! &= 0xff00 >> (prefixLen & 7);
      net.fill(0, whole + 1);
    }
    return net;
  });
  const spans = new Map<string, (sec: number) => number>();
  db.function('nstap_span', { deterministic: true }, (sec: number, span: number, zone: string) => {
    const name = `${span}@${zone}`;
    const begin = spans.get(name) ?? spanBegin(span, zone);
    spans.set(name, begin);
    return begin(sec);
  });
}

/**
 * Tells when the span begins that a moment is in, as clocks of a zone count; all in seconds since the epoch.
 * @throws RangeError for a zone that is not known
 */
function spanBegin(span: number, zone: string): (sec: number) => number {
  const eastOf = offsetOf(zone);
  // There are few parts of a day that flows began in, and asking for each costs microseconds.
  const known = new Map<number, number>();
  return (sec) => {
    let begin = known.get(sec);
    if (begin === undefined) {
      const offset = eastOf(sec);
      const local = sec + offset;
      const wall = local - (((local % span) + span) % span);
      // Clocks may have been changed since then, and show the same time twice: the first is meant.
      begin = wall - eastOf(wall - offset);
      const earlier = wall - eastOf(begin - 7200);
      if (earlier < begin && earlier + eastOf(earlier) === wall) begin = earlier;
      if (known.size < 1_000_000) known.set(sec, begin);
    }
    return begin;
  };
}

/** Tells how many seconds the clocks of a zone are ahead of UTC. @throws RangeError for a zone that is not known */
function offsetOf(zone: string): (sec: number) => number {
  const format = new Intl.DateTimeFormat('en-US', { timeZone: zone, timeZoneName: 'longOffset' });
  return (sec) => {
    const name = format.formatToParts(sec * 1000).find(({ type }) => type === 'timeZoneName')?.value;
    const [, sign, hours, minutes] = /^GMT([+-])(\d\d):(\d\d)/.exec(name ?? '') ?? [];
    return hours === undefined ? 0 : (sign === '-' ? -1 : 1) * (Number(hours) * 3600 + Number(minutes) * 60);
  };
}
