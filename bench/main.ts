import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { BENCH_FOLDER } from './generate.ts';
import { thisMachine } from './machine.ts';
import { printSummary, readResults, withRun, writePage } from './page.ts';
import { findPeers } from './peers.ts';
import { type PartOutcome, Report, type Results } from './report.ts';

/**
 * `npm run bench [-- PART…]`: runs the parts named, or all. Installs nothing; says which peers it found. Figures are
 * medians of paired runs on this machine; what counts are the ratios within one run. A run of all parts writes its table into
 * docs/performance.md; one of some parts prints only, unless `--write` is given.
 */
const PARTS = [
  'work',
  'startup',
  'decode',
  'flow',
  'hints',
  'tunnels',
  'rank',
  'write',
  'routes',
  'replay',
  'live',
  'rest',
  'tap',
  'route-use',
  'store',
  'scale',
  'query',
  'large',
  'retention',
  'experiments',
  'stream',
] as const;
type Part = (typeof PARTS)[number];

/** Too long for a run of all: only when named. */
const NAMED_ONLY: readonly Part[] = ['large', 'retention', 'experiments', 'stream'];

/** About how many seconds each takes on two cores. */
const SECONDS: Readonly<Record<Part, number>> = {
  work: 13,
  startup: 19,
  decode: 27,
  flow: 30,
  hints: 14,
  tunnels: 17,
  rank: 10,
  write: 2,
  routes: 100,
  replay: 790,
  live: 50,
  rest: 70,
  tap: 23,
  'route-use': 36,
  store: 55,
  scale: 720,
  query: 370,
  large: 2500,
  retention: 300,
  experiments: 60,
  stream: 120,
};

/** How often longer than it should a part may take before it is ended. */
const PATIENCE = 6;

const OPTIONS = {
  /** Sizes of a tenth and less, and few rounds: to see that all works. */
  quick: { type: 'boolean' },
  /** Keeps captures and databases of more than 3 GB. */
  keep: { type: 'boolean' },
  /** Writes the page also after a run of some parts. */
  write: { type: 'boolean' },
  flows: { type: 'string' },
  rounds: { type: 'string' },
  folder: { type: 'string' },
  /** Where all figures go; .bench/results.json when left out. */
  results: { type: 'string' },
  /** Where the process of one part leaves what it found; for this program itself. */
  into: { type: 'string' },
} as const;

const { positionals, values } = parseArgs({ allowPositionals: true, options: OPTIONS });
const unknown = positionals.filter((part) => !(PARTS as readonly string[]).includes(part));
if (unknown.length > 0) {
  process.stderr.write(`bench: no part ${unknown.join(', ')}; there are ${PARTS.join(', ')}\n`);
  process.exit(2);
}
if (values.quick && values.write) {
  process.stderr.write('bench: --write is for figures of whole inputs, not of --quick\n');
  process.exit(2);
}
if (values.into === undefined) process.exitCode = runAll(positionals as Part[]);
else await runPart(positionals[0] as Part, values.into);

/** One part, in this process. */
async function runPart(part: Part, into: string): Promise<void> {
  const report = new Report();
  const outcome = (seconds: number, error: string | null): PartOutcome => ({
    part,
    seconds,
    error,
    ...report,
  });
  const begin = performance.now();
  const seconds = (): number => Math.round((performance.now() - begin) / 100) / 10;
  try {
    const { run } = (await import(`./${part}.ts`)) as {
      run: (options: typeof values, report: Report) => unknown;
    };
    await run(values, report);
    writeFileSync(into, JSON.stringify(outcome(seconds(), null)));
  } catch (error) {
    process.stderr.write(`bench: ${part}: ${(error as Error).stack}\n`);
    writeFileSync(into, JSON.stringify(outcome(seconds(), (error as Error).message)));
    process.exitCode = 1;
  }
}

/**
 * Parts one after the other, a process each: none has what the compiler learned of another, and one that fails takes nothing with it.
 * @returns exit status
 */
function runAll(named: Part[]): number {
  const isWhole = named.length === 0;
  const parts = isWhole ? PARTS.filter((part) => !NAMED_ONLY.includes(part)) : named;
  const peers = findPeers();
  const machine = thisMachine();
  const list = Object.entries(peers).map(([name, version]) => `${name} ${version ?? '(not found)'}`);
  process.stdout.write(
    `${machine.cpu}, ${machine.cores} cores, Linux ${machine.kernel}, Node ${machine.node}\n`,
  );
  process.stdout.write(`beside nstap: ${list.join(', ')}\n`);
  const scratch = mkdtempSync(join(tmpdir(), 'nstap-bench-run-'));
  const outcomes: PartOutcome[] = [];
  try {
    for (const [i, part] of parts.entries()) {
      const left = parts.slice(i).reduce((sum, each) => sum + SECONDS[each], 0) / (values.quick ? 5 : 1);
      process.stdout.write(
        `\n== ${part} (${i + 1} of ${parts.length}, about ${Math.ceil(left / 60)} min left)\n`,
      );
      outcomes.push(inProcess(part, scratch, isWhole));
    }
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
  const run: Omit<Results, 'curves'> = { machine, peers, quick: values.quick === true, parts: outcomes };
  const results = withRun(readResults(), run);
  const file = values.results ?? join(BENCH_FOLDER, 'results.json');
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, `${JSON.stringify(results, null, 1)}\n`);
  printSummary(results);
  if (values.write || (isWhole && !values.quick)) writePage(results);
  return outcomes.every(({ error }) => error === null) ? 0 : 1;
}

function inProcess(part: Part, scratch: string, isWhole: boolean): PartOutcome {
  const into = join(scratch, `${part}.json`);
  // `scale` makes the database that `query` asks; it goes with the folder, unless the user has one for it.
  const folder =
    isWhole && values.folder === undefined && !values.keep ? join(scratch, 'databases') : values.folder;
  const words = [part, '--into', into];
  for (const name of ['quick', 'keep'] as const) if (values[name]) words.push(`--${name}`);
  for (const name of ['flows', 'rounds'] as const)
    if (values[name] !== undefined) words.push(`--${name}`, values[name]);
  if (folder !== undefined) words.push('--folder', folder);
  const begin = performance.now();
  // More flows than usual take as much longer.
  const patience = PATIENCE * Math.max(1, Number(values.flows ?? 0) / 1e7);
  const { status, signal } = spawnSync(
    process.execPath,
    [...process.execArgv, fileURLToPath(import.meta.url), ...words],
    { stdio: 'inherit', timeout: (60 + SECONDS[part] * patience) * 1000 },
  );
  try {
    return JSON.parse(readFileSync(into, 'utf8')) as PartOutcome;
  } catch {
    const seconds = Math.round((performance.now() - begin) / 1000);
    const error = `its process ended with ${signal ?? status} after ${seconds} s`;
    process.stderr.write(`bench: ${part}: ${error}\n`);
    return { part, seconds, error, rows: [], points: [], notes: [], profile: [] };
  }
}
