import { formatAddress } from '../../decoders/address.ts';
import { protocolName } from '../../storage/protocols.ts';
import type { GroupRow } from '../../storage/query-by.ts';
import type { RouteShare } from '../../storage/report.ts';
import { flowText, routeText } from '../format/flow-text.ts';
import { shortDuration, shortTime } from '../format/time.ts';
import { barCell, rttChart, strip } from './charts.ts';
import type { ReportData } from './data.ts';
import { type Html, html } from './html.ts';
import { countText, nsText, octetsText, shareText } from './numbers.ts';

/** Routes that are shown; drops are always among the first. */
const ROUTES = 20;
const COLORED_STATES = 5;

/** Zeek's conn_state in words; docs/flow-fields.md has them in full. */
const STATES: Readonly<Record<string, string>> = {
  S0: 'attempt without an answer',
  S1: 'established, not ended',
  SF: 'established and ended in order',
  REJ: 'attempt refused',
  S2: 'ended by the originator only',
  S3: 'ended by the responder only',
  RSTO: 'reset by the originator',
  RSTR: 'reset by the responder',
  RSTOS0: 'SYN, then reset by the originator',
  RSTRH: 'SYN+ACK, then reset by the responder',
  SH: 'SYN and FIN, no answer seen',
  SHR: 'only the answer seen',
  OTH: 'under way when capture began',
};

interface Share {
  name: Html | string;
  flows: number;
  packets: number;
  bytes: number;
}

function shareTable(title: string, rows: readonly Share[]): Html {
  const most = Math.max(1, ...rows.map(({ bytes }) => bytes));
  const lines = rows.map(
    ({ name, flows, packets, bytes }) =>
      html`<tr><td class="any">${name}</td>${barCell(bytes / most)}<td class="n">${octetsText(bytes)}</td><td class="n opt">${countText(packets)}</td><td class="n">${countText(flows)}</td></tr>`,
  );
  return html`<div class="scroll"><table><thead><tr><th>${title}</th><th><span hidden>Share</span></th><th class="n">Bytes</th><th class="n opt">Packets</th><th class="n">Flows</th></tr></thead><tbody>${lines}</tbody></table></div>`;
}

export function talkersSection({ talkers }: ReportData): Html {
  const rows = talkers.map(({ keys: [key], ...row }) => {
    const address = key as Buffer;
    const text = formatAddress(address, 0, address.length === 4 ? 4 : 6);
    return { ...row, name: html`<span class="mono">${text}</span>` };
  });
  return html`<section><h2>Top talkers</h2><p class="note">A flow counts for both of its ends.</p>${shareTable('Host', rows)}</section>`;
}

export function servicesSection({ services }: ReportData): Html {
  return html`<section><h2>Top services</h2><p class="note">By protocol and port of the responder.</p>${shareTable('Service', services)}</section>`;
}

export function placesSection({ places }: ReportData): Html {
  const rows = places.map(({ keys: [netns, name], ...row }: GroupRow) => ({
    ...row,
    name: `${netns ?? '–'} / ${name ?? '–'}`,
  }));
  return html`<section><h2>Namespaces and interfaces</h2><p class="note">A packet that is seen on several interfaces counts on each.</p>${shareTable('Namespace / interface', rows)}</section>`;
}

export function routesSection({ routes }: ReportData): Html {
  const known = routes.filter(({ type }) => type !== 'unknown');
  const unknown = routes.filter(({ type }) => type === 'unknown');
  const most = Math.max(1, ...routes.map(({ packets }) => packets));
  const shown = known.slice(0, ROUTES);
  const rest = known.slice(ROUTES);
  const lines = shown.map((route) => routeLine(route, most));
  if (rest.length > 0) lines.push(sumLine(`${countText(rest.length)} other routes`, rest, most));
  if (unknown.length > 0) lines.push(sumLine('not decided', unknown, most, unknown[0]!.reason));
  const note =
    known.length === 0
      ? 'There was no routing data: capture live, or replay with --routes or --snapshot.'
      : 'Where the kernel sent the packets of each direction, by the latest decision of a flow; drops first.';
  return html`<section class="long"><h2>Routes</h2><p class="note">${note}</p>
<div class="scroll"><table class="routes"><thead><tr><th>Verdict</th><th>Route</th><th><span hidden>Share</span></th><th class="n">Packets</th><th class="n">Bytes</th><th class="n opt">Directions</th></tr></thead><tbody>${lines}</tbody></table></div></section>`;
}

function routeLine(route: RouteShare, most: number): Html {
  const isDrop = route.verdict === 'drop';
  const { type, table, prefix, gateway, dev, reason, verdict } = route;
  const text = routeText({ ...NO_DECISION, type: type as 'unicast', table, prefix, gateway, dev });
  const why = reason === null ? null : html`<small>${reason}</small>`;
  const chip = html`<span class="${isDrop ? 'chip bad-text' : 'chip'}">${verdict ?? '–'}</span>`;
  return html`<tr><td>${chip}</td><td><span class="mono">${text}</span>${why}</td>${barCell(route.packets / most, isDrop)}<td class="n">${countText(route.packets)}</td><td class="n">${octetsText(route.bytes)}</td><td class="n opt">${countText(route.directions)}</td></tr>`;
}

const NO_DECISION = {
  verdict: null,
  rule: null,
  scope: null,
  protocol: null,
  metric: null,
  prefsrc: null,
  stage: null,
  observed: 'n/a',
  confidence: 'exact',
  reason: null,
  text: null,
} as const;

function sumLine(
  name: string,
  routes: readonly RouteShare[],
  most: number,
  reason: string | null = null,
): Html {
  const sum = (of: 'packets' | 'bytes' | 'directions'): number =>
    routes.reduce((n, route) => n + route[of], 0);
  const why = reason === null ? null : html`<small>${reason}</small>`;
  return html`<tr><td>–</td><td>${name}${why}</td>${barCell(Math.min(1, sum('packets') / most))}<td class="n">${countText(sum('packets'))}</td><td class="n">${octetsText(sum('bytes'))}</td><td class="n opt">${countText(sum('directions'))}</td></tr>`;
}

export function statesSection({ states, totals }: ReportData): Html {
  const name = (row: GroupRow): string => (row.keys[0] as string | null) ?? '–';
  const shares = states.slice(0, COLORED_STATES).map(({ flows }) => flows);
  const others = states.slice(COLORED_STATES).reduce((sum, { flows }) => sum + flows, 0);
  const title = states.map((row) => `${name(row)} ${shareText(row.flows, totals.flows)}`).join(', ');
  const lines = states.map(
    (row, i) =>
      html`<tr><td class="w"><i class="dot f${Math.min(i, COLORED_STATES)}"></i>${name(row)}</td><td>${STATES[name(row)] ?? ''}</td><td class="n">${countText(row.flows)}</td><td class="n">${shareText(row.flows, totals.flows)}</td></tr>`,
  );
  return html`<section><h2>How flows went</h2><p class="note">Zeek's conn_state, by number of flows.</p>
${strip(others > 0 ? [...shares, others] : shares, title)}
<table><thead><tr><th>State</th><th>Meaning</th><th class="n">Flows</th><th class="n">Share</th></tr></thead><tbody>${lines}</tbody></table></section>`;
}

export function rttSection({ rtt, totals }: ReportData): Html {
  const quantiles = [
    ['least', 0],
    ['median', 0.5],
    ['90 %', 0.9],
    ['99 %', 0.99],
    ['most', 1],
  ] as const;
  const row = (titles: readonly string[], values: readonly string[]): Html =>
    html`<table><thead><tr>${titles.map((title) => html`<th class="n">${title}</th>`)}</tr></thead><tbody><tr>${values.map((value) => html`<td class="n">${value}</td>`)}</tr></tbody></table>`;
  const values = quantiles.map(([, share]) => nsText(rtt.quantile(share) ?? 0));
  const summary = quantiles.map(([name], i) => `${name} ${values[i]}`).join(', ');
  const chart =
    rtt.count === 0
      ? html`<p class="empty">No TCP handshake was seen whole.</p>`
      : html`${rttChart(rtt, summary)}${row(
          quantiles.map(([name]) => name),
          values,
        )}`;
  const tcp = [
    countText(totals.retransmits),
    shareText(totals.retransmits, totals.tcpPackets),
    countText(totals.retransmitFlows),
    countText(totals.outOfOrder),
    countText(totals.zeroWindows),
  ];
  return html`<section><h2>Round trips and retransmissions</h2><p class="note">SYN to the ACK of the SYN+ACK, of ${countText(rtt.count)} TCP flows, to 1 %.</p>
${chart}
<h3>TCP in trouble</h3>
${row(['Retransmissions', 'of packets', 'in flows', 'Out of order', 'Zero windows'], tcp)}</section>`;
}

export function largestSection({ largest }: ReportData): Html {
  const lines = largest.map((flow) => {
    const route = routeText(flow.routeFwd ?? flow.routeRev);
    const isDrop = flow.routeFwd?.verdict === 'drop' || flow.routeRev?.verdict === 'drop';
    return html`<tr><td class="w opt">${shortTime(flow.startNs).slice(0, 19)}</td><td class="n opt">${shortDuration(flow.endNs - flow.startNs)}</td><td class="w">${protocolName(flow.proto)}</td><td class="mono">${flowText(flow)}</td><td class="w">${flow.connState ?? '–'}</td><td class="n opt">${countText(flow.packetsFwd + flow.packetsRev)}</td><td class="n">${octetsText(flow.bytesFwd + flow.bytesRev)}</td><td class="opt">${flow.netns ?? '–'} / ${flow.interface ?? '–'}</td><td class="mono opt">${isDrop ? html`<span class="bad-text">${route}</span>` : route}</td></tr>`;
  });
  return html`<section class="long"><h2>Largest flows</h2>
<div class="scroll"><table><thead><tr><th class="opt">Start (UTC)</th><th class="n opt">Duration</th><th>Proto</th><th>Flow</th><th>State</th><th class="n opt">Packets</th><th class="n">Bytes</th><th class="opt">Namespace / interface</th><th class="opt">Route</th></tr></thead><tbody>${lines}</tbody></table></div></section>`;
}
