import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { MessageChannel, type MessagePort, Worker } from 'node:worker_threads';
import { afterAll, describe, expect, it } from 'vitest';
import { openEvent, signalEvent, takeEvent } from '../../daemon/kernel/eventfd.ts';
import { close } from '../../daemon/kernel/libc.ts';
import { openNetns } from '../../daemon/kernel/netns.ts';
import { openMirrorFds } from '../../daemon/mirror/fds.ts';
import type {
  MirrorReply,
  MirrorRequest,
  MirrorThreadData,
  RouteSample,
  RoutesMessage,
} from '../../daemon/mirror/messages.ts';
import { RouteEngine } from '../../daemon/routes/engine.ts';
import { liveSnapshot } from '../../daemon/routes/live-snapshot.ts';
import { RouteTables } from '../../daemon/routes/route-tables.ts';
import type { RouteRequest } from '../../storage/messages.ts';
import type { CompiledRoute } from '../../daemon/routes/shapes.ts';
import { decide } from '../routes/ask.ts';
import { Lab, labMissing, run, until } from '../kernel/lab.ts';

const missing = labMissing();

/** The mirror thread with the capture thread's end of its port. */
class Harness {
  readonly wakeFd = openEvent();
  readonly routesWakeFd = openEvent();
  readonly replies: MirrorReply[] = [];
  readonly updates: RoutesMessage[] = [];
  readonly worker: Worker;
  readonly #samples: MessagePort;

  /** @param storage takes the counts */
  constructor(storage: MessagePort | null = null) {
    const { port1, port2 } = new MessageChannel();
    this.#samples = port1;
    port1.on('message', (message) => this.updates.push(message));
    port1.unref();
    const workerData: MirrorThreadData = {
      wakeFd: this.wakeFd,
      routes: [port2],
      routesWakeFds: [this.routesWakeFd],
      storage,
      history: false,
    };
    this.worker = new Worker(new URL('../../daemon/mirror/thread.ts', import.meta.url), {
      workerData,
      transferList: [port2, ...(storage === null ? [] : [storage])],
    });
    this.worker.on('message', (reply: MirrorReply) => this.replies.push(reply));
  }

  send(request: MirrorRequest): void {
    this.worker.postMessage(request);
    signalEvent(this.wakeFd);
  }

  sample(sample: RouteSample): void {
    this.#samples.postMessage(sample);
  }

  /** Destinations in the main table, IPv4, after all updates so far. */
  main(netnsId: string): string[] {
    const shapes: CompiledRoute[] = [];
    const tables = new RouteTables(shapes, false);
    for (const message of this.updates)
      if (message.netnsId === netnsId && message.type === 'routes')
        tables.apply(message.update.ops, 0, message.update.ops.length);
    const prefixes: string[] = [];
    tables.tables4.get(254)?.each((id) => prefixes.push(tables.v4.prefixText(id)));
    return prefixes;
  }

  async stop(): Promise<void> {
    const exit = once(this.worker, 'exit');
    this.send({ type: 'stop' });
    expect(await exit).toEqual([0]);
    close(this.wakeFd);
    close(this.routesWakeFd);
  }
}

describe.skipIf(missing !== null)(`the thread that follows routes${missing ? ` (${missing})` : ''}`, () => {
  const lab = new Lab('mirr');
  afterAll(() => lab.close());

  function add(harness: Harness, name: string): string {
    using netns = openNetns(name);
    harness.send({ type: 'add', netns: name, netnsId: netns.id, fds: openMirrorFds(netns) });
    return netns.id;
  }

  it('sends the tables of two namespaces, and again when they change', async () => {
    const a = lab.add('a');
    const b = lab.add('b');
    lab.veth(a, 'v0', '10.1.0.1/24', b, 'v0', '10.1.0.2/24');
    const harness = new Harness();
    const idA = add(harness, a);
    const idB = add(harness, b);
    // The wake-up follows its update: whoever sees the update first may still have to wait for it.
    await until('both are loaded', () => harness.replies.length === 2);
    expect(harness.replies).toEqual([
      { type: 'loaded', netnsId: idA, reason: null },
      { type: 'loaded', netnsId: idB, reason: null },
    ]);
    await until('both updates', () => harness.main(idA).length > 0 && harness.main(idB).length > 0);
    expect(harness.main(idA)).toEqual(['10.1.0.0/24']);
    await until('the wake-up after it', () => takeEvent(harness.routesWakeFd));

    lab.ip(a, 'route add 10.2.0.0/16 via 10.1.0.2');
    await until('the new route', () => harness.main(idA).includes('10.2.0.0/16'));
    expect(harness.main(idB)).toEqual(['10.1.0.0/24']);
    await until('the wake-up after it', () => takeEvent(harness.routesWakeFd));
    await harness.stop();
  });

  it('gathers many changes into few updates', async () => {
    const a = lab.add('many');
    const harness = new Harness();
    const id = add(harness, a);
    await until('it is loaded', () => harness.replies.length === 1);
    const batch = Array.from(
      { length: 2000 },
      (_, i) => `route add unreachable 10.${i >> 8}.${i & 255}.0/24`,
    );
    lab.exec(a, 'sh', '-c', `printf '%s\\n' "$0" | ip -batch -`, batch.join('\n'));
    await until('all routes', () => harness.main(id).length === 2000);
    expect(harness.updates.length).toBeLessThan(200);
    await harness.stop();
  });

  it('lets a removed namespace go', async () => {
    const a = lab.add('c');
    const b = lab.add('d');
    lab.veth(a, 'v0', null, b, 'v0', null);
    const harness = new Harness();
    const id = add(harness, a);
    await until('it is loaded', () => harness.replies.length === 1);
    lab.remove(a);
    harness.send({ type: 'remove', netnsId: id });
    await until('its veth peer is gone', () => !lab.ip(b, 'link show').includes('v0'));
    await until('it has said so', () => harness.updates.at(-1)?.type === 'remove-routes');
    expect(harness.updates.at(-1)).toEqual({ type: 'remove-routes', netnsId: id });
    await harness.stop();
  });

  it('tells a disagreement with a command that asks the kernel the same, not each one, and counts them all', async () => {
    const a = lab.add('f');
    const b = lab.add('g');
    lab.veth(a, 'v0', '10.1.0.1/24', b, 'v0', '10.1.0.2/24');
    lab.ip(a, 'route add 10.9.0.0/16 via 10.1.0.2');
    const { port1, port2 } = new MessageChannel();
    const counts: RouteRequest[] = [];
    port1.on('message', (request: RouteRequest) => counts.push(request));
    port1.unref();
    const harness = new Harness(port2);
    const id = add(harness, a);
    await until('it is loaded', () => harness.replies.length === 1);
    // The settings are looked at by now, and what was read is not about to be read again.
    await sleep(2500);
    harness.replies.length = 0;
    const snapshot = liveSnapshot(a);
    const engine = new RouteEngine(snapshot);
    const right = decide(engine, { src: '10.1.0.1', dst: '10.9.1.1', type: 'Outgoing' });
    const sample: RouteSample = {
      netnsId: id,
      version: 4,
      dst: Uint8Array.of(10, 9, 1, 1),
      src: Uint8Array.of(10, 1, 0, 1),
      iifIndex: 0,
      tos: 0x10,
      proto: 17,
      sport: 5000,
      dport: 53,
      decision: right,
      compared: { version: 4, isInput: false, isMerged: true },
      others: [],
    };
    harness.sample(sample);
    for (let i = 0; i < 15; i++) harness.sample({ ...sample, decision: { ...right, gateway: '10.1.0.99' } });
    harness.sample({ ...sample, decision: null });
    harness.sample({ ...sample, netnsId: '0:0' });
    const audit = (): RouteRequest | undefined => counts.findLast(({ type }) => type === 'routeAudit');
    await until('all are counted', () => {
      const last = audit();
      return last?.type === 'routeAudit' && last.asked + last.unasked === 17;
    });
    expect(audit()).toMatchObject({ netns: a, netnsId: id, asked: 16, agreed: 1, disagreed: 15, unasked: 1 });
    expect(harness.replies).toHaveLength(10);
    const [told] = harness.replies;
    if (told?.type !== 'disagreed') throw new Error(JSON.stringify(told));
    expect(told).toMatchObject({
      netns: a,
      netnsId: id,
      disagreement: {
        question: { dst: '10.9.1.1', from: '10.1.0.1', tos: 16, ipproto: 17, sport: 5000, dport: 53 },
        decision: { gateway: '10.1.0.99', prefix: '10.9.0.0/16' },
        kernel: { gateway: '10.1.0.2', prefix: '10.9.0.0/16', dev: 'v0' },
        untold: 0,
      },
    });
    expect(run('sh', '-c', told.disagreement.command)).toContain('10.9.0.0/16 via 10.1.0.2 dev v0');
    await harness.stop();
  });

  it('says why a namespace has no routes, and goes on with the others', async () => {
    const a = lab.add('e');
    const harness = new Harness();
    // An eventfd is no netlink socket.
    harness.send({ type: 'add', netns: 'x', netnsId: '0:0', fds: [openEvent()] });
    const id = add(harness, a);
    await until('both answers', () => harness.replies.length === 2);
    expect(harness.replies[0]).toMatchObject({
      type: 'loaded',
      netnsId: '0:0',
      reason: expect.stringMatching(/ENOTSOCK/),
    });
    expect(harness.replies[1]).toEqual({ type: 'loaded', netnsId: id, reason: null });
    await harness.stop();
  });
});
