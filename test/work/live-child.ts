// Run by measure.ts in a process of its own: the loop of a capture thread over a ring, with the flow table and everything behind
// it; the ring's kernel is played by ring.ts. Prints what its packets have cost, once the optimizing compiler has settled.
import { closeSync, mkdtempSync, openSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { LiveLoop } from '../../daemon/capture/live-loop.ts';
import { openEvent } from '../../daemon/kernel/eventfd.ts';
import { lap } from './conversations.ts';
import { readCounts } from './counts.ts';
import { HeapGrowth } from './heap-growth.ts';
import { FileRing, PACKETS_SEC } from './ring.ts';
import { ForgettingSession } from './session.ts';

const FLOWS = 1000;
const WARM_UP = 2_000_000;
const PACKETS = 1_000_000;
const LOOK_EVERY = 50_000;
const blocksADrain = Number(process.argv[2]);

const folder = mkdtempSync(join(tmpdir(), 'nstap-work-'));
const fd = openSync(join(folder, 'ring'), 'w+');
try {
  const forgetting = new ForgettingSession(false);
  const { session } = forgetting;
  forgetting.open(0);
  const ring = new FileRing(fd, lap(FLOWS), blocksADrain);
  const heap = new HeapGrowth();
  let nextLook = WARM_UP + LOOK_EVERY;
  const state = () => ({
    heap: heap.octets,
    packets: ring.packets,
    blocks: ring.blocks,
    records: forgetting.records,
    ffi: readCounts().ffi,
  });
  let before: ReturnType<typeof state> | null = null;
  let after: ReturnType<typeof state> | null = null;
  const loop = new LiveLoop(openEvent(), session.meter, {
    tick() {
      session.table.tick(PACKETS_SEC);
      session.queue.flushIfTaken();
    },
    work() {
      if (before === null && ring.packets >= WARM_UP) {
        globalThis.gc?.();
        before = state();
        heap.start();
      }
      if (ring.packets >= nextLook) {
        nextLook += LOOK_EVERY;
        heap.look();
      }
      // Not later: until the source is closed the loop finds its file ready, and nothing in it.
      if (after === null && ring.packets >= WARM_UP + PACKETS) {
        after = state();
        loop.stop('enough');
      }
      return session.workRoutes();
    },
    isWaiting: () => false,
    wake() {},
    ended() {},
  });
  loop.add(0, ring);
  loop.run();
  const [from, to] = [before!, after!];
  const names = Object.keys(to) as (keyof typeof to)[];
  const spent = Object.fromEntries(names.map((name) => [name, to[name] - from[name]]));
  process.stdout.write(JSON.stringify({ ...spent, flows: session.table.created }));
} finally {
  closeSync(fd);
  rmSync(folder, { recursive: true, force: true });
}
