import { protocolName } from '../../storage/protocols.ts';
import type { FlowRow } from '../../storage/query.ts';
import type { CellStyle, Column } from './columns.ts';
import { formatCount } from './count.ts';
import { type FlowField, flowField } from './flow-fields.ts';
import { cutFlow, cutPlace, flowText, placeText, routeCell, routeText, shownRoute } from './flow-text.ts';
import { cutMiddle } from './text-width.ts';
import { shortDuration, shortTime } from './time.ts';

const TCP = 6;

/** What Zeek's states say of a TCP connection: all is well, it failed, its end is unusual. */
const STATE_STYLES: Readonly<Record<string, CellStyle>> = {
  SF: 'good',
  S1: 'good',
  S0: 'bad',
  REJ: 'bad',
  RSTOS0: 'bad',
  RSTRH: 'bad',
  SH: 'bad',
  SHR: 'bad',
  S2: 'odd',
  S3: 'odd',
  RSTO: 'odd',
  RSTR: 'odd',
  OTH: 'faint',
};

/** How the state of a flow is coloured. Of what has no connections silence is no failure. */
function stateStyle({ connState, proto }: FlowRow): CellStyle | null {
  const style = STATE_STYLES[connState ?? ''] ?? null;
  return proto === TCP || style === 'good' ? style : null;
}

/** How the route of a flow is coloured: dropped, seen on another interface than it was sent to, delivered here, not known. */
function routeStyle(row: FlowRow): CellStyle | null {
  const route = shownRoute(row);
  if (route === null || route.type === 'unknown' || route.type === 'not_routed') return 'faint';
  if (route.verdict === 'drop') return 'bad';
  if (route.observed === 'differs') return 'odd';
  return route.verdict === 'deliver' ? 'good' : null;
}

/** Where in shortTime the time of day begins, its seconds end; where the month begins, the minutes end. */
const TIME_OF_DAY = [11, 19] as const;
const DAY_AND_TIME = [5, 16] as const;

/** The start in less room: the time of day alone, where all flows that are shown began on one day. */
function startColumn(rows: readonly FlowRow[], dropOrder: number): Column<FlowRow> {
  const day = (row: FlowRow): string => shortTime(row.startNs).slice(0, TIME_OF_DAY[0]);
  const first = rows[0] === undefined ? '' : day(rows[0]);
  const part = rows.every((row) => day(row) === first) ? TIME_OF_DAY : DAY_AND_TIME;
  return {
    title: 'START',
    align: 'left',
    dropOrder,
    text: (row) => shortTime(row.startNs),
    narrow: (row) => shortTime(row.startNs).slice(...part),
  };
}

/** What a person wants to see of flows, the most telling columns last to go. @param rows that are to be shown */
export function flowColumns(rows: readonly FlowRow[]): readonly Column<FlowRow>[] {
  return [startColumn(rows, 4), ...COLUMNS];
}

const FLOW_MIN = 31;
const ROUTE_MIN = 18;

const COLUMNS: readonly Column<FlowRow>[] = [
  { title: 'DURATION', align: 'right', dropOrder: 8, text: (row) => shortDuration(row.endNs - row.startNs) },
  { title: 'PROTO', align: 'left', dropOrder: 0, text: (row) => protocolName(row.proto) },
  { title: 'FLOW', align: 'left', dropOrder: 0, text: flowText, min: FLOW_MIN, cut: cutFlow },
  { title: 'STATE', align: 'left', dropOrder: 5, text: (row) => row.connState ?? '-', style: stateStyle },
  {
    title: 'PACKETS',
    align: 'right',
    dropOrder: 7,
    text: (row) => formatCount(row.packetsFwd + row.packetsRev),
  },
  { title: 'BYTES', align: 'right', dropOrder: 6, text: (row) => formatCount(row.bytesFwd + row.bytesRev) },
  {
    title: 'NETNS/IF',
    align: 'left',
    dropOrder: 2,
    blank: '-/-',
    text: placeText,
    min: 10,
    cut: cutPlace,
  },
  { title: 'ROUTE', align: 'left', dropOrder: 1, text: routeCell, style: routeStyle, min: ROUTE_MIN },
];

/** Columns of `--wide`, which begin with those of every table. */
export function wideFlowColumns(rows: readonly FlowRow[]): readonly Column<FlowRow>[] {
  const more = [
    'flow_id',
    'rate',
    'rtt_us',
    'retransmits',
    'history',
    'end_reason',
    'experiment',
    'community_id',
  ];
  return [
    ...flowColumns(rows),
    { title: 'ROUTE BACK', align: 'left', dropOrder: 0, text: (row) => routeText(row.routeRev) },
    ...more.map((name) => fieldColumn(flowField(name))),
  ];
}

const MIN_CUT = 8;

/** The column of a field that was asked for by name: it never goes, but may be cut. */
export function fieldColumn(field: FlowField, rows: readonly FlowRow[] = []): Column<FlowRow> {
  const { name, isNumber, text } = field;
  if (name === 'start') return startColumn(rows, 0);
  const known = KNOWN[name];
  return {
    title: name.toUpperCase(),
    align: isNumber ? 'right' : 'left',
    dropOrder: 0,
    text,
    ...(!isNumber && { min: MIN_CUT, cut: cutMiddle }),
    ...(name === 'place' && { min: 10, cut: cutPlace }),
    ...(name === 'flow' && { min: FLOW_MIN, cut: cutFlow }),
    ...known,
  };
}

const KNOWN: Readonly<Record<string, Partial<Column<FlowRow>>>> = {
  conn_state: { style: stateStyle },
  route: { style: routeStyle, min: ROUTE_MIN },
  route_fwd: { style: routeStyle, min: ROUTE_MIN },
  'route_fwd.verdict': { style: routeStyle },
  'route_fwd.type': { style: routeStyle },
};

/** One line for each decision that the flow had, in the order of time. */
export function routeChangeLines(row: FlowRow): string[] {
  const { routeChanges } = row;
  if (routeChanges === null) return [];
  if (routeChanges.length === 0) return ['changed; the changes were shed'];
  return routeChanges.map(
    ({ direction, sinceNs, decision }) => `${shortTime(sinceNs)}  ${direction}  ${routeText(decision)}`,
  );
}
