import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { GOALS, verdict } from './goals.ts';
import { linePlot, type PlotSpec } from './plot.ts';
import { type DatedPoint, figure, type Results, type Row } from './report.ts';
import { printTable } from './support.ts';

const RESULTS = fileURLToPath(new URL('../docs/performance.json', import.meta.url));
const PAGE = fileURLToPath(new URL('../docs/performance.md', import.meta.url));
const BEGIN = '<!-- bench: what follows is written by `npm run bench` -->';
const END = '<!-- bench: end -->';
/** Rows of one table that are at most shown of a part; the JSON file has all. */
const FOLDED = 12;

/** What is drawn of which curve. */
const PLOTS: readonly (PlotSpec & { curve: string; file: string })[] = [
  {
    curve: 'flow',
    file: 'performance-flow.svg',
    title: 'Cost of a packet by concurrent flows',
    x: 'flows at once',
    y: 'ns of CPU a packet',
    isLogY: false,
    lines: [['known', 'packet of a known flow']],
  },
  {
    curve: 'flow',
    file: 'performance-flow-memory.svg',
    title: 'Memory of a flow by concurrent flows',
    x: 'flows at once',
    y: 'octets a flow',
    isLogY: false,
    lines: [['octets', 'resident memory, divided by the flows']],
  },
  {
    curve: 'store',
    file: 'performance-insert.svg',
    title: 'Records written a second by the size of the database',
    x: 'flows in the database',
    y: 'records a second',
    isLogY: false,
    lines: [['insert', 'mean of all']],
  },
  {
    curve: 'store',
    file: 'performance-size.svg',
    title: 'Size of the database a flow',
    x: 'flows in the database',
    y: 'octets a flow',
    isLogY: false,
    lines: [['octets', 'all files, with indexes']],
  },
  {
    curve: 'store',
    file: 'performance-query.svg',
    title: 'Time of a query by the size of the database',
    x: 'flows in the database',
    y: 'ms, with opening',
    isLogY: true,
    lines: [
      ['newest', 'newest 50'],
      ['host', 'host 10.1.7.208'],
      ['blackhole', 'route type blackhole'],
      ['flow', 'flow 4711'],
      ['hour', '--by src,dst of an hour'],
      ['all', '--by src of all'],
    ],
  },
];

/** The results that the page was last written from; null: never. */
export function readResults(): Results | null {
  return existsSync(RESULTS) ? (JSON.parse(readFileSync(RESULTS, 'utf8')) as Results) : null;
}

/** A run with the points of earlier ones that it has not measured itself. */
export function withRun(earlier: Results | null, run: Omit<Results, 'curves'>): Results {
  const { date, commit } = run.machine;
  const points = run.parts.flatMap((part) =>
    part.points.map((point): DatedPoint => ({ ...point, date, commit })),
  );
  const isNew = (old: DatedPoint): boolean =>
    points.some((point) => point.curve === old.curve && point.x === old.x);
  const kept = (earlier?.curves ?? []).filter((old) => !isNew(old));
  const curves = [...kept, ...points].sort((a, b) => a.curve.localeCompare(b.curve) || a.x - b.x);
  return { ...run, curves };
}

/**
 * What the page shows of a run and of those before it: a run of all that the last one had stands for itself, with what else there is
 * behind it; of another one only its parts take their places, so that what was measured together stays together.
 */
export function withEarlierParts(earlier: Results | null, results: Results): Results {
  if (earlier === null) return results;
  const from = ({ machine }: Results) => `${machine.date}, ${machine.commit}`;
  const missing = earlier.parts.filter(({ part }) => !results.parts.some((each) => each.part === part));
  if (missing.every(({ of }) => of !== undefined))
    return { ...results, parts: [...results.parts, ...missing] };
  const later = results.parts.map((part) => ({ ...part, of: part.of ?? from(results) }));
  const parts = earlier.parts.map((old) => later.find(({ part }) => part === old.part) ?? old);
  return {
    ...earlier,
    curves: results.curves,
    parts: [...parts, ...later.filter((each) => !parts.includes(each))],
  };
}

/** Writes docs/performance.json, the plots, and the part of docs/performance.md between its marks. */
export function writePage(run: Results): void {
  const results = withEarlierParts(readResults(), run);
  writeFileSync(RESULTS, `${JSON.stringify(results, null, 1)}\n`);
  for (const plot of PLOTS) {
    const points = pointsOf(plot, results.curves);
    if (points.length > 1)
      writeFileSync(fileURLToPath(new URL(`../docs/${plot.file}`, import.meta.url)), linePlot(plot, points));
  }
  writeFileSync(PAGE, withSection(readFileSync(PAGE, 'utf8'), sectionOf(results)));
  process.stdout.write('written: docs/performance.md, docs/performance.json and the plots\n');
}

/** @throws Error when the marks are not there */
export function withSection(page: string, section: string): string {
  const begin = page.indexOf(BEGIN);
  const end = page.indexOf(END);
  if (begin < 0 || end < begin) throw new Error(`docs/performance.md has no lines "${BEGIN}" and "${END}"`);
  return `${page.slice(0, begin + BEGIN.length)}\n\n${section}\n${page.slice(end)}`;
}

/** Prints what became of each goal. */
export function printSummary(results: Results): void {
  const rows = goalRows(results).filter(([, , median]) => median !== '');
  process.stdout.write('\n== summary\n');
  if (results.quick) process.stdout.write('(of small inputs: goals are for full ones)\n');
  if (rows.length > 0) printTable(['figure', 'goal', 'median', 'spread', ''], rows);
  for (const { part, error } of results.parts)
    if (error !== null) process.stdout.write(`${part} failed: ${error}\n`);
}

/** The part of the page that a run writes, as Markdown. */
export function sectionOf(results: Results): string {
  const { machine: m, peers, quick, parts, curves } = results;
  const found = Object.entries(peers).flatMap(([name, version]) =>
    version === null ? [] : `${name} ${version}`,
  );
  const missing = Object.entries(peers).flatMap(([name, version]) => (version === null ? name : []));
  const lines = [
    `One run of \`npm run bench\`${quick ? ' with `--quick`, so of small inputs' : ''}, ${m.date} UTC, commit ${m.commit}: ${m.cpu}, ${m.cores} cores,`,
    `${m.memoryGib} GiB, Linux ${m.kernel}, Node ${m.node}, load ${m.load.map((load) => load.toFixed(2)).join(' ')} at the start.`,
    `Beside it: ${found.join(', ')}${missing.length > 0 ? `; not found: ${missing.join(', ')}` : ''}.`,
    '',
    ...table(['figure', 'goal', 'median', 'spread', ''], goalRows(results)),
  ];
  const notes = parts.flatMap(({ part, error, notes: said }) => [
    ...(error === null ? [] : [`${part} failed: ${error}`]),
    ...said.map((note) => `${part}: ${note}`),
  ]);
  if (notes.length > 0) lines.push('', ...notes.map((note) => `- ${note}`));
  for (const { part, profile } of parts)
    if (profile.length > 0)
      lines.push(
        '',
        `Where the time goes in \`${part}\`, by thread, without what is called:`,
        '',
        '```text',
        ...profile,
        '```',
      );
  const drawn = plots(curves);
  if (drawn.length > 0) lines.push('', ...drawn);
  for (const { part, seconds, rows, of } of parts)
    if (rows.length > 0) lines.push('', ...partTable(part, seconds, rows, of));
  return `${lines.join('\n')}\n`;
}

function goalRows({ parts }: Results): string[][] {
  const rows = new Map(parts.flatMap((part) => part.rows.map((row) => [row.id, row])));
  return GOALS.map((goal) => {
    const row = rows.get(goal.id);
    const sign = goal.isAtLeast ? '≥' : '≤';
    const bound = `${sign} ${goal.bound.toLocaleString('en-US')} ${goal.unit}`;
    return [goal.what, bound, row === undefined ? '' : figure(row.median), spread(row), verdict(goal, row)];
  });
}

function spread(row: Row | undefined): string {
  if (row === undefined) return '';
  return row.rounds === 1 ? 'once' : `${figure(row.least)} to ${figure(row.most)}, ${row.rounds} rounds`;
}

function partTable(part: string, seconds: number, rows: readonly Row[], of?: string): string[] {
  const when = `${Math.round(seconds)} s${of === undefined ? '' : `, run of ${of}`}`;
  const all = table(
    ['figure', 'median', 'spread', 'unit'],
    rows.map((row) => [row.what, figure(row.median), spread(row), row.unit]),
  );
  const title = `\`${part}\`, ${when}`;
  if (rows.length <= FOLDED) return [`### ${title}`, '', ...all];
  return [
    '<details>',
    `<summary>${part}: ${rows.length} figures, ${when}</summary>`,
    '',
    ...all,
    '',
    '</details>',
  ];
}

/** Points that have something to draw. */
function pointsOf(plot: (typeof PLOTS)[number], curves: readonly DatedPoint[]): DatedPoint[] {
  return curves.filter(
    ({ curve, values }) => curve === plot.curve && plot.lines.some(([key]) => values[key] !== undefined),
  );
}

function plots(curves: readonly DatedPoint[]): string[] {
  const lines = PLOTS.flatMap((plot) =>
    pointsOf(plot, curves).length > 1 ? [`![${plot.title}](${plot.file})`] : [],
  );
  const runs = [...new Set(curves.map(({ date, commit }) => `${date}, ${commit}`))];
  return runs.length > 1
    ? [...lines, '', `The points of the curves are of these runs: ${runs.join('; ')}.`]
    : lines;
}

function table(head: string[], rows: readonly string[][]): string[] {
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)];
}
