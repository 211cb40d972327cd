import { type ChildProcess, spawn } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { NetlinkSocket } from '../../daemon/kernel/netlink-socket.ts';
import { openNetns } from '../../daemon/kernel/netns.ts';
import { openMirrorFds } from '../../daemon/mirror/fds.ts';
import { RouteEngine } from '../../daemon/routes/engine.ts';
import { LiveRoutes } from '../../daemon/routes/live-snapshot.ts';
import { RouteMirror } from '../../daemon/routes/mirror.ts';
import type { Lab } from '../kernel/lab.ts';
import { type Comparison, compareAnswers } from './differential.ts';
import { changeCommands } from './random-changes.ts';
import { buildNamespace, settle } from './random-namespace.ts';
import { questionPool, randomQuestion } from './random-questions.ts';
import { type RandomRound, randomRound } from './random-round.ts';
import { random } from './random-tables.ts';

/** What a round of changes came to. */
export interface ChangedRound {
  /** Commands that were run, each family's by a process of its own. */
  changes: number;
  /** Of the mirror: single changes applied, and times that it read everything anew. */
  applied: number;
  reloads: number;
  comparisons: Comparison[];
}

/**
 * Makes a namespace, has a mirror follow it while other processes change it at random, waits until it rests, and compares the
 * decisions of an engine that got its changes with the kernel's. A seed makes the same changes; how they fall together with the mirror's reads is chance.
 */
export async function compareAfterChanges(
  lab: Lab,
  label: string,
  round: RandomRound,
  changes: number,
  questions: number,
): Promise<ChangedRound> {
  const name = buildNamespace(lab, label, round);
  const handle = openNetns(name);
  const [fd, ...settings] = openMirrorFds(handle);
  const mirror = new RouteMirror(new NetlinkSocket(fd!), name, settings);
  handle.close();
  const live = new LiveRoutes(name);
  try {
    mirror.load();
    const first = mirror.take()!;
    const engine = new RouteEngine({ ...first.context!, routes: [] });
    engine.apply(first);
    const lines = changeCommands(changes, random(round.seed * 31 + 7), round.tables);
    // Other values of the same kind: those of another round.
    const { sysctls } = randomRound(round.seed + 100_000);
    await follow(mirror, engine, name, lines, sysctls);
    settle(name);
    // What settled late is told late.
    await sleep(20);
    mirror.drain();
    // Some settings are told by nobody: the daemon looks at them every now and then.
    mirror.poll();
    takeOver(mirror, engine);
    const snapshot = mirror.snapshot();
    const pool = questionPool(snapshot);
    const next = random(round.seed * 17 + 3);
    const comparisons: Comparison[] = [];
    for (let i = 0; i < questions; i++)
      comparisons.push(compareAnswers(engine, snapshot, live.client, randomQuestion(next, pool)));
    return { changes: lines.length, applied: mirror.applied, reloads: mirror.reloads, comparisons };
  } finally {
    live.close();
    mirror.close();
  }
}

function takeOver(mirror: RouteMirror, engine: RouteEngine): void {
  const update = mirror.take();
  if (update !== null) engine.apply(update);
}

/** Runs the commands, and drains the mirror meanwhile; now and then the engine gets what changed, in the middle of it. */
async function follow(
  mirror: RouteMirror,
  engine: RouteEngine,
  name: string,
  lines: readonly string[],
  sysctls: readonly string[],
): Promise<void> {
  const children = [
    { family: '-4', own: lines.filter((line) => !line.startsWith('-6 ')) },
    { family: '-6', own: lines.filter((line) => line.startsWith('-6 ')).map((line) => line.slice(3)) },
  ].map(({ family, own }) => {
    const child = spawn('ip', ['-n', name, family, '-force', '-batch', '-'], {
      stdio: ['pipe', 'ignore', 'ignore'],
    });
    child.stdin.end(`${own.join('\n')}\n`);
    return ended(child);
  });
  const settings = ['netns', 'exec', name, 'sysctl', '-qw', ...sysctls];
  children.push(ended(spawn('ip', settings, { stdio: 'ignore' })));
  let isDone = false;
  const done = Promise.all(children).then(() => {
    isDone = true;
  });
  for (let turn = 0; !isDone; turn++) {
    mirror.drain();
    if (turn % 2 === 1) takeOver(mirror, engine);
    await sleep(2);
  }
  await done;
}

function ended(child: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    child.on('exit', () => resolve());
    child.on('error', reject);
  });
}
