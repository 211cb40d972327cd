import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { hasProgram } from '../test/support/processes.ts';
import { type BenchOptions, Report } from './report.ts';
import { DEMO_CAPTURE, LAUNCHER, median, printTable, sh } from './support.ts';

const ROUNDS = 15;
const ROOT = fileURLToPath(new URL('..', import.meta.url));

interface Subject {
  name: string;
  /** In the ids of figures, where it is not the name. */
  id?: string;
  command: string[];
  /** Over this process's environment. */
  env?: Record<string, string>;
}

interface Cost {
  wallMs: number;
  cpuMs: number;
}

/**
 * From start to end of short commands beside those of C tools, in turn, so that all share what the machine does meanwhile. CPU
 * time says most: on a busy machine wall time is that of the others.
 */
export async function run(_options: BenchOptions = {}, report = new Report()): Promise<void> {
  const scratch = mkdtempSync(join(tmpdir(), 'nstap-bench-'));
  try {
    const db = join(scratch, 'flows.db');
    const cache = join(scratch, 'cache');
    sh(process.execPath, [LAUNCHER, 'replay', '--db', db, DEMO_CAPTURE]);
    // A copy, installed as from the registry: that one runs the compiled JavaScript.
    const subjects: Subject[] = [
      { name: 'node -e 0', command: [process.execPath, '-e', '0'] },
      ...nstaps('checkout', LAUNCHER, db, cache),
      ...nstaps('package', installed(scratch), db, cache),
    ];
    const peers: string[][] = [
      ['tcpdump', '--version'],
      ['nfdump', '-V'],
    ];
    for (const command of peers)
      if (hasProgram(command[0]!)) subjects.push({ name: command.join(' '), command });
      else report.note(`not found here: ${command[0]}`);
    const costs = measure(subjects);
    print(subjects, costs);
    for (const [i, { name, id = name }] of subjects.entries())
      report.row(
        `startup.${id}`,
        `\`${name}\`, start to end`,
        'ms',
        costs[i]!.map(({ wallMs }) => wallMs),
      );
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

/** With and without what the launcher keeps of an earlier run. */
function nstaps(what: string, launcher: string, db: string, cache: string): Subject[] {
  const commands: [string, string[]][] = [
    ['--help', ['--help']],
    ['flows', ['flows', '--db', db]],
  ];
  return commands.flatMap(([name, words]) => [
    {
      name: `nstap ${name} (${what})`,
      ...(what === 'checkout' ? { id: name.replace('--', '') } : {}),
      command: [process.execPath, launcher, ...words],
      env: { XDG_CACHE_HOME: cache },
    },
    {
      name: `nstap ${name} (${what}, cache off)`,
      command: [process.execPath, launcher, ...words],
      env: { NODE_DISABLE_COMPILE_CACHE: '1' },
    },
  ]);
}

/** @returns the launcher of a package as `npm pack` makes it, beside the modules of this checkout */
function installed(scratch: string): string {
  sh('npm', ['--prefix', ROOT, 'run', '--silent', 'build']);
  sh('npm', ['pack', '--silent', '--ignore-scripts', '--pack-destination', scratch, ROOT]);
  sh('sh', [
    '-c',
    `tar -C "$1" -xzf "$1"/nstap-*.tgz && ln -s "$2" "$1/package/node_modules"`,
    'sh',
    scratch,
    join(ROOT, 'node_modules'),
  ]);
  return join(scratch, 'package/cli/nstap.js');
}

function measure(subjects: Subject[]): Cost[][] {
  const costs: Cost[][] = subjects.map(() => []);
  for (let round = 0; round <= ROUNDS; round++)
    for (const [i, subject] of subjects.entries()) {
      const cost = timed(subject);
      if (round > 0) costs[i]!.push(cost); // round 0 fills the caches of the system and of the launcher
    }
  return costs;
}

/** By bash, whose `time` has the CPU of its child by the millisecond; Node does not tell that of a child. */
function timed({ name, command, env = {} }: Subject): Cost {
  const script = 'TIMEFORMAT="%R %U %S"; time "$@" >/dev/null 2>&1';
  const { status, stderr } = spawnSync('bash', ['-c', script, 'bash', ...command], {
    encoding: 'utf8',
    env: { ...process.env, LC_ALL: 'C', ...env },
  });
  const [real = Number.NaN, user = 0, system = 0] = stderr.trim().split(' ').map(Number);
  if (status !== 0 || Number.isNaN(real)) throw new Error(`${name} ended with ${status}: ${stderr}`);
  return { wallMs: real * 1000, cpuMs: (user + system) * 1000 };
}

function print(subjects: Subject[], costs: Cost[][]): void {
  const rows = subjects.map(({ name }, i) => {
    const cpu = costs[i]!.map(({ cpuMs }) => cpuMs);
    const wall = costs[i]!.map(({ wallMs }) => wallMs);
    return [name, ...spread(cpu), ...spread(wall)];
  });
  printTable(['ms, start to end', 'CPU', 'range', 'wall', 'range'], rows);
}

function spread(values: number[]): [string, string] {
  return [median(values).toFixed(0), `${Math.min(...values).toFixed(0)}-${Math.max(...values).toFixed(0)}`];
}
