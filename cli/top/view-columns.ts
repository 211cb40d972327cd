import type { RankSort } from '../../daemon/rank/messages.ts';
import { protocolName } from '../../storage/protocols.ts';
import { routeText } from '../format/flow-text.ts';
import { placeText } from './losses.ts';
import type { TopView } from './model.ts';
import { byteCount, byteRate, shortAge, shortNumber } from './quantities.ts';
import type { TopRow } from './rows.ts';

/** Protocols whose "ports" are a type and a code. */
const ICMP_NUMBERS = [1, 58];

/** What cells depend on beside their row. */
export interface CellContext {
  /** Seconds since the epoch. */
  nowS: number;
  isUnicode: boolean;
}

/** A column of a view. */
export interface TopColumn {
  title: string;
  align: 'left' | 'right';
  /** The largest is left out first when the terminal is too narrow; 0 always stays. */
  dropOrder: number;
  /** What rows are ranked by when this column is chosen; null: it cannot be. */
  sort: RankSort | null;
  /** Columns it takes at least, so that it does not jump about with every number. */
  least: number;
  /** Takes what is left of the line, and is cut when there is too little. */
  isElastic?: boolean;
  /** Shows the rate of the row against the largest one, and has no text. */
  isBar?: boolean;
  text(row: TopRow, context: CellContext): string;
}

const BAR: TopColumn = {
  title: '',
  align: 'left',
  dropOrder: 6,
  sort: null,
  least: 10,
  isBar: true,
  text: () => '',
};
const RATE = rateColumn('RATE', 'rate', 0);
const SENT = rateColumn('SENT', 'sent', 5);
const RECEIVED = rateColumn('RECEIVED', 'received', 5);
const WINDOW = rateColumn('10 S', 'window', 3);
const PPS = numberColumn('PKT/S', 'pps', 7);
const FLOWS = numberColumn('FLOWS', 'flows', 1);
const BYTES: TopColumn = {
  title: 'BYTES',
  align: 'right',
  dropOrder: 8,
  sort: 'bytes',
  least: 7,
  text: (row) => byteCount(row.values.bytes),
};
const PACKETS = numberColumn('PACKETS', 'packets', 9);

/** The columns of each view, in their order. */
export const COLUMNS_OF: Readonly<Record<TopView, readonly TopColumn[]>> = {
  flows: [
    textColumn('PROTO', 1, 5, (row) => (row.kind === 'flow' ? protocolName(row.ranked.flow.protocol) : '')),
    { ...textColumn('FLOW', 0, 43, (row, context) => endpoints(row, context)), isElastic: true },
    textColumn('STATE', 8, 5, (row) => (row.kind === 'flow' ? row.ranked.flow.connState || '-' : '')),
    RATE,
    BAR,
    { ...SENT, dropOrder: 10 },
    { ...RECEIVED, dropOrder: 10 },
    WINDOW,
    PPS,
    { ...BYTES, dropOrder: 5 },
    { ...PACKETS, dropOrder: 11 },
    {
      title: 'AGE',
      align: 'right',
      dropOrder: 9,
      sort: 'start',
      least: 6,
      text: (row, { nowS }) => shortAge(nowS - row.values.start),
    },
    textColumn('NETNS/IF', 4, 8, (row) =>
      row.kind === 'flow' ? placeText(row.ranked.flow.netns, row.ranked.flow.interface) : '',
    ),
    {
      ...textColumn('ROUTE', 2, 28, (row) => (row.kind === 'flow' ? flowRoute(row) : '')),
      isElastic: true,
    },
  ],
  talkers: [
    {
      ...textColumn('ADDRESS', 0, 15, (row) => (row.kind === 'talker' ? row.group.address : '')),
      isElastic: true,
    },
    textColumn('NETNS/IF', 2, 8, (row) =>
      row.kind === 'talker' ? placeText(row.group.netns, row.group.interface) : '',
    ),
    FLOWS,
    RATE,
    BAR,
    SENT,
    RECEIVED,
    WINDOW,
    PPS,
    BYTES,
    PACKETS,
  ],
  namespaces: [
    { ...textColumn('NAMESPACE', 0, 15, placeName), isElastic: true },
    FLOWS,
    RATE,
    BAR,
    WINDOW,
    PPS,
    BYTES,
    PACKETS,
    countColumn('DROPS', 2, (row) => (row.kind === 'place' ? row.kernelDrops : 0)),
    countColumn('UNDECODED', 4, (row) => (row.kind === 'place' ? row.undecoded : 0)),
    countColumn('EVICTED', 5, (row) => (row.kind === 'place' ? row.evicted : 0)),
  ],
  routes: [
    textColumn('VERDICT', 2, 7, (row) => (row.kind === 'route' ? (row.verdict ?? '-') : '')),
    {
      ...textColumn('ROUTE', 0, 15, (row) => (row.kind === 'route' ? routeText(row.route) : '')),
      isElastic: true,
    },
    textColumn('NETNS', 1, 5, (row) => (row.kind === 'route' ? row.group.netns || '-' : '')),
    FLOWS,
    RATE,
    BAR,
    WINDOW,
    PPS,
    BYTES,
    PACKETS,
    textColumn('RULE', 10, 5, (row) => (row.kind === 'route' ? String(row.route?.rule ?? '-') : '')),
  ],
};

/** What the rows of a view can be ranked by, in the order of its columns. */
export function sortsOf(columns: readonly TopColumn[]): RankSort[] {
  return columns.flatMap(({ sort }) => sort ?? []);
}

/** "10.0.0.1:1024 -> 10.0.0.2:80" */
export function endpoints(row: TopRow, { isUnicode }: Pick<CellContext, 'isUnicode'>): string {
  if (row.kind !== 'flow') return '';
  const { flow } = row.ranked;
  const end = (address: string, port: number): string =>
    flow.hasPorts ? `${flow.ipVersion === 6 ? `[${address}]` : address}:${port}` : address;
  const arrow = isUnicode ? '→' : '->';
  if (ICMP_NUMBERS.includes(flow.protocol)) return `${flow.src} ${arrow} ${flow.dst} type ${flow.srcPort}`;
  return `${end(flow.src, flow.srcPort)} ${arrow} ${end(flow.dst, flow.dstPort)}`;
}

/** The decision of the direction that is dropped, else that of the originator. */
function flowRoute(row: Extract<TopRow, { kind: 'flow' }>): string {
  const { routeFwd, routeRev, ranked } = row;
  const told =
    routeRev?.verdict === 'drop' && routeFwd?.verdict !== 'drop' ? routeRev : (routeFwd ?? routeRev);
  return `${routeText(told)}${ranked.routeChanged ? ' (changed)' : ''}`;
}

function placeName(row: TopRow): string {
  if (row.kind !== 'place') return '';
  return row.interface === '' ? row.netns || '-' : `  ${row.interface}`;
}

function rateColumn(title: string, sort: RankSort, dropOrder: number): TopColumn {
  return { title, align: 'right', dropOrder, sort, least: 9, text: (row) => byteRate(row.values[sort]) };
}

function numberColumn(title: string, sort: RankSort, dropOrder: number): TopColumn {
  return { title, align: 'right', dropOrder, sort, least: 6, text: (row) => shortNumber(row.values[sort]) };
}

function countColumn(title: string, dropOrder: number, count: (row: TopRow) => number): TopColumn {
  return {
    title,
    align: 'right',
    dropOrder,
    sort: null,
    least: title.length,
    text: (row) => shortNumber(count(row)),
  };
}

function textColumn(
  title: string,
  dropOrder: number,
  least: number,
  text: (row: TopRow, context: CellContext) => string,
): TopColumn {
  return { title, align: 'left', dropOrder, sort: null, least, text };
}
