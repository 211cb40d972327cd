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
 * which flows began, as UTC counts them. undefined for another name.
 */
export function madeGroupField(name: string): GroupField | undefined {
  const lengths = netLengths(name);
  if (lengths !== null) {
    const end = name.split('/')[0]!;
    const column = `${end}_${lengths[4]}_${lengths[16]}`;
    return { sql: `s.${column}`, raw: netSql(endOf(end), lengths), column, kind: 'net' };
  }
  const span = Number(/^start:([1-9]\d*)$/.exec(name)?.[1]);
  if (!Number.isSafeInteger(span)) return undefined;
  const sec = 'f.start_ns / 1000000000';
  const raw = `(${sec} - (${sec} % ${span} + ${span}) % ${span})`;
  const column = `start_${span}`;
  return { sql: `s.${column}`, raw, column, kind: 'time', isFew: true };
}

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
}
