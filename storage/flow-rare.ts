import { type FlowColumns, NONE_U8 } from './flow-batch.ts';

/** IANA protocol number. */
const TCP = 6;

/** In SQL, what a number of TCP is that nothing happened to. */
const ZERO_OF_TCP = 'CASE f.proto WHEN 6 THEN 0 END';

/**
 * What hardly a flow has something of its own in. Each column of a table is an octet of every row at least, so these are none: what
 * differs from the usual is in `flows.rare`, a JSON object by these names, of pairs `[originator's, responder's]`, of others the number.
 * NULL: nothing differs.
 */
const PAIRS = {
  retransmits: ZERO_OF_TCP,
  out_of_order: ZERO_OF_TCP,
  zero_windows: ZERO_OF_TCP,
  fast_retransmits: ZERO_OF_TCP,
  spurious_retransmits: ZERO_OF_TCP,
  dup_acks: ZERO_OF_TCP,
  lost_segments: ZERO_OF_TCP,
  keep_alives: ZERO_OF_TCP,
  // Of a side whose sequence numbers are not tracked neither is known.
  missed_bytes: 'f.seq_bytes_fwd * 0',
  retransmitted_bytes: 'f.seq_bytes_fwd * 0',
  ttl_max: 'f.ttl_min_fwd',
  dscp_min: 'f.dscp_fwd',
  dscp_max: 'f.dscp_fwd',
} as const;
const SINGLES = { originator_guessed: ZERO_OF_TCP, vlan_inner: 'NULL' } as const;

/** SQL by the name that the column would have. */
const RARE_SQL: ReadonlyMap<string, string> = new Map([
  ...Object.entries(PAIRS).flatMap(([name, usual]): [string, string][] => [
    [`${name}_fwd`, sqlOf(usual, name, '[0]')],
    [`${name}_rev`, sqlOf(usual.replaceAll('_fwd', '_rev'), name, '[1]')],
  ]),
  ...Object.entries(SINGLES).map(([name, usual]): [string, string] => [name, sqlOf(usual, name, '')]),
]);

function sqlOf(usual: string, name: string, index: string): string {
  return `iif(f.rare -> '$.${name}' IS NULL, ${usual}, f.rare ->> '$.${name}${index}')`;
}

/** SQL for what a flow has, of `f`: a column of `flows`, or what is said in `rare`. */
export function flowSql(name: string): string {
  return RARE_SQL.get(name) ?? `f.${name}`;
}

/** The names that are no columns. */
export function rareNames(): string[] {
  return [...RARE_SQL.keys()];
}

/** What record `i` has in `rare`. */
export function rareOf(c: FlowColumns, i: number): string | null {
  return hasRare(c, i) ? textOf(c, i) : null;
}

/** Whether a record has anything in `rare`. */
export function hasRare(c: FlowColumns, i: number): boolean {
  return (
    c.vlanCount[i]! > 1 ||
    hasRange(c.packetsFwd[i]!, c.ttlMinFwd[i]!, c.ttlMaxFwd[i]!) ||
    hasRange(c.packetsRev[i]!, c.ttlMinRev[i]!, c.ttlMaxRev[i]!) ||
    hasOther(c.dscpFwd[i]!, c.dscpMinFwd[i]!, c.dscpMaxFwd[i]!) ||
    hasOther(c.dscpRev[i]!, c.dscpMinRev[i]!, c.dscpMaxRev[i]!) ||
    (c.proto[i] === TCP && (c.originatorGuessed[i] !== 0 || hasTrouble(c, i) || hasOctets(c, i)))
  );
}

function hasRange(packets: number, min: number, max: number): boolean {
  return packets > 0 && min !== max;
}

function hasOther(first: number, min: number, max: number): boolean {
  return min !== first || max !== first;
}

function hasTrouble(c: FlowColumns, i: number): boolean {
  const retransmits = c.retransmitsFwd[i]! | c.retransmitsRev[i]! | c.fastRetransmitsFwd[i]!;
  const others = c.fastRetransmitsRev[i]! | c.spuriousRetransmitsFwd[i]! | c.spuriousRetransmitsRev[i]!;
  const order = c.outOfOrderFwd[i]! | c.outOfOrderRev[i]! | c.lostSegmentsFwd[i]! | c.lostSegmentsRev[i]!;
  const acks = c.dupAcksFwd[i]! | c.dupAcksRev[i]! | c.zeroWindowsFwd[i]! | c.zeroWindowsRev[i]!;
  return (retransmits | others | order | acks | c.keepAlivesFwd[i]! | c.keepAlivesRev[i]!) !== 0;
}

function hasOctets(c: FlowColumns, i: number): boolean {
  const [fwd, rev] = [usualOctets(c.seqBytesFwd[i]!), usualOctets(c.seqBytesRev[i]!)];
  return (
    hasOther(fwd, Math.max(c.missedBytesFwd[i]!, -1), Math.max(c.retransmittedBytesFwd[i]!, -1)) ||
    hasOther(rev, Math.max(c.missedBytesRev[i]!, -1), Math.max(c.retransmittedBytesRev[i]!, -1))
  );
}

/** 0, or -1 where sequence numbers are not tracked. */
function usualOctets(seqBytes: number): number {
  return seqBytes < 0 ? -1 : 0;
}

function textOf(c: FlowColumns, i: number): string {
  const parts: string[] = [];
  const put = (name: keyof typeof PAIRS, fwd: number, rev: number, usualFwd = 0, usualRev = 0): void => {
    if (fwd === usualFwd && rev === usualRev) return;
    parts.push(`"${name}":[${fwd < 0 ? null : fwd},${rev < 0 ? null : rev}]`);
  };
  if (c.proto[i] === TCP) {
    put('retransmits', c.retransmitsFwd[i]!, c.retransmitsRev[i]!);
    put('out_of_order', c.outOfOrderFwd[i]!, c.outOfOrderRev[i]!);
    put('zero_windows', c.zeroWindowsFwd[i]!, c.zeroWindowsRev[i]!);
    put('fast_retransmits', c.fastRetransmitsFwd[i]!, c.fastRetransmitsRev[i]!);
    put('spurious_retransmits', c.spuriousRetransmitsFwd[i]!, c.spuriousRetransmitsRev[i]!);
    put('dup_acks', c.dupAcksFwd[i]!, c.dupAcksRev[i]!);
    put('lost_segments', c.lostSegmentsFwd[i]!, c.lostSegmentsRev[i]!);
    put('keep_alives', c.keepAlivesFwd[i]!, c.keepAlivesRev[i]!);
    const [usualFwd, usualRev] = [usualOctets(c.seqBytesFwd[i]!), usualOctets(c.seqBytesRev[i]!)];
    put('missed_bytes', c.missedBytesFwd[i]!, c.missedBytesRev[i]!, usualFwd, usualRev);
    put('retransmitted_bytes', c.retransmittedBytesFwd[i]!, c.retransmittedBytesRev[i]!, usualFwd, usualRev);
  }
  const [minFwd, minRev] = [
    ttlOf(c.packetsFwd[i]!, c.ttlMinFwd[i]!),
    ttlOf(c.packetsRev[i]!, c.ttlMinRev[i]!),
  ];
  const [maxFwd, maxRev] = [
    ttlOf(c.packetsFwd[i]!, c.ttlMaxFwd[i]!),
    ttlOf(c.packetsRev[i]!, c.ttlMaxRev[i]!),
  ];
  put('ttl_max', maxFwd, maxRev, minFwd, minRev);
  const [dscpFwd, dscpRev] = [dscpOf(c.dscpFwd[i]!), dscpOf(c.dscpRev[i]!)];
  put('dscp_min', dscpOf(c.dscpMinFwd[i]!), dscpOf(c.dscpMinRev[i]!), dscpFwd, dscpRev);
  put('dscp_max', dscpOf(c.dscpMaxFwd[i]!), dscpOf(c.dscpMaxRev[i]!), dscpFwd, dscpRev);
  if (c.proto[i] === TCP && c.originatorGuessed[i] !== 0)
    parts.push(`"originator_guessed":${c.originatorGuessed[i]}`);
  if (c.vlanCount[i]! > 1) parts.push(`"vlan_inner":${c.vlanInner[i]}`);
  return `{${parts.join(',')}}`;
}

// What is not known is below 0.

function ttlOf(packets: number, ttl: number): number {
  return packets > 0 ? ttl : -1;
}

function dscpOf(value: number): number {
  return value === NONE_U8 ? -1 : value;
}
