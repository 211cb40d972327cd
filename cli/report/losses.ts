import { counted } from '../format/count.ts';
import { shortDuration, shortTime } from '../format/time.ts';
import { LOSSES } from '../format/status.ts';
import type { CaptureGap } from '../../storage/captures.ts';
import type { CaptureCounters } from '../../storage/messages.ts';
import type { ReportData } from './data.ts';
import { type Html, html } from './html.ts';
import { countText } from './numbers.ts';

/** What is lost, with the words of `nstap status`. */
const KINDS: readonly (readonly [name: string, key: keyof CaptureCounters, meaning: string])[] = [
  ['kernel drops', 'kernelDrops', LOSSES.kernel_drops],
  ['undecodable', 'undecoded', LOSSES.undecoded],
  ['tunnels not followed', 'tunnelUndecoded', LOSSES.tunnel_undecoded],
  ['shed records', 'shedRecords', LOSSES.shed_records],
  ['evicted flows', 'evictedFlows', LOSSES.evicted_flows],
  ['untracked flows', 'untrackedFlows', LOSSES.untracked_flows],
  ['shed route changes', 'shedRouteChanges', LOSSES.shed_route_changes],
  ['shed names', 'shedHints', LOSSES.shed_hints],
];
const GAPS_SHOWN = 20;

/** What was lost: always there, also when it is nothing. */
export function lossSection({ losses }: ReportData): Html {
  const { counters, captures, gaps } = losses;
  const isBad = gaps.length > 0 || KINDS.some(([, key]) => counters[key] > 0);
  const rows = KINDS.map(([name, key, meaning]) => {
    const count = counters[key];
    return html`<tr><td class="w">${name}</td><td class="n">${count > 0 ? html`<span class="bad-text">${countText(count)}</span>` : '0'}</td><td class="opt">${meaning}</td></tr>`;
  });
  const verdict = isBad
    ? html`<div class="loss bad"><p><b>Not everything is in this report.</b> Lost before nstap saw them: ${counted(counters.kernelDrops, 'packet')}; not decodable: ${countText(counters.undecoded)}; shed: ${counted(counters.shedRecords, 'flow record')}; in this time: ${counted(gaps.length, 'gap')}.</p></div>`
    : html`<div class="loss"><p><b>Nothing was lost</b> that the kernel or nstap could count.</p></div>`;
  return html`<section><h2>Losses</h2>
<p class="note">Of ${counted(captures, 'capture point')} behind these flows: ${counted(counters.packets, 'packet')}. Counters are those of the whole life of a capture point, not of this time alone.</p>
${verdict}
<table><thead><tr><th>Kind</th><th class="n">Count</th><th class="opt">What it means</th></tr></thead><tbody>${rows}
<tr><td class="w">gaps</td><td class="n">${gaps.length > 0 ? html`<span class="bad-text">${countText(gaps.length)}</span>` : '0'}</td><td class="opt">times in which an interface was not captured, as an engine had ended</td></tr></tbody></table>
${gaps.length === 0 ? null : gapTable(gaps)}</section>`;
}

function gapTable(gaps: readonly CaptureGap[]): Html {
  const rows = gaps
    .slice(0, GAPS_SHOWN)
    .map(
      ({ netns, interface: name, fromNs, toNs, reason }) =>
        html`<tr><td>${netns ?? '–'}/${name ?? '–'}</td><td class="w">${fromNs === null ? 'not known' : shortTime(fromNs)}</td><td class="n">${fromNs === null ? '–' : shortDuration(toNs - fromNs)}</td><td>${reason}</td></tr>`,
    );
  const more = gaps.length - rows.length;
  return html`<h3>Gaps</h3><table><thead><tr><th>Interface</th><th>From</th><th class="n">For</th><th>Why</th></tr></thead><tbody>${rows}</tbody></table>${more > 0 ? html`<p class="empty">and ${countText(more)} more</p>` : null}`;
}
