// npm run routes [-- --decisions N] [--seed N] [--each N] [--changes N]: random namespaces, one after the other, until so many
// decisions were compared with the kernel's; exit status 1 when one differs. Needs root. A seed gives the same namespaces and
// questions. With --changes other processes make so many changes in each while a mirror follows them; then it is compared.
import { setImmediate as turn } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { Lab, labMissing } from '../kernel/lab.ts';
import { compareAfterChanges } from './changing.ts';
import { type Comparison, Differential } from './differential.ts';
import { EXCEPTIONS, type Exception } from './exceptions.ts';
import { randomQuestion } from './random-questions.ts';
import { type RandomRound, randomRound } from './random-round.ts';
import { random } from './random-tables.ts';

/** Disagreements that are printed of one namespace. */
const SHOWN_MAX = 3;

const { values } = parseArgs({
  options: {
    decisions: { type: 'string', default: '100000' },
    seed: { type: 'string', default: '1' },
    each: { type: 'string', default: '4000' },
    changes: { type: 'string', default: '0' },
  },
});
const [decisions, seed, each, changes] = [values.decisions, values.seed, values.each, values.changes].map(
  Number,
) as [number, number, number, number];
if (![decisions, seed, each, changes].every((n) => Number.isInteger(n) && n >= 0) || each === 0) {
  process.stderr.write('usage: npm run routes -- [--decisions N] [--seed N] [--each N] [--changes N]\n');
  process.exit(2);
}
const missing = labMissing();
if (missing !== null) {
  process.stderr.write(`routes: cannot make namespaces here: ${missing}\n`);
  process.exit(1);
}

const lab = new Lab('rd');
const types = new Map<string, number>();
const exceptions = new Map<Exception, number>();
/** The answers of one namespace, and what it is made of. */
async function answersOf(
  n: number,
  round: RandomRound,
): Promise<{ comparisons: Comparison[]; what: string }> {
  const what = `${round.routes} routes, ${round.rules} rules, ${round.sysctls.length} sysctls`;
  if (changes > 0) {
    const changed = await compareAfterChanges(lab, `n${n}`, round, changes, each);
    return {
      comparisons: changed.comparisons,
      what: `${what}, ${changed.changes} changes (${changed.applied} applied, ${changed.reloads} reloads)`,
    };
  }
  const both = new Differential(lab, `n${n}`, round);
  const next = random(n * 1000 + 1);
  const comparisons = Array.from({ length: each }, () => both.compare(randomQuestion(next, both.pool)));
  both.close();
  return { comparisons, what };
}

const start = performance.now();
let compared = 0;
let different = 0;
let stopped: NodeJS.Signals | null = null;
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
  process.on(signal, () => {
    stopped = signal;
  });
try {
  for (let n = seed; compared < decisions && stopped === null; n++) {
    const round = randomRound(n);
    const disagreements: string[] = [];
    const { comparisons, what } = await answersOf(n, round);
    for (const { decision, exception, disagreement } of comparisons) {
      if (exception === null) compared++;
      else exceptions.set(exception, (exceptions.get(exception) ?? 0) + 1);
      const stage = decision.stage ?? 'none';
      const key = `${stage} ${decision.type} ${decision.verdict}`;
      types.set(key, (types.get(key) ?? 0) + 1);
      if (disagreement !== null) disagreements.push(disagreement);
    }
    lab.removeAll();
    different += disagreements.length;
    process.stdout.write(`seed ${n}: ${what}: ${disagreements.length} differ\n`);
    // Signals are delivered only here: the rest of the loop never waits.
    await turn();
    for (const text of disagreements.slice(0, SHOWN_MAX)) process.stdout.write(`${text}\n`);
    if (disagreements.length > 0) process.stdout.write(`  sysctls ${round.sysctls.join(' ')}\n`);
  }
} finally {
  lab.close();
}
for (const [key, count] of [...types].sort(([, a], [, b]) => b - a))
  process.stdout.write(`${String(count).padStart(8)} ${key}\n`);
for (const [name, count] of exceptions)
  process.stdout.write(`${String(count).padStart(8)} not compared: ${EXCEPTIONS[name]}\n`);
const seconds = ((performance.now() - start) / 1000).toFixed(0);
process.stdout.write(`${compared} decisions compared with the kernel in ${seconds} s, ${different} differ\n`);
process.exitCode = different === 0 && stopped === null ? 0 : 1;
