import { shortTime } from '../format/time.ts';
import { trafficChart } from './charts.ts';
import type { ReportData } from './data.ts';
import { type Html, html } from './html.ts';
import { bitRate, countText, octetsText, shareText } from './numbers.ts';

/** Rows of the table that says the same: more would be a page of its own. */
const TABLE_ROWS = 24;

/** Octets over time by service, and the same as a table. */
export function trafficSection({ parts, traffic, groups }: ReportData): Html | null {
  if (parts === null || traffic === null) return null;
  const { bytes, packets, countedBytes, spreadBytes } = traffic;
  const total = (rows: Float64Array[], i: number): number => rows.reduce((sum, row) => sum + row[i]!, 0);
  const sums = Array.from({ length: parts.count }, (_, i) => total(bytes, i));
  const peak = sums.reduce((best, octets, i) => (octets > sums[best]! ? i : best), 0);
  const at = (i: number): bigint => BigInt(parts.fromSec + i * parts.stepSec) * 1_000_000_000n;
  const peakText = `The peak is ${bitRate((8 * sums[peak]!) / parts.stepSec)} at ${shortTime(at(peak)).slice(0, 19)}.`;
  const shown = groups
    .map((name, i) => ({ name, i, octets: bytes[i]!.reduce((sum, n) => sum + n, 0) }))
    .filter(({ octets, i }) => octets > 0 || i < groups.length - 1);
  const all = shown.reduce((sum, { octets }) => sum + octets, 0);
  const key = shown.map(
    ({ name, i, octets }) =>
      html`<li><i class="f${colorOf(i, groups)}"></i>${name} <span class="note">${shareText(octets, all)}</span></li>`,
  );
  const rows = colored(bytes, groups);
  return html`<section><h2>Traffic over time</h2>
<p class="note">Bits a second of both directions, in steps of ${stepText(parts.stepSec)}. ${peakText} ${howText(countedBytes, spreadBytes)}</p>
<ul class="key">${key}</ul>
${trafficChart(parts, rows, peakText)}
${table()}</section>`;

  function table(): Html {
    const every = Math.ceil(parts!.count / TABLE_ROWS);
    const lines = Array.from({ length: Math.ceil(parts!.count / every) }, (_, line) => {
      const from = line * every;
      let [octets, count] = [0, 0];
      for (let i = from; i < Math.min(from + every, parts!.count); i++) {
        octets += sums[i]!;
        count += total(packets, i);
      }
      return html`<tr><td class="w">${shortTime(at(from)).slice(0, 19)}</td><td class="n">${octetsText(octets)}</td><td class="n">${countText(Math.round(count))}</td><td class="n">${bitRate((8 * octets) / (every * parts!.stepSec))}</td></tr>`;
    });
    return html`<details class="series"><summary>The same as a table</summary><table><thead><tr><th>From (UTC)</th><th class="n">Bytes</th><th class="n">Packets</th><th class="n">Mean rate</th></tr></thead><tbody>${lines}</tbody></table></details>`;
  }
}

/** The last group has the colour of all others, however few have one of their own. */
function colorOf(group: number, groups: readonly string[]): number {
  return group === groups.length - 1 ? 5 : group;
}

/** Rows by the number of their colour. */
function colored(rows: Float64Array[], groups: readonly string[]): Float64Array[] {
  const none = new Float64Array(rows[0]!.length);
  return Array.from({ length: 6 }, (_, color) => {
    const group = groups.findIndex((_, i) => colorOf(i, groups) === color);
    return group < 0 ? none : rows[group]!;
  });
}

function howText(counted: number, spread: number): string {
  if (spread === 0) return 'From the interval counters of the flows (10\u00a0s).';
  const even = 'the bytes of a flow are spread evenly over its life, as there are no interval counters';
  if (counted === 0) return `An estimate: ${even} (capture with --timeseries for those).`;
  return `${shareText(counted, counted + spread)} of it from interval counters (10\u00a0s); of the rest ${even}.`;
}

function stepText(seconds: number): string {
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${seconds / 60} min`;
  return seconds < 86_400 ? `${seconds / 3600} h` : `${seconds / 86_400} d`;
}
