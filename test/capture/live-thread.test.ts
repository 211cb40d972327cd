import { once } from 'node:events';
import { MessageChannel, type MessagePort, Worker } from 'node:worker_threads';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { CaptureReply, CaptureRequest } from '../../daemon/capture/capture-messages.ts';
import type { LiveThreadData } from '../../daemon/capture/live-thread.ts';
import { DEFAULT_TIMEOUTS } from '../../daemon/flow/timeouts.ts';
import { openEvent, signalEvent } from '../../daemon/kernel/eventfd.ts';
import { listInterfaces } from '../../daemon/kernel/interfaces.ts';
import { close } from '../../daemon/kernel/libc.ts';
import { compileSocketFilter } from '../../daemon/kernel/libpcap.ts';
import { linkLayerOf, openPacketSocket, ringGeometry } from '../../daemon/kernel/packet-socket.ts';
import type { RouteUpdate } from '../../daemon/routes/update.ts';
import { createBatchPool } from '../../storage/batch-pool.ts';
import type { StorageRequest } from '../../storage/messages.ts';
import type { RouteDecision } from '../../storage/route-decision.ts';
import { Lab, labMissing, until } from '../kernel/lab.ts';
import { sendUdp } from '../kernel/traffic.ts';
import { ModelMirror, modelRoute } from '../routes/model-mirror.ts';

const missing = labMissing();
const PACKETS = 40;

/** Tables that are taken in over many turns of the thread. */
function largeUpdate(): RouteUpdate {
  const mirror = new ModelMirror();
  const routes = Array.from({ length: 120_000 }, (_, i) =>
    modelRoute(`${20 + (i >> 16)}.${(i >> 8) & 255}.${i & 255}.0/24`, { via: '10.0.0.2' }),
  );
  mirror.reload([...routes, modelRoute('10.9.0.0/24', { via: '10.0.0.3' })]);
  return mirror.take()!;
}

/** The live capture thread, with the ends of its ports that the mirror, storage and the engine have. */
class Harness {
  /** All but signs of life, which come whenever a second is over. */
  readonly replies: CaptureReply[] = [];
  signs = 0;
  readonly decisions: RouteDecision[] = [];
  packets = 0;
  /** Packets of each capture that has ended, by its interface. */
  readonly ended = new Map<string | null, number>();
  readonly #names = new Map<number, string | null>();
  readonly #wakeFd = openEvent();
  readonly #routes: MessagePort;
  readonly #worker: Worker;

  constructor() {
    const storage = new MessageChannel();
    const routes = new MessageChannel();
    this.#routes = routes.port1;
    storage.port1.on('message', (request: StorageRequest) => {
      if (request.type === 'decisions') this.decisions.push(...request.list);
      if (request.type === 'capture') this.#names.set(request.info.index, request.info.interface);
      if (request.type === 'counters' && request.final) {
        this.packets += request.counters.packets;
        this.ended.set(this.#names.get(request.captureIndex)!, request.counters.packets);
      }
    });
    for (const port of [storage.port1, routes.port1]) port.unref();
    const workerData: LiveThreadData = {
      options: {
        maxFlows: 1024,
        timeouts: DEFAULT_TIMEOUTS,
        checkpointSec: 5,
        tunnels: 'outer',
        auditRate: 0,
        hints: false,
        payloadOctets: 0,
        timeseries: false,
      },
      pool: createBatchPool(256, 8),
      storage: storage.port2,
      requests: [routes.port2],
      wakeFd: this.#wakeFd,
    };
    this.#worker = new Worker(new URL('../../daemon/capture/live-thread.ts', import.meta.url), {
      workerData,
      transferList: [storage.port2, routes.port2],
    });
    this.#worker.on('message', (reply: CaptureReply) => {
      if (reply.type === 'close') close(reply.fd);
      else if (reply.type === 'alive') this.signs++;
      else this.replies.push(reply);
    });
  }

  /** The update first, as the mirror does, then what the engine asks for, all before the thread looks. */
  send(update: RouteUpdate | null, ...requests: CaptureRequest[]): void {
    if (update !== null) this.#routes.postMessage({ type: 'routes', netnsId: 'n', update });
    for (const request of requests) this.#worker.postMessage(request);
    signalEvent(this.#wakeFd);
  }

  /** As the mirror says that the namespace is gone. */
  removeRoutes(): void {
    this.#routes.postMessage({ type: 'remove-routes', netnsId: 'n' });
    signalEvent(this.#wakeFd);
  }

  types(): string[] {
    return this.replies.map(({ type }) => type);
  }

  async stop(): Promise<void> {
    const exit = once(this.#worker, 'exit');
    this.send(null, { type: 'stop' });
    expect(await exit).toEqual([0]);
    close(this.#wakeFd);
  }
}

describe.skipIf(missing !== null)(`the live capture thread${missing ? ` (${missing})` : ''}`, () => {
  const lab = new Lab('lt');
  let a = '';
  let b = '';
  const update = largeUpdate();

  beforeAll(() => {
    a = lab.add('a');
    b = lab.add('b');
    lab.veth(a, 'v0', '10.9.0.1/24', b, 'v0', '10.9.0.2/24');
  });
  afterAll(() => lab.close());

  /** A request for a capture of v0, whose ring has packets in it. */
  function request(): Extract<CaptureRequest, { type: 'add' }> {
    const adding = lab.inside(a, (): ReturnType<typeof request> => {
      const { ifIndex, arpType } = listInterfaces().find(({ name }) => name === 'v0')!;
      const link = linkLayerOf(arpType);
      const ring = ringGeometry(2);
      const filter = compileSocketFilter('udp', link, 262_144);
      const fd = openPacketSocket({ ifIndex, link, ring, filter, object: 'v0' });
      return {
        type: 'add',
        capture: {
          index: 0,
          netns: a,
          netnsId: 'n',
          interface: 'v0',
          ifIndex: 2,
          linkType: link.linkType,
          source: 'ring',
          file: null,
          filter: null,
        },
        open: { kind: 'ring', fd, ring, cooked: link.cooked, loopback: false },
      };
    });
    sendUdp(lab, b, '10.9.0.1', 4000, 32, PACKETS);
    return adding;
  }

  test('leaves packets in the ring until the tables of their namespace are whole', async () => {
    const harness = new Harness();
    harness.send(update, request());
    await until('it is captured', () => harness.types().includes('opened'));
    await harness.stop();
    await until('all are counted', () => harness.packets >= PACKETS);
    expect(harness.decisions.length).toBeGreaterThan(0);
    for (const { type } of harness.decisions) expect(type).not.toBe('unknown');
    expect(harness.signs).toBeGreaterThan(0);
    expect(harness.types()).toEqual(['opened', 'ended', 'stopped']);
  });

  test.each([
    ['removed', { type: 'remove', captureIndex: 0, reason: 'gone' }],
    ['stopped', { type: 'stop' }],
  ] as [string, CaptureRequest][])(
    'loses no packet of a capture that is %s while tables come',
    async (_what, then) => {
      const harness = new Harness();
      harness.send(update, request(), then);
      await until('it has ended', () => harness.types().includes('ended'));
      expect(harness.types().slice(0, 2)).toEqual(['opened', 'ended']);
      if (then.type === 'remove') await harness.stop();
      else await until('it has stopped', () => harness.types().includes('stopped'));
      await until('the counters are there', () => harness.packets > 0);
      expect(harness.packets).toBeGreaterThanOrEqual(PACKETS);
    },
  );

  test('decides what is left in a ring by the tables of the namespace that is gone, and forgets them after', async () => {
    const harness = new Harness();
    harness.send(update, request());
    await until('it is captured', () => harness.types().includes('opened'));
    sendUdp(lab, b, '10.9.0.1', 4001, 32, PACKETS);
    const first = harness.replies.length;
    harness.removeRoutes();
    harness.send(null, { type: 'remove', captureIndex: 0, reason: 'gone' });
    await until('it has ended', () => harness.replies.length > first);
    // The same number again: a namespace whose tables nobody has told.
    harness.send(null, request());
    await until('it is captured', () => harness.types().filter((type) => type === 'opened').length === 2);
    await harness.stop();
    await until('all are counted', () => harness.packets >= 3 * PACKETS);
    const types = harness.decisions.map(({ type }) => type);
    expect(types.filter((type) => type === 'unknown')).toHaveLength(1);
    expect(types.at(-1)).toBe('unknown');
  });

  test('goes on with a capture whose interface has another name: what came before is of the first', async () => {
    const harness = new Harness();
    const adding = request();
    harness.send(null, adding);
    await until('it is captured', () => harness.types().includes('opened'));
    harness.send(null, {
      type: 'rename',
      captureIndex: 0,
      capture: { ...adding.capture, index: 1, interface: 'w0' },
    });
    await until('it has another name', () => harness.types().length === 3);
    sendUdp(lab, b, '10.9.0.1', 4000, 32, PACKETS);
    harness.send(null, { type: 'rename', captureIndex: 0, capture: { ...adding.capture, index: 2 } });
    await until('that is refused', () => harness.types().length === 4);
    await harness.stop();
    expect(harness.replies.slice(0, 5)).toEqual([
      { type: 'opened', captureIndex: 0, linkType: 1 },
      { type: 'renamed', captureIndex: 0, counters: expect.objectContaining({ kernelDrops: 0 }) },
      { type: 'opened', captureIndex: 1, linkType: 1 },
      { type: 'failed', captureIndex: 2, reason: 'it has ended by itself' },
      { type: 'ended', captureIndex: 1, reason: 'stopped' },
    ]);
    await until('both are counted', () => harness.ended.size === 2);
    expect([...harness.ended.keys()]).toEqual(['v0', 'w0']);
    expect(harness.packets).toBe(2 * PACKETS);
  });

  test('gives a capture that waits for its tables its new name', async () => {
    const harness = new Harness();
    const adding = request();
    const renamed = { ...adding.capture, index: 1, interface: 'w0' };
    harness.send(update, adding, { type: 'rename', captureIndex: 0, capture: renamed });
    await until('it is captured', () => harness.types().includes('opened'));
    expect(harness.replies).toEqual([{ type: 'opened', captureIndex: 1, linkType: 1 }]);
    await harness.stop();
    await until('it is counted', () => harness.ended.size === 1);
    expect([...harness.ended]).toEqual([['w0', PACKETS]]);
  });
});
