import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { LAUNCHER, sh } from './support.ts';

const LINES = 10;
/** Threads with less than this part of the samples of the busiest one are left out. */
const LEAST_SHARE = 0.05;

/** What is used of a .cpuprofile. https://chromedevtools.github.io/devtools-protocol/tot/Profiler/#type-Profile */
interface CpuProfile {
  nodes: { id: number; callFrame: { functionName: string; url: string; lineNumber: number } }[];
  samples: number[];
  timeDeltas: number[];
}

/** Where a replay of this capture spends its time: by thread, the functions that take most, without what they call. */
export function hotFunctions(file: string): string[] {
  const scratch = mkdtempSync(join(tmpdir(), 'nstap-bench-'));
  try {
    const flags = ['--cpu-prof', '--cpu-prof-dir', scratch];
    sh(process.execPath, [...flags, LAUNCHER, 'replay', '--db', join(scratch, 'flows.db'), file]);
    const threads = readdirSync(scratch)
      .filter((name) => name.endsWith('.cpuprofile'))
      .map((name) => selfTimes(JSON.parse(readFileSync(join(scratch, name), 'utf8'))))
      .sort((a, b) => b.busyMs - a.busyMs);
    return threads
      .filter(({ busyMs }) => busyMs > threads[0]!.busyMs * LEAST_SHARE)
      .flatMap(({ busyMs, functions }, i) => [
        `thread ${i + 1}: ${busyMs.toFixed(0)} ms busy`,
        ...functions
          .slice(0, LINES)
          .map(([name, ms]) => `  ${((100 * ms) / busyMs).toFixed(1).padStart(5)} %  ${name}`),
      ]);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

/** Milliseconds in each function itself, most first; idle time and the program before its start are no work. */
export function selfTimes(profile: CpuProfile): { busyMs: number; functions: [string, number][] } {
  const names = new Map(
    profile.nodes.map(({ id, callFrame }) => [id, nameOf(callFrame.functionName, callFrame.url)]),
  );
  const times = new Map<string, number>();
  let busyMs = 0;
  for (const [i, id] of profile.samples.entries()) {
    const name = names.get(id)!;
    if (name === '(idle)' || name === '(root)') continue;
    const ms = profile.timeDeltas[i]! / 1000;
    busyMs += ms;
    times.set(name, (times.get(name) ?? 0) + ms);
  }
  return { busyMs, functions: [...times].sort(([, a], [, b]) => b - a) };
}

function nameOf(name: string, url: string): string {
  return `${name || '(anonymous)'}${url === '' ? '' : ` ${basename(url)}`}`;
}
