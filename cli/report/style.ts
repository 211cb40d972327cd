/** The look of a report: in light and dark, on a screen of any width, and on paper. */
export const STYLE = `
:root {
  color-scheme: light dark;
  --bg: #ffffff; --panel: #f6f7f9; --text: #1c2127; --soft: #5b6570; --line: #dfe3e8; --grid: #e6e9ed;
  --c0: #3b74b4; --c1: #d9973a; --c2: #3a9a8c; --c3: #8a68b4; --c4: #c56b8c; --c5: #aeb6bf;
  --bar: #9dbbdb; --bad: #b3261e; --bad-bg: #fdf0ee; --good: #2c7a4b; --mark: #7a4f00;
}
@media (prefers-color-scheme: dark) {
  :root {
    --bg: #14171b; --panel: #1c2026; --text: #e4e7eb; --soft: #9aa4af; --line: #2d333b; --grid: #262c33;
    --c0: #6a9fd8; --c1: #e0ac5c; --c2: #5fb8aa; --c3: #ab8fd1; --c4: #d98fab; --c5: #6b747e;
    --bar: #3d5f85; --bad: #f2877d; --bad-bg: #2e1d1c; --good: #6fc08d; --mark: #e0ac5c;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0; background: var(--bg); color: var(--text);
  font: 14px/1.45 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif;
  font-variant-numeric: tabular-nums; overflow-wrap: break-word;
}
main { max-width: 1160px; margin: 0 auto; padding: 40px 32px 56px; }
header p { margin: 0; color: var(--soft); }
h1 { margin: 2px 0 6px; font-size: 26px; line-height: 1.2; font-weight: 650; letter-spacing: -0.01em; }
h2 { margin: 0 0 2px; font-size: 16px; font-weight: 650; }
h3 { margin: 18px 0 4px; font-size: 13px; font-weight: 600; }
.over { font-size: 12px; letter-spacing: 0.04em; }
.note { margin: 0 0 12px; color: var(--soft); font-size: 13px; max-width: 110ch; }
section { margin-top: 36px; min-width: 0; }
.two { display: grid; grid-template-columns: repeat(2, minmax(0, 1fr)); gap: 0 48px; }
.kpis {
  display: grid; grid-template-columns: repeat(6, minmax(0, 1fr)); margin: 28px 0 0; padding: 0;
  border-top: 1px solid var(--line); border-bottom: 1px solid var(--line);
}
.kpis div { padding: 14px 16px 14px 0; }
.kpis dt { color: var(--soft); font-size: 12.5px; }
.kpis dd { margin: 0; font-size: 22px; font-weight: 600; letter-spacing: -0.01em; line-height: 1.3; }
.kpis small { display: block; color: var(--soft); font-size: 12.5px; font-weight: 400; letter-spacing: 0; }
.loss { margin-top: 20px; padding: 10px 14px; border-left: 3px solid var(--good); background: var(--panel); }
.loss.bad { border-color: var(--bad); background: var(--bad-bg); }
.loss b { font-weight: 650; }
.loss p { margin: 0; }
.loss ul { margin: 4px 0 0; padding-left: 18px; }
.bad-text { color: var(--bad); font-weight: 600; }
.scroll { overflow-x: auto; }
table { width: 100%; border-collapse: collapse; font-size: 13px; }
caption { text-align: left; color: var(--soft); padding-bottom: 4px; }
th { font-weight: 500; color: var(--soft); text-align: left; font-size: 12px; white-space: nowrap; }
td.mono, td small, .any, dd { overflow-wrap: anywhere; }
th, td { padding: 5px 12px 5px 0; border-bottom: 1px solid var(--line); vertical-align: top; }
th:last-child, td:last-child { padding-right: 0; }
.n { text-align: right; white-space: nowrap; }
.w { white-space: nowrap; overflow-wrap: normal; }
.mono { font-family: ui-monospace, "SF Mono", Menlo, Consolas, "Liberation Mono", monospace; font-size: 12.5px; }
td.b { width: 22%; min-width: 64px; padding-top: 8px; }
td.b span { display: block; height: 10px; min-width: 1px; background: var(--bar); border-radius: 1px; }
td.b span.drop { background: var(--bad); }
td small { display: block; color: var(--soft); font-size: 12px; }
.chip { display: inline-block; min-width: 56px; }
.key { display: flex; flex-wrap: wrap; gap: 2px 18px; margin: 0 0 8px; padding: 0; list-style: none; font-size: 13px; }
.key i, .dot { display: inline-block; width: 10px; height: 10px; margin-right: 6px; border-radius: 2px; }
.plot { position: relative; height: 240px; margin-top: 24px; border-bottom: 1px solid var(--soft); }
.plot.low { height: 150px; margin-top: 8px; }
.plot svg { position: absolute; inset: 0; width: 100%; height: 100%; display: block; overflow: visible; }
.y { position: absolute; left: 0; transform: translateY(-100%); font-size: 11.5px; color: var(--soft); }
.y span { background: color-mix(in srgb, var(--bg) 72%, transparent); padding-right: 4px; border-radius: 2px; }
.xs { position: relative; height: 22px; font-size: 11.5px; color: var(--soft); }
.xs span { position: absolute; top: 5px; transform: translateX(-50%); white-space: nowrap; }
.xs span.first { transform: none; }
.xs span.last { transform: translateX(-100%); }
.grid { stroke: var(--grid); stroke-width: 1; vector-effect: non-scaling-stroke; }
.strip { display: flex; height: 18px; margin: 6px 0 10px; gap: 2px; }
.strip span { min-width: 2px; border-radius: 1px; }
.f0 { fill: var(--c0); background: var(--c0); } .f1 { fill: var(--c1); background: var(--c1); }
.f2 { fill: var(--c2); background: var(--c2); } .f3 { fill: var(--c3); background: var(--c3); }
.f4 { fill: var(--c4); background: var(--c4); } .f5 { fill: var(--c5); background: var(--c5); }
details { margin-top: 8px; font-size: 13px; }
summary { color: var(--soft); cursor: pointer; }
details table { margin-top: 6px; }
dl.made { display: grid; grid-template-columns: max-content minmax(0, 1fr); gap: 3px 20px; margin: 8px 0 0; font-size: 13px; }
dl.made dt { color: var(--soft); }
dl.made dd { margin: 0; }
.empty { color: var(--soft); margin: 4px 0 0; }
@media (max-width: 820px) {
  main { padding: 24px 16px 40px; }
  .two { grid-template-columns: minmax(0, 1fr); }
  .kpis { grid-template-columns: repeat(2, minmax(0, 1fr)); }
  .kpis div { padding: 10px 12px 10px 0; }
  .xs span:nth-child(even):not(.last), .xs span.near { display: none; }
  .opt, .routes th:nth-child(3), .routes td.b { display: none; }
  th, th.n { white-space: normal; vertical-align: bottom; }
  td.b { width: 20%; min-width: 40px; }
  dl.made { grid-template-columns: minmax(0, 1fr); gap: 0; }
  dl.made dd { margin-bottom: 6px; }
}
@media print {
  :root { color-scheme: light; }
  body { font-size: 11px; background: none; }
  main { max-width: none; padding: 0; }
  section, tr, .plot, .kpis { break-inside: avoid; }
  section.long { break-inside: auto; }
  h2 { break-after: avoid; }
  * { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  details.series { display: none; }
}
`;
