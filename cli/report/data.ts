import { protocolName } from '../../storage/protocols.ts';
import type { FlowDatabase } from '../../storage/database.ts';
import { experimentsNamed, readExperiments, type Experiment } from '../../storage/experiments.ts';
import { holdSnapshot } from '../../storage/partition-views.ts';
import type { FlowSelection } from '../../storage/flow-arms.ts';
import { type FlowRow, queryFlows } from '../../storage/query.ts';
import { type GroupRow, queryBy } from '../../storage/query-by.ts';
import {
  captureIds,
  type ReportTotals,
  reportTotals,
  type RouteShare,
  type RttHistogram,
  routeShares,
  rttHistogram,
} from '../../storage/report.ts';
import { type ReportLosses, reportLosses } from '../../storage/report-losses.ts';
import { type TimeParts, type Traffic, trafficOver } from '../../storage/report-traffic.ts';
import { readRetained } from '../../storage/retained.ts';

/** Rows of each table. */
const TALKERS = 12;
const SERVICES = 12;
const PLACES = 24;
const LARGEST = 20;
/** Services that have a colour of their own over time; the others are one. */
export const COLORED = 5;
/** Parts of the time, about. */
const PARTS = 120;
/** No fewer, so that what lasted a moment does not fill the whole drawing. */
const PARTS_MIN = 10;
/** Lengths of a part, in seconds, that people count in. */
const STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400];

/** A protocol, and the responder's port where it has one. */
export interface Service {
  name: string;
  flows: number;
  packets: number;
  bytes: number;
}

/** Everything that a report shows. */
export interface ReportData {
  totals: ReportTotals;
  /** The time shown; null: there are no flows, and no time was asked for. */
  fromNs: bigint | null;
  toNs: bigint | null;
  parts: TimeParts | null;
  traffic: Traffic | null;
  /** Names of the groups of `traffic`. */
  groups: string[];
  talkers: GroupRow[];
  services: Service[];
  routes: RouteShare[];
  states: GroupRow[];
  places: GroupRow[];
  rtt: RttHistogram;
  largest: FlowRow[];
  losses: ReportLosses;
  /** Flows that retention dropped since the database was made, and the earliest end of those that are kept. */
  dropped: { flows: number; keptFromNs: bigint | null };
  experiments: Experiment[];
}

/** Reads it, in one snapshot. @param experiment that was asked for, as a filter names it @throws StorageError */
export function reportData(
  db: FlowDatabase,
  selection: FlowSelection,
  experiment: string | null,
): ReportData {
  const release = holdSnapshot(db);
  try {
    return read(db, selection, experiment);
  } finally {
    release();
  }
}

function read(db: FlowDatabase, selection: FlowSelection, experiment: string | null): ReportData {
  const experiments = experiment === null ? [] : experimentsNamed(readExperiments(db), experiment);
  const totals = reportTotals(db, selection);
  const top = (by: string[], limit: number): GroupRow[] => [
    ...queryBy(db, { ...selection, by, sort: 'bytes', descending: true, limit, offset: 0 }),
  ];
  // More than are shown: the codes of ICMP are one service.
  const services = merged(top(['protocol', 'dst_port'], 4 * SERVICES)).slice(0, SERVICES);
  const [fromNs, toNs] = span(selection, totals, experiments);
  const parts = fromNs === null || toNs === null || totals.flows === 0 ? null : timeParts(fromNs, toNs);
  const colored = services.slice(0, COLORED);
  const groupOf = groupFinder(colored);
  const traffic = parts === null ? null : trafficOver(db, selection, parts, colored.length + 1, groupOf);
  const retained = readRetained(db);
  const page = { sort: 'bytes', descending: true, limit: LARGEST, offset: 0 };
  return {
    totals,
    fromNs,
    toNs,
    parts,
    traffic,
    groups: [...colored.map(({ name }) => name), 'other'],
    talkers: top(['host'], TALKERS),
    services,
    routes: routeShares(db, selection),
    states: [
      ...queryBy(db, {
        ...selection,
        by: ['conn_state'],
        sort: 'flows',
        descending: true,
        limit: null,
        offset: 0,
      }),
    ],
    places: top(['netns', 'interface'], PLACES),
    rtt: rttHistogram(db, selection),
    largest: [...queryFlows(db, { ...selection, ...page })],
    losses: reportLosses(db, captureIds(db, selection), fromNs, toNs),
    dropped: { flows: retained.droppedFlows, keptFromNs: retained.fromNs },
    experiments,
  };
}

/** The time to show: what was asked for, else that of the experiments, else that of the flows. */
function span(
  { since, until }: FlowSelection,
  { firstNs, lastNs }: ReportTotals,
  experiments: readonly Experiment[],
): [bigint | null, bigint | null] {
  // In the order of their start.
  const earliest = experiments[0]?.startedNs ?? firstNs;
  const ends = experiments.map(({ endedNs }) => endedNs ?? lastNs);
  const latest = ends.length === 0 ? lastNs : (ends.sort(byTime).at(-1) ?? null);
  const from = since ?? earliest;
  const to = until ?? latest;
  return from !== null && to !== null && to < from ? [from, from] : [from, to];
}

/** null: not known, before all others. */
function byTime(a: bigint | null, b: bigint | null): number {
  return a === b ? 0 : a === null || (b !== null && a < b) ? -1 : 1;
}

function timeParts(fromNs: bigint, toNs: bigint): TimeParts {
  const from = Number(fromNs / 1_000_000_000n);
  const to = Math.max(from + PARTS_MIN, Math.ceil(Number(toNs) / 1e9));
  const wanted = (to - from) / PARTS;
  const stepSec = STEPS.find((step) => step >= wanted) ?? Math.ceil(wanted / 86_400) * 86_400;
  const fromSec = Math.floor(from / stepSec) * stepSec;
  return { fromSec, stepSec, count: Math.max(1, Math.ceil((to - fromSec) / stepSec)) };
}

const ICMP_NUMBERS = [1, 58];

function serviceName(proto: number, port: number | null): string {
  const name = protocolName(proto);
  return port === null || ICMP_NUMBERS.includes(proto) ? name : `${name} ${port}`;
}

/** Groups of one name made one, in the order of their first. */
function merged(rows: readonly GroupRow[]): Service[] {
  const services = new Map<string, Service>();
  for (const { keys, flows, packets, bytes } of rows) {
    const name = serviceName(keys[0] as number, keys[1] as number | null);
    const before = services.get(name) ?? { name, flows: 0, packets: 0, bytes: 0 };
    services.set(name, {
      name,
      flows: before.flows + flows,
      packets: before.packets + packets,
      bytes: before.bytes + bytes,
    });
  }
  return [...services.values()].sort((a, b) => b.bytes - a.bytes);
}

/** Finds the group of a flow; the last one is that of all others. */
function groupFinder(colored: readonly Service[]): (proto: number, port: number | null) => number {
  const groups = new Map(colored.map(({ name }, i) => [name, i]));
  // A name is made once for each pair, not once for each flow.
  const known = new Map<number, number>();
  return (proto, port) => {
    const pair = proto * 65_537 + (port ?? 65_536);
    let group = known.get(pair);
    if (group === undefined) {
      group = groups.get(serviceName(proto, port)) ?? colored.length;
      known.set(pair, group);
    }
    return group;
  };
}
