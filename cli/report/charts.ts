import { scaleLinear, scaleUtc } from 'd3-scale';
import { area, curveStepAfter, stack } from 'd3-shape';
import type { RttHistogram } from '../../storage/report.ts';
import type { TimeParts } from '../../storage/report-traffic.ts';
import { escapeHtml, Html, html } from './html.ts';
import { bitRate, nsText } from './numbers.ts';

/** Height of every drawing in its own units; widths are what is drawn. Neither is that of the screen: CSS stretches them. */
const HEIGHT = 100;
const Y_TICKS = 4;
const X_TICKS = 8;

/** Makes ids for titles: one page has several drawings. */
let drawings = 0;

/** An SVG that fills its box, with a name and a description for who does not see it. */
function drawing(width: number, title: string, description: string, shapes: string): Html {
  const id = `d${drawings++}`;
  return new Html(
    `<svg role="img" viewBox="0 0 ${width} ${HEIGHT}" preserveAspectRatio="none" aria-labelledby="${id}t ${id}d">` +
      `<title id="${id}t">${escapeHtml(title)}</title><desc id="${id}d">${escapeHtml(description)}</desc>${shapes}</svg>`,
  );
}

/** Percent with two decimals, for CSS. */
function percent(share: number): string {
  return `${Math.round(share * 10_000) / 100}%`;
}

/**
 * Octets over time as stacked areas of bits a second.
 * @param rows octets of each part, a row a group, which has the colour of its number
 */
export function trafficChart(parts: TimeParts, rows: readonly Float64Array[], description: string): Html {
  const { count, stepSec, fromSec } = parts;
  const toRate = 8 / stepSec;
  const totals = Array.from(
    { length: count },
    (_, i) => rows.reduce((sum, row) => sum + row[i]!, 0) * toRate,
  );
  const y = scaleLinear()
    .domain([0, Math.max(1, ...totals)])
    .nice(Y_TICKS)
    .range([HEIGHT, 0]);
  const layers = stack<number, number>()
    .keys(rows.map((_, group) => group))
    .value((i, group) => rows[group]![Math.min(i, count - 1)]! * toRate)(
    // One more than there are: the last step needs an end.
    Array.from({ length: count + 1 }, (_, i) => i),
  );
  const shape = area<(typeof layers)[number][number]>()
    .x((_, i) => i)
    .y0(([low]) => y(low))
    .y1(([, high]) => y(high))
    .curve(curveStepAfter)
    .digits(2);
  const ticks = y.ticks(Y_TICKS).filter((tick) => tick > 0);
  const grid = ticks.map((tick) => `<path class="grid" d="M0 ${y(tick)}H${count}"/>`).join('');
  const areas = layers.map((layer) => `<path class="f${layer.key}" d="${shape(layer)}"/>`).join('');
  const labels = ticks.map(
    (tick) =>
      html`<span class="y" style="top:${percent(y(tick) / HEIGHT)}"><span>${bitRate(tick)}</span></span>`,
  );
  return html`<div class="plot">${drawing(count, 'Traffic over time, bits a second', description, grid + areas)}${labels}</div>
${timeAxis(fromSec, fromSec + count * stepSec)}`;
}

function timeAxis(fromSec: number, toSec: number): Html {
  const x = scaleUtc([new Date(fromSec * 1000), new Date(toSec * 1000)], [0, 1]);
  const ticks = x.ticks(X_TICKS).filter((tick) => tick.getTime() % 1000 === 0);
  const isFine = ticks.some((tick) => tick.getTime() % 60_000 !== 0);
  return axis(ticks.map((tick) => [x(tick), tickText(tick, isFine)]));
}

/** A time of 24 hours, the day where one begins, as in the tables: those of d3 are of 12 hours. */
function tickText(tick: Date, isFine: boolean): string {
  const text = tick.toISOString();
  if (tick.getTime() % 86_400_000 === 0) return text.slice(5, 10);
  return text.slice(11, isFine ? 19 : 16);
}

/** Labels below a drawing, at shares of its width; those at its edges stay within. */
function axis(ticks: [share: number, label: string][]): Html {
  const spans = ticks.map(([share, label]) => {
    // On a narrow screen one near the right edge would run into the last.
    const side = share < 0.03 ? 'first' : share > 0.97 ? 'last' : share > 0.8 ? 'near' : '';
    return new Html(`<span class="${side}" style="left:${percent(share)}">${escapeHtml(label)}</span>`);
  });
  return html`<div class="xs" aria-hidden="true">${spans}</div>`;
}

/** Bars a decade of a histogram of round-trip times. */
const RTT_BARS = 5;

/** Round-trip times as bars on a logarithmic scale. */
export function rttChart(rtt: RttHistogram, description: string): Html {
  const bars = rtt.parts(RTT_BARS);
  const most = Math.max(1, ...bars.map(({ count }) => count));
  const y = scaleLinear().domain([0, most]).range([0, HEIGHT]);
  const shapes = bars
    .map(({ count }, i) => {
      const height = count === 0 ? 0 : Math.max(1, y(count));
      return `<rect class="f0" x="${i + 0.06}" y="${HEIGHT - height}" width="0.88" height="${height}"/>`;
    })
    .join('');
  // A label where a decade begins; of few bars the first one has one, too.
  const ticks = bars.flatMap(({ fromNs }, i): [number, string][] => {
    const power = Math.round(Math.log10(fromNs) * RTT_BARS) % RTT_BARS;
    return power === 0 || i === 0 ? [[i / bars.length, nsText(fromNs)]] : [];
  });
  if (ticks.length > 1 && ticks[1]![0] < 0.12) ticks.shift();
  return html`<div class="plot low">${drawing(bars.length, 'Round-trip times', description, shapes)}</div>${axis(
    [...ticks.filter(([share]) => share < 0.85), [1, nsText(bars.at(-1)!.toNs)]],
  )}`;
}

/** Shares of one whole as a strip; the last colour is for all that have none of their own. */
export function strip(shares: readonly number[], title: string): Html {
  const spans = shares.map(
    (share, i) => html`<span class="f${Math.min(i, 5)}" style="flex:${Math.max(share, 0.001)}"></span>`,
  );
  return html`<div class="strip" role="img" aria-label="${title}">${spans}</div>`;
}

/** A cell with a bar. @param share of the longest one */
export function barCell(share: number, isDrop = false): Html {
  return html`<td class="b" aria-hidden="true"><span${isDrop ? new Html(' class="drop"') : null} style="width:${percent(share)}"></span></td>`;
}
