// Run by routes-live.ts: follows the routes of the namespace that is its argument until its stdin ends, and prints figures.
import { openNetlinkSocket } from '../daemon/kernel/netlink-socket.ts';
import { openNetns } from '../daemon/kernel/netns.ts';
import { RouteEngine, RouteQuery } from '../daemon/routes/engine.ts';
import { RouteMirror } from '../daemon/routes/mirror.ts';
import { ROUTE_GROUPS } from '../daemon/routes/notification.ts';
import type { SnapshotRoute } from '../daemon/routes/snapshot.ts';
import type { RouteUpdate } from '../daemon/routes/update.ts';
import { PacketType } from '../decoders/packet-fields.ts';
import { Random } from '../test/support/random.ts';
import { count, LENGTHS4, ROUTES4, tableOf, wordsOf } from './routes.ts';
import { sleep } from './support.ts';

/** Words of operations in one piece, as the capture thread takes them in between packets. */
const PIECE_WORDS = 4096;
const TURN_MS = 20;
/** Decisions that are asked of the kernel too, before and after. */
const ASKED = 2000;

const say = (text: string): void => void process.stdout.write(`${JSON.stringify({ text })}\n`);
const event = (name: string): void => void process.stdout.write(`${JSON.stringify({ event: name })}\n`);
const rssMib = (): number => {
  globalThis.gc?.();
  return process.memoryUsage().rss / 2 ** 20;
};

const netns = openNetns(process.argv[2]!);
const mirror = new RouteMirror(openNetlinkSocket(netns, { groups: ROUTE_GROUPS }), netns.name);
netns.close();
let stopped = false;
process.stdin.on('end', () => {
  stopped = true;
});
process.stdin.resume();

const before = rssMib();
let start = performance.now();
mirror.load();
const loadMs = performance.now() - start;
start = performance.now();
const full = mirror.take()!;
const takeMs = performance.now() - start;
const mirrorMib = rssMib() - before;
const engine = new RouteEngine({ ...full.context!, routes: [] });
start = performance.now();
let worstMs = apply(full);
say(
  `read in ${loadMs.toFixed(0)} ms, made ready for others in ${takeMs.toFixed(0)} ms, ${mirrorMib.toFixed(0)} MiB; ` +
    `taken in by the deciding thread in ${(performance.now() - start).toFixed(0)} ms, ${(rssMib() - before - mirrorMib).toFixed(0)} MiB more`,
);
say(`longest time that packets waited for it: ${worstMs.toFixed(1)} ms`);
check('after the load');
event('loaded');

worstMs = 0;
const cpuBefore = process.cpuUsage();
const followStart = performance.now();
let updates = 0;
let words = 0;
let lastChangeMs = performance.now();
while (!stopped || performance.now() - lastChangeMs < 500) {
  await sleep(TURN_MS);
  if (!mirror.drain()) continue;
  const update = mirror.take();
  if (update === null) continue;
  lastChangeMs = performance.now();
  updates++;
  words += update.ops.length;
  worstMs = Math.max(worstMs, apply(update));
}
const { user, system } = process.cpuUsage(cpuBefore);
const cpu = (user + system) / 1000 / (performance.now() - followStart);
say(
  `followed with ${(cpu * 100).toFixed(0)} % of one core: ${count(mirror.applied)} changes applied in ${count(updates)} updates ` +
    `(${count(words)} words), ${mirror.resyncs} resyncs; packets waited at most ${worstMs.toFixed(1)} ms`,
);
check('after it settled');
event('settled');
mirror.close();
process.exit(0);

/** Takes in an update piece by piece. @returns the longest piece in milliseconds */
function apply(update: RouteUpdate): number {
  let longest = 0;
  let from = performance.now();
  engine.apply(update, false);
  for (let at = 0; at < update.ops.length; ) {
    at = engine.applyOps(update.ops, at, Math.min(at + PIECE_WORDS, update.ops.length));
    const now = performance.now();
    longest = Math.max(longest, now - from);
    from = now;
  }
  return longest;
}

/** Compares decisions with the kernel's own. */
function check(when: string): void {
  const numbers = new Random(4);
  const next = (n: number): number => numbers.below(n);
  const routes: SnapshotRoute[] = [...tableOf(4, ROUTES4, LENGTHS4, next)];
  const q = new RouteQuery();
  q.pktType = PacketType.Outgoing;
  q.asked = true;
  q.markKnown = true;
  q.proto = 17;
  let wrong = 0;
  const dst = new Uint8Array(4);
  const view = new DataView(dst.buffer);
  for (let i = 0; i < ASKED; i++) {
    q.dst.set(wordsOf(routes[(i * 499) % routes.length]!, next));
    view.setInt32(0, q.dst[0]!);
    const decision = engine.decision(engine.lookup(q));
    const kernel = mirror.ask({ version: 4, dst });
    if (kernel.prefix !== decision.prefix || kernel.gateway !== decision.gateway) wrong++;
  }
  say(`${count(ASKED)} decisions compared with the kernel's ${when}: ${wrong} differ`);
  if (wrong > 0) process.exit(1);
}
