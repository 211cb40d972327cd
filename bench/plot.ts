import { scaleLinear, scaleLog } from 'd3-scale';
import { line } from 'd3-shape';
import { escapeHtml } from '../cli/report/html.ts';
import type { Point } from './report.ts';

const WIDTH = 760;
const HEIGHT = 360;
const LEFT = 70;
const RIGHT = 190;
const TOP = 40;
const BOTTOM = 48;
const LABEL_GAP = 15;
const Y_TICKS = 5;

/** A drawing of lines over a logarithmic axis. */
export interface PlotSpec {
  title: string;
  /** What the axes have. */
  x: string;
  y: string;
  isLogY: boolean;
  /** Names in the values of points, and what is written beside each line. */
  lines: readonly [key: string, label: string][];
}

/** As in the report of `nstap report`, in light and dark; an image sees no style of its page. */
const STYLE = `
text { font: 12px system-ui, sans-serif; fill: #5b6570; }
.title { font-size: 14px; font-weight: 600; fill: #1c2127; }
.grid { stroke: #dfe3e8; }
.line { fill: none; stroke-width: 2; }
.c0 { stroke: #3b74b4; } .c1 { stroke: #d9973a; } .c2 { stroke: #3a9a8c; }
.c3 { stroke: #8a68b4; } .c4 { stroke: #c56b8c; } .c5 { stroke: #808993; }
circle { fill: #ffffff; stroke-width: 2; }
@media (prefers-color-scheme: dark) {
  text { fill: #9aa4af; }
  .title { fill: #e4e7eb; }
  .grid { stroke: #2d333b; }
  circle { fill: #14171b; }
  .c0 { stroke: #6a9fd8; } .c1 { stroke: #e0ac5c; } .c2 { stroke: #5fb8aa; }
  .c3 { stroke: #ab8fd1; } .c4 { stroke: #d98fab; } .c5 { stroke: #8d97a1; }
}`;

/** Lines through points, as an SVG file. @param points in order of `x`; one that lacks a value is left out of its line */
export function linePlot(spec: PlotSpec, points: readonly Point[]): string {
  const lines = spec.lines
    .map(([key, label], i) => ({
      label,
      color: `c${i}`,
      places: points.flatMap(({ x, values }): [number, number][] =>
        values[key] === undefined ? [] : [[x, values[key]]],
      ),
    }))
    .filter(({ places }) => places.length > 0);
  const xs = lines.flatMap(({ places }) => places.map(([x]) => x));
  const ys = lines.flatMap(({ places }) => places.map(([, y]) => y));
  const x = scaleLog([Math.min(...xs), Math.max(...xs)], [LEFT, WIDTH - RIGHT]);
  const most = Math.max(...ys);
  const y = spec.isLogY
    ? scaleLog([Math.min(...ys), most], [HEIGHT - BOTTOM, TOP]).nice()
    : scaleLinear([0, most], [HEIGHT - BOTTOM, TOP]).nice(Y_TICKS);
  const shape = line<[number, number]>(
    ([at]) => x(at),
    ([, value]) => y(value),
  ).digits(1);
  const yTicks = spec.isLogY ? y.ticks().filter(isPower) : y.ticks(Y_TICKS);
  const xTicks = x.ticks().filter(isPower);
  if (xTicks.at(-1) !== Math.max(...xs)) xTicks.push(Math.max(...xs));
  const parts = [
    `<text class="title" x="${LEFT}" y="20">${escapeHtml(spec.title)}</text>`,
    ...yTicks.map(
      (tick) =>
        `<path class="grid" d="M${LEFT} ${y(tick).toFixed(1)}H${WIDTH - RIGHT}"/>` +
        `<text x="${LEFT - 8}" y="${(y(tick) + 4).toFixed(1)}" text-anchor="end">${short(tick)}</text>`,
    ),
    ...xTicks.map(
      (tick) =>
        `<path class="grid" d="M${x(tick).toFixed(1)} ${TOP}V${HEIGHT - BOTTOM}"/>` +
        `<text x="${x(tick).toFixed(1)}" y="${HEIGHT - BOTTOM + 18}" text-anchor="middle">${short(tick)}</text>`,
    ),
    `<text x="${(LEFT + WIDTH - RIGHT) / 2}" y="${HEIGHT - 8}" text-anchor="middle">${escapeHtml(spec.x)}</text>`,
    `<text x="14" y="${(HEIGHT - BOTTOM + TOP) / 2}" text-anchor="middle" transform="rotate(-90 14 ${(HEIGHT - BOTTOM + TOP) / 2})">${escapeHtml(spec.y)}</text>`,
    ...lines.map(
      ({ color, places }) =>
        `<path class="line ${color}" d="${shape(places)}"/>` +
        places
          .map(
            ([at, value]) =>
              `<circle class="${color}" cx="${x(at).toFixed(1)}" cy="${y(value).toFixed(1)}" r="3"/>`,
          )
          .join(''),
    ),
    ...labels(lines.map(({ label, places }) => ({ label, at: y(places.at(-1)![1]) }))),
  ];
  return `<svg xmlns="http://www.w3.org/2000/svg" role="img" viewBox="0 0 ${WIDTH} ${HEIGHT}" aria-label="${escapeHtml(spec.title)}">
<style>${STYLE}
</style>
${parts.join('\n')}
</svg>
`;
}

/** Beside the end of each line, moved apart where they would meet. */
function labels(ends: { label: string; at: number }[]): string[] {
  let free = 0;
  return ends
    .sort((a, b) => a.at - b.at)
    .map(({ label, at }) => {
      const place = Math.max(at, free);
      free = place + LABEL_GAP;
      return `<text x="${WIDTH - RIGHT + 10}" y="${(place + 4).toFixed(1)}">${escapeHtml(label)}</text>`;
    });
}

function isPower(tick: number): boolean {
  const power = Math.log10(tick);
  return Math.abs(power - Math.round(power)) < 1e-9;
}

/** 1000 as "1 k", 5,000,000 as "5 M". */
function short(value: number): string {
  const [unit, size] = value >= 1e6 ? ['M', 1e6] : value >= 1e3 ? ['k', 1e3] : ['', 1];
  return `${Number((value / size).toPrecision(3))}${unit === '' ? '' : ` ${unit}`}`;
}
