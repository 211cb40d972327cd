import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { SnapshotRoute } from '../daemon/routes/snapshot.ts';
import { Lab, labMissing } from '../test/kernel/lab.ts';
import { Random } from '../test/support/random.ts';
import { count, LENGTHS4, LENGTHS6, print, ROUTES4, ROUTES6, tableOf } from './routes.ts';
import { ended, sleep } from './support.ts';

/** Changes a second of the burst, for so many seconds. */
const RATE = 10_000;
const SECONDS = 10;
const TICK_MS = 100;

/** What the child prints: one JSON object a line. */
interface Line {
  text?: string;
  event?: 'loaded' | 'settled';
}

/** The same table in a namespace: read from the kernel, then followed while it changes. Needs root. */
export async function runLive(): Promise<void> {
  const missing = labMissing();
  if (missing !== null) {
    print(`live: left out, ${missing}`);
    return;
  }
  const lab = new Lab('bg');
  try {
    const name = lab.add('t');
    lab.ip(name, 'link add uplink type veth peer name peer');
    for (const words of [
      'addr add 192.0.2.254/24 dev uplink',
      '-6 addr add 2001:db8::fe/64 dev uplink nodad',
      'link set uplink up',
      'link set peer up',
    ])
      lab.ip(name, words);
    const numbers = new Random(4);
    const next = (n: number): number => numbers.below(n);
    const start = performance.now();
    await batch(name, 'add', tableOf(4, ROUTES4, LENGTHS4, next));
    await batch(name, 'add', tableOf(6, ROUTES6, LENGTHS6, next));
    const seconds = ((performance.now() - start) / 1000).toFixed(0);
    print(
      `live: ${count(ROUTES4)} IPv4 and ${count(ROUTES6)} IPv6 routes added by ip -batch in ${seconds} s`,
    );
    const child = spawn(
      process.execPath,
      ['--expose-gc', fileURLToPath(new URL('routes-live-child.ts', import.meta.url)), name],
      { stdio: ['pipe', 'pipe', 'inherit'] },
    );
    await follow(child, name);
  } finally {
    lab.close();
  }
}

async function follow(child: ChildProcess, name: string): Promise<void> {
  const lines = createInterface({ input: child.stdout! })[Symbol.asyncIterator]();
  const until = async (event: Line['event']): Promise<void> => {
    for (;;) {
      const { value, done } = await lines.next();
      if (done === true) throw new Error('bench: the follower ended early');
      const line = JSON.parse(value as string) as Line;
      if (line.text !== undefined) print(`  ${line.text}`);
      if (line.event === event) return;
    }
  };
  await until('loaded');
  const start = performance.now();
  const made = await burst(name);
  const seconds = (performance.now() - start) / 1000;
  print(
    `  burst: ${count(made)} changes in ${seconds.toFixed(1)} s (${count(Math.round(made / seconds))} a second)`,
  );
  child.stdin!.end();
  await until('settled');
  const status = await ended(child);
  if (status !== 0) throw new Error(`bench: the follower ended with ${status}`);
}

/** Replaces, removes and adds routes at RATE. @returns how many changes were made */
async function burst(name: string): Promise<number> {
  const numbers = new Random(4);
  const routes = [...tableOf(4, ROUTES4, LENGTHS4, (n) => numbers.below(n))];
  const child = spawn('ip', ['-n', name, '-batch', '-'], { stdio: ['pipe', 'inherit', 'inherit'] });
  let made = 0;
  const start = performance.now();
  while (made < RATE * SECONDS) {
    const due = Math.min(RATE * SECONDS, Math.floor(((performance.now() - start) / 1000) * RATE));
    let text = '';
    for (; made < due; made += 2) {
      const route = routes[(made * 7919) % routes.length]!;
      // Each route changes its gateway, or goes and comes back.
      if (made % 4 === 0) text += `${line('del', route)}${line('add', route)}`;
      else text += `${line('replace', route, 2)}${line('replace', route)}`;
    }
    if (text !== '' && !child.stdin.write(text)) await once(child.stdin, 'drain');
    await sleep(TICK_MS);
  }
  child.stdin.end();
  await ended(child);
  return made;
}

/** Carries out commands of `ip -batch` for all routes. */
async function batch(name: string, verb: string, routes: Iterable<SnapshotRoute>): Promise<void> {
  const child = spawn('ip', ['-n', name, '-batch', '-'], { stdio: ['pipe', 'inherit', 'inherit'] });
  let text = '';
  for (const route of routes) {
    text += line(verb, route);
    if (text.length < 1 << 20) continue;
    if (!child.stdin.write(text)) await once(child.stdin, 'drain');
    text = '';
  }
  child.stdin.end(text);
  const status = await ended(child);
  if (status !== 0) throw new Error(`bench: ip -batch ended with ${status}`);
}

function line(verb: string, { prefix, nextHops }: SnapshotRoute, other = 0): string {
  const gateway = other === 0 ? nextHops[0]!.gateway! : '192.0.2.99';
  return `route ${verb} ${prefix} via ${gateway} dev uplink proto bgp\n`;
}
