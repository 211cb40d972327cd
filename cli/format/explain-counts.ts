import type { FlowRow } from '../../storage/query.ts';
import { type Column, formatColumns } from './columns.ts';
import { formatCount, formatRate } from './count.ts';
import { flowJson } from './flow-json.ts';
import { perSecond, shortMicros } from './time.ts';

const TCP = 6;

/** Lines of one labelled text; none for null. */
export type Labelled = (label: string, text: string | null) => string[];

interface CountRow {
  what: string;
  fwd: string;
  rev: string;
  both: string;
}

const COLUMNS: readonly Column<CountRow>[] = [
  { title: '', align: 'left', dropOrder: 0, text: ({ what }) => what.padEnd(11) },
  { title: 'ORIGINATOR', align: 'right', dropOrder: 0, text: ({ fwd }) => fwd },
  { title: 'RESPONDER', align: 'right', dropOrder: 0, text: ({ rev }) => rev },
  { title: 'BOTH', align: 'right', dropOrder: 0, text: ({ both }) => both },
];

/** What each side sent, exact; the rates for people. */
export function countLines(row: FlowRow): string[] {
  const ns = row.endNs - row.startNs;
  const sum = (what: string, fwd: number, rev: number): CountRow => ({
    what,
    fwd: exact(fwd),
    rev: exact(rev),
    both: exact(fwd + rev),
  });
  const rate = (what: string, fwd: number, rev: number, show: (value: number) => string): CountRow => {
    const text = (amount: number): string => {
      const value = perSecond(amount, ns);
      return value === null ? '-' : show(value);
    };
    return { what, fwd: text(fwd), rev: text(rev), both: text(fwd + rev) };
  };
  const rows = [
    sum('packets', row.packetsFwd, row.packetsRev),
    sum('frames, octets', row.bytesFwd, row.bytesRev),
    sum('IP, octets', row.ipBytesFwd, row.ipBytesRev),
    sum('payload, octets', row.payloadBytesFwd, row.payloadBytesRev),
    rate('rate', row.bytesFwd * 8, row.bytesRev * 8, formatRate),
    rate('packets/s', row.packetsFwd, row.packetsRev, (value) => formatCount(Math.round(value * 10) / 10)),
    {
      what: 'TTL',
      fwd: range(row.ttlMinFwd, row.ttlMaxFwd),
      rev: range(row.ttlMinRev, row.ttlMaxRev),
      both: '',
    },
    {
      what: 'DSCP',
      fwd: range(row.dscpMinFwd ?? row.dscpFwd, row.dscpMaxFwd ?? row.dscpFwd),
      rev: range(row.dscpMinRev ?? row.dscpRev, row.dscpMaxRev ?? row.dscpRev),
      both: '',
    },
  ];
  return indented(rows);
}

/** What was counted of TCP beyond that; none for another protocol. */
export function tcpLines(row: FlowRow, labelled: Labelled): string[] {
  if (row.proto !== TCP) return [];
  const json = flowJson(row);
  const us = (value: number | null): string | null => (value === null ? null : shortMicros(value));
  const times = [
    named(us(json.rtt_us), 'in the handshake'),
    named(us(json.ts_rtt_us), 'by timestamps'),
    named(us(json.ack_rtt_us_fwd), 'from data of the originator to its ACK, the shortest'),
    named(us(json.ack_rtt_us_rev), 'from data of the responder to its ACK, the shortest'),
  ].filter((part) => part !== null);
  const plain = (what: string, fwd: number | null, rev: number | null): CountRow | null =>
    fwd === null && rev === null
      ? null
      : { what, fwd: fwd === null ? '-' : exact(fwd), rev: rev === null ? '-' : exact(rev), both: '' };
  const trouble = (what: string, fwd: number | null, rev: number | null): CountRow | null =>
    (fwd ?? 0) + (rev ?? 0) === 0 ? null : plain(what, fwd, rev);
  const troubles = [
    trouble('segments sent again', row.retransmitsFwd, row.retransmitsRev),
    trouble('  of these fast', row.fastRetransmitsFwd, row.fastRetransmitsRev),
    trouble('  of these needless', row.spuriousRetransmitsFwd, row.spuriousRetransmitsRev),
    trouble('octets sent again', row.retransmittedBytesFwd, row.retransmittedBytesRev),
    trouble('octets not seen', row.missedBytesFwd, row.missedBytesRev),
    trouble('segments behind a hole', row.lostSegmentsFwd, row.lostSegmentsRev),
    trouble('out of order', row.outOfOrderFwd, row.outOfOrderRev),
    trouble('duplicate ACKs', row.dupAcksFwd, row.dupAcksRev),
    trouble('windows closed', row.zeroWindowsFwd, row.zeroWindowsRev),
    trouble('keep-alives', row.keepAlivesFwd, row.keepAlivesRev),
  ].filter((each) => each !== null);
  const settings = [
    { what: 'flags', fwd: json.tcp_flags_fwd ?? '-', rev: json.tcp_flags_rev ?? '-', both: '' },
    plain('octets of the stream', row.seqBytesFwd, row.seqBytesRev),
    plain('MSS', row.mssFwd, row.mssRev),
    plain('window scale', row.windowScaleFwd, row.windowScaleRev),
    plain('largest window', row.maxWindowFwd, row.maxWindowRev),
  ].filter((each) => each !== null);
  return [
    ...labelled('round trip', times.length === 0 ? null : times.join('; ')),
    ...(troubles.length === 0 && row.retransmitsFwd !== null
      ? labelled('trouble', 'none: nothing sent again, missing, or out of order')
      : []),
    ...indented([...settings, ...troubles]),
  ];
}

function indented(rows: readonly CountRow[]): string[] {
  return formatColumns(
    COLUMNS.slice(0, rows.some(({ both }) => both !== '') ? 4 : 3),
    rows,
    null,
    (head) => head,
  )
    .trimEnd()
    .split('\n')
    .map((line) => `  ${line}`);
}

function named(value: string | null, what: string): string | null {
  return value === null ? null : `${value} ${what}`;
}

function exact(value: number): string {
  return value.toLocaleString('en-US');
}

function range(min: number | null, max: number | null): string {
  if (min === null || max === null) return '-';
  return min === max ? String(min) : `${min} to ${max}`;
}
