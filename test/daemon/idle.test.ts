import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { labMissing } from '../kernel/lab.ts';
import { childrenOf } from '../support/processes.ts';
import { DaemonLab } from './daemon-lab.ts';

const missing = labMissing();
/** What a start leaves to be done. */
const SETTLE_MS = 4000;
const SECONDS = 8;
/** Of all threads that are not V8's: 5.5 by the clocks, and what a busy host adds. It was 19. */
const WAKES_A_SECOND = 10;
/** A page of the write-ahead log with its header. sqlite.org/walformat.html */
const WAL_FRAME = 4096 + 24;
/** Signs of life, and one commit that may fall into the time. It was two a second. */
const OCTETS = 4 * WAL_FRAME;

describe.skipIf(missing !== null)(`a daemon at rest${missing ? ` (${missing})` : ''}`, () => {
  const lab = new DaemonLab('idle');
  afterEach(() => lab.endDaemon());
  afterAll(() => lab.close());

  it('wakes rarely, and writes nothing again that it has written', async () => {
    const [a, b] = ['a', 'b'].map((label) => lab.add(label)) as [string, string];
    // Routers are looked for, again and again.
    for (const netns of [a, b]) lab.sysctl(netns, 'net.ipv6.conf.all.disable_ipv6=1');
    lab.veth(a, 'v0', '10.9.0.1/24', b, 'v0', '10.9.0.2/24');
    const { d } = lab.daemon({ netns: [a, b] }, 'real');
    await d.opened(4);
    await sleep(SETTLE_MS);
    const [engine] = childrenOf(d.child.pid!);
    const before = { wakes: wakesOf(d.child.pid!, engine!), octets: writtenBy(engine!) };
    await sleep(SECONDS * 1000);
    const wakes = wakesOf(d.child.pid!, engine!) - before.wakes;
    const octets = writtenBy(engine!) - before.octets;
    expect(wakes).toBeGreaterThan(SECONDS);
    expect(wakes).toBeLessThan(SECONDS * WAKES_A_SECOND);
    expect(octets).toBeLessThan(OCTETS);
    expect(await d.end()).toBe(0);
  }, 60_000);
});

/** Times that threads of these processes went to sleep by themselves; not those of V8's own work. proc_pid_status(5) */
function wakesOf(...pids: number[]): number {
  let total = 0;
  for (const pid of pids)
    for (const task of readdirSync(`/proc/${pid}/task`)) {
      const status = readFileSync(`/proc/${pid}/task/${task}/status`, 'utf8');
      if (/^Name:\s+V8/m.test(status)) continue;
      total += Number(/^voluntary_ctxt_switches:\s+(\d+)$/m.exec(status)?.[1]);
    }
  return total;
}

/** Octets that a process gave to write(2) and its like. proc_pid_io(5) */
function writtenBy(pid: number): number {
  return Number(/^wchar: (\d+)$/m.exec(readFileSync(`/proc/${pid}/io`, 'utf8'))?.[1]);
}
