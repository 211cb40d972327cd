// npm run routes [-- --decisions N] [--seed N] [--each N]: random namespaces, one after the other, until so many decisions were
// compared with the kernel's; exit status 1 when one differs. Needs root. A seed gives the same namespaces and questions.
import { setImmediate as turn } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { Lab, labMissing } from '../kernel/lab.ts';
import { Differential } from './differential.ts';
import { EXCEPTIONS, type Exception } from './exceptions.ts';
import { randomQuestion } from './random-questions.ts';
import { randomRound } from './random-round.ts';
import { random } from './random-tables.ts';

/** Disagreements that are printed of one namespace. */
const SHOWN_MAX = 3;

const { values } = parseArgs({
  options: {
    decisions: { type: 'string', default: '100000' },
    seed: { type: 'string', default: '1' },
    each: { type: 'string', default: '4000' },
  },
});
const [decisions, seed, each] = [values.decisions, values.seed, values.each].map(Number) as [
  number,
  number,
  number,
];
if (![decisions, seed, each].every((n) => Number.isInteger(n) && n >= 0) || each === 0) {
  process.stderr.write('usage: npm run routes -- [--decisions N] [--seed N] [--each N]\n');
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
    const both = new Differential(lab, `n${n}`, round);
    const next = random(n * 1000 + 1);
    const disagreements: string[] = [];
    const questions = Math.min(each, decisions - compared);
    for (let i = 0; i < questions; i++) {
      const question = randomQuestion(next, both.pool);
      const { decision, exception, disagreement } = both.compare(question);
      if (exception !== null) exceptions.set(exception, (exceptions.get(exception) ?? 0) + 1);
      const key = `${question.iif === null ? 'output' : 'input'} ${decision.type} ${decision.verdict}`;
      types.set(key, (types.get(key) ?? 0) + 1);
      if (disagreement !== null) disagreements.push(disagreement);
    }
    both.close();
    lab.removeAll();
    compared += questions;
    different += disagreements.length;
    const what = `${round.routes} routes, ${round.rules} rules, ${round.sysctls.length} sysctls`;
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
