// npm run fuzz [-- --target NAME] [--seed N] [--runs N] [--replay FILE]: exit status 1 when an invariant was broken.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { Worker } from 'node:worker_threads';
import { corpusPackets } from './corpus-packets.ts';
import { attempt, fuzz } from './fuzzer.ts';
import { TARGETS } from './targets.ts';

const RUNS_DEFAULT = 1_000_000;
/** An input that takes longer than this hangs: the slowest takes less than a millisecond. */
const HANG_MS = 20_000;
/** Octets of the target's name and of the input in the guard's memory. */
const INPUT_ROOM = 4096;
const FINDS = fileURLToPath(new URL('../../.fuzz/', import.meta.url));

const { values } = parseArgs({
  options: {
    target: { type: 'string' },
    seed: { type: 'string', default: '1' },
    runs: { type: 'string', default: String(RUNS_DEFAULT) },
    replay: { type: 'string' },
  },
});
const targets = TARGETS.map(({ make, share }) => ({ target: make(), share })).filter(
  ({ target }) => values.target === undefined || target.name === values.target,
);
const [seed, runs] = [Number(values.seed), Number(values.runs)];
if (targets.length === 0 || !Number.isInteger(seed) || !Number.isInteger(runs) || runs < 1) {
  const names = TARGETS.map(({ make }) => make().name).join(', ');
  process.stderr.write(
    `usage: npm run fuzz -- [--target NAME] [--seed N] [--runs N] [--replay FILE]; targets: ${names}\n`,
  );
  process.exit(2);
}

if (values.replay !== undefined) {
  const input = readFileSync(values.replay);
  for (const { target } of targets) {
    const reason = attempt(target, input);
    process.stdout.write(`${target.name}: ${reason ?? 'fine'}\n`);
    if (reason !== null) process.exitCode = 1;
  }
} else await run();

async function run(): Promise<void> {
  // word 0: executions so far; word 1: length of the input at hand; then the input.
  const shared = new SharedArrayBuffer(8 + INPUT_ROOM);
  const state = new Int32Array(shared, 0, 2);
  const current = new Uint8Array(shared, 8);
  const guard = new Worker(new URL('./hang-guard.ts', import.meta.url), {
    workerData: { shared, hangMs: HANG_MS, file: join(FINDS, 'hang.bin') },
  });
  guard.unref();
  mkdirSync(FINDS, { recursive: true });
  const packets = await corpusPackets();
  const ahead: Readonly<Record<string, number>> = { decode: 3, tunnel: 3, line: 3, meter: 5, levels: 5 };
  const total = targets.reduce((sum, { share }) => sum + share, 0);
  let executions = 0;
  const start = performance.now();
  for (const { target, share } of targets) {
    const octets = ahead[target.name];
    const more =
      octets === undefined
        ? []
        : packets.map((packet) => new Uint8Array([...new Uint8Array(octets), ...packet]));
    const began = performance.now();
    const result = fuzz(target, seed, Math.ceil((runs * share) / total), more, {
      begin(input) {
        current.set(input.subarray(0, INPUT_ROOM));
        state[1] = Math.min(input.length, INPUT_ROOM);
        Atomics.add(state, 0, 1);
      },
    });
    executions += result.executions;
    const perSecond = Math.round(result.executions / ((performance.now() - began) / 1000));
    process.stdout.write(
      `${target.name.padEnd(8)} ${result.executions} executions, ${perSecond}/s, ${result.ways} ways, ${result.find === null ? 'no find' : 'FIND'}\n`,
    );
    if (result.find === null) continue;
    const file = join(FINDS, `${target.name}-${seed}.bin`);
    writeFileSync(file, result.find.input);
    process.stdout.write(
      `  ${result.find.reason}\n  npm run fuzz -- --target ${target.name} --replay ${file}\n`,
    );
    process.exitCode = 1;
  }
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  const mib = Math.round((heapUsed + arrayBuffers) / 2 ** 20);
  const seconds = Math.round((performance.now() - start) / 1000);
  process.stdout.write(
    `${executions} executions in ${seconds} s, seed ${seed}; ${mib} MiB in use at the end\n`,
  );
}
