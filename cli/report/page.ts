import { counted } from '../format/count.ts';
import { shortDuration, shortTime } from '../format/time.ts';
import type { ReportData } from './data.ts';
import { Html, html } from './html.ts';
import { lossSection } from './losses.ts';
import { bitRate, countText, octetsText, shareText } from './numbers.ts';
import {
  largestSection,
  placesSection,
  routesSection,
  rttSection,
  servicesSection,
  statesSection,
  talkersSection,
} from './sections.ts';
import { STYLE } from './style.ts';
import { trafficSection } from './traffic-section.ts';

/** How a report came to be. */
export interface ReportOrigin {
  title: string;
  /** As it was typed. */
  command: string;
  version: string;
  database: string;
  filter: string;
  /** Nanoseconds since the epoch. */
  madeNs: bigint;
}

/**
 * The report as one HTML page that needs nothing else: no script, no network. A browser is told to allow neither, should a name
 * ever find a way around the escaping.
 */
export function reportPage(data: ReportData, origin: ReportOrigin): string {
  const { text } = html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="generator" content="nstap ${origin.version}">
<title>${origin.title}</title>
<style>${new Html(STYLE)}</style>
</head>
<body>
<main>
${head(data, origin)}
${
  data.totals.flows === 0
    ? emptySection()
    : html`${trafficSection(data)}
<div class="two">${talkersSection(data)}${servicesSection(data)}</div>
${routesSection(data)}
<div class="two">${statesSection(data)}${rttSection(data)}</div>
${placesSection(data)}
${largestSection(data)}`
}
${lossSection(data)}
${madeSection(data, origin)}
</main>
</body>
</html>
`;
  return text;
}

function head(data: ReportData, { title, filter }: ReportOrigin): Html {
  const { totals, losses } = data;
  const dropped = data.routes.filter(({ verdict }) => verdict === 'drop');
  const packets = totals.packetsFwd + totals.packetsRev;
  const bytes = totals.bytesFwd + totals.bytesRev;
  const seconds = data.fromNs === null || data.toNs === null ? 0 : Number(data.toNs - data.fromNs) / 1e9;
  const droppedPackets = dropped.reduce((sum, route) => sum + route.packets, 0);
  const lost = losses.counters.kernelDrops;
  return html`<header>
<p class="over">nstap report</p>
<h1>${title}</h1>
<p>${spanText(data)}${filter === '' ? null : html` · flows that match <span class="mono">${filter}</span>`}</p>
<dl class="kpis">
${kpi('Flows', countText(totals.flows), `${countText(totals.tcpFlows)} of TCP`)}
${kpi('Packets', countText(packets), shareText(totals.packetsRev, packets), 'to the originators')}
${kpi('Bytes', octetsText(bytes), shareText(totals.bytesRev, bytes), 'to the originators')}
${kpi('Mean rate', seconds > 0 ? bitRate((8 * bytes) / seconds) : '–', 'over the whole time')}
${kpi('Dropped by a route', countText(droppedPackets), 'packets', `by ${counted(dropped.length, 'route')}`, droppedPackets > 0)}
${kpi('Lost in capture', countText(lost), 'packets', 'counted by the kernel', lost > 0)}
</dl>
</header>`;
}

function kpi(name: string, value: string, ...rest: [string, string?, boolean?]): Html {
  const [first, second, isBad] = rest;
  return html`<div><dt>${name}</dt><dd${isBad ? new Html(' class="bad-text"') : null}>${value}<small>${first}${second === undefined ? null : ` ${second}`}</small></dd></div>`;
}

function spanText({ fromNs, toNs, experiments }: ReportData): Html {
  if (fromNs === null || toNs === null) return html`No time: there are no flows`;
  const names = [...new Set(experiments.map(({ name, number }) => `${name}#${number}`))];
  const of = names.length === 0 ? null : html` · experiment ${names.join(', ')}`;
  return html`${shortTime(fromNs)} to ${shortTime(toNs)} UTC · ${shortDuration(toNs - fromNs)}${of}`;
}

function emptySection(): Html {
  return html`<section><h2>No flows</h2>
<p class="note">No flow of the database was alive in this time and matches the filter. What was captured meanwhile, and lost, is below.</p></section>`;
}

function madeSection(data: ReportData, origin: ReportOrigin): Html {
  const { losses, dropped } = data;
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  const runs = losses.runs
    .slice(0, 5)
    .map(
      (run) =>
        html`<dd><span class="mono">${run.commandLine}</span> (${run.kind}, nstap ${run.version}, host ${run.host})</dd>`,
    );
  const more = losses.runs.length - runs.length;
  const kept =
    dropped.flows > 0 && dropped.keptFromNs !== null
      ? html`<dt>Kept</dt><dd>since ${shortTime(dropped.keptFromNs)} UTC; retention has dropped ${countText(dropped.flows)} earlier flows</dd>`
      : null;
  return html`<section><h2>How this was made</h2>
<dl class="made">
<dt>Command</dt><dd class="mono">${origin.command}</dd>
<dt>Made</dt><dd>${shortTime(origin.madeNs)} UTC by nstap ${origin.version}</dd>
<dt>Database</dt><dd class="mono">${origin.database}</dd>
<dt>Captured by</dt>${runs.length === 0 ? html`<dd>–</dd>` : runs}${more > 0 ? html`<dd>and ${countText(more)} more runs</dd>` : null}
<dt>Times</dt><dd>UTC (this host's zone is ${zone}); k, M and G are powers of ten; bytes are those of whole frames</dd>
<dt>Flows</dt><dd>are in the report when they were alive in its time, and count with all they had, also before and after it</dd>
${kept}
</dl></section>`;
}
