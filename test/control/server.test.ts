import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { afterEach, describe, expect, it } from 'vitest';
import { parseFilter } from '../../cli/filter/parse.ts';
import { ControlClient } from '../../daemon/control/client.ts';
import { ControlError } from '../../daemon/control/errors.ts';
import type { ControlLimits } from '../../daemon/control/limits.ts';
import type {
  ControlResponse,
  LiveInterface,
  LiveRanking,
  PacketsMessage,
  RankBody,
} from '../../daemon/control/messages.ts';
import type { FilterNode } from '../../storage/filter-ast.ts';
import { encodeFilter } from '../../storage/filter-json.ts';
import type { RouteDecision } from '../../storage/route-decision.ts';
import { until } from '../kernel/lab.ts';
import { ANY_PACKETS as ANY, livePacket, type RankedBy, RawClient, TestServer } from './test-server.ts';

const ROUTE: RouteDecision = {
  type: 'blackhole',
  verdict: 'drop',
  rule: 32766,
  table: 'main',
  prefix: '10.9.0.0/16',
  gateway: null,
  dev: null,
  scope: null,
  protocol: null,
  metric: null,
  prefsrc: null,
  stage: 'input',
  observed: 'n/a',
  confidence: 'exact',
  reason: 'so',
  text: null,
};

const UNKNOWN_DECISION: RouteDecision = {
  type: 'unknown',
  verdict: null,
  rule: null,
  table: null,
  prefix: null,
  gateway: null,
  dev: null,
  scope: null,
  protocol: null,
  metric: null,
  prefsrc: null,
  stage: null,
  observed: 'n/a',
  confidence: 'exact',
  reason: null,
  text: null,
};

const open: Disposable[] = [];

function serve(limits: Partial<ControlLimits> = {}): TestServer {
  const server = new TestServer(limits);
  open.push(server);
  return server;
}

async function raw(server: TestServer, isGreeted = true): Promise<RawClient> {
  const client = await (isGreeted ? RawClient.greeted(server.path) : RawClient.connect(server.path));
  open.push(client);
  return client;
}

async function connected(server: TestServer): Promise<ControlClient> {
  const client = await ControlClient.connect(server.path, 'test');
  open.push(client);
  return client;
}

afterEach(() => {
  for (const each of open.splice(0).reverse()) each[Symbol.dispose]();
});

describe('a connection', () => {
  it('begins with hello, and says who is there', async () => {
    const client = await connected(serve());
    expect(client.welcome).toEqual({
      version: 1,
      nstap: '9.9.9',
      pid: 4711,
      enginePid: process.pid,
      revision: 1,
    });
  });

  it.each([
    ['another request first', (c: RawClient) => c.send(1, 'status', {}), 'CONTROL_BAD_REQUEST'],
    ['another version', (c: RawClient) => c.send(1, 'hello', { version: 2, client: '' }), 'CONTROL_VERSION'],
    ['what is no protobuf', (c: RawClient) => c.socket.write(Uint8Array.of(1, 0xff)), 'CONTROL_BAD_REQUEST'],
    [
      'a frame too large',
      (c: RawClient) => c.socket.write(Uint8Array.of(0xff, 0xff, 0x7f)),
      'CONTROL_BAD_FRAME',
    ],
  ])('with %s is told why and closed', async (_name, act, code) => {
    const server = serve();
    const client = await raw(server, false);
    act(client);
    expect(await client.refused()).toBe(code);
    await until('it is forgotten', () => server.server.size === 0);
  });

  it('without a hello, with half a message, or idle, is closed after its time', async () => {
    const server = serve({ helloMs: 100, frameMs: 100, idleMs: 200 });
    const silent = await raw(server, false);
    expect(await silent.refused()).toBe('CONTROL_TIMEOUT');
    const half = await raw(server);
    half.socket.write(Uint8Array.of(0x7f, 0x08));
    expect(await half.refused()).toBe('CONTROL_TIMEOUT');
    const idle = await raw(server);
    expect(await idle.refused()).toBe('CONTROL_TIMEOUT');
    expect(server.reasons).toEqual([
      'CONTROL_TIMEOUT: no hello within 0.1 s',
      'CONTROL_TIMEOUT: a message was not whole after 0.1 s',
      'CONTROL_TIMEOUT: no request for 0.2 s',
    ]);
  });

  it('beyond the bound is turned away, and there is room again when one has gone', async () => {
    const server = serve({ clients: 2 });
    const first = await raw(server);
    await raw(server);
    await expect(ControlClient.connect(server.path, 'third')).rejects.toMatchObject({
      code: 'CONTROL_BUSY',
      message: `${server.path}: 2 clients are connected, and no more are taken; try again later`,
    });
    expect(server.refused).toBe(1);
    first.socket.destroy();
    await until('one has gone', () => server.server.size === 1);
    await connected(server);
  });

  it('answers requests one after the other, in their order, also when all come at once', async () => {
    const server = serve();
    const client = await raw(server);
    client.socket.cork();
    for (let id = 10; id < 1010; id++) client.send(id, 'reload', {});
    client.socket.uncork();
    await until('all are answered', () => client.responses.length === 1000);
    expect(client.responses.map(({ id }) => id)).toEqual(Array.from({ length: 1000 }, (_, i) => i + 10));
  });

  it('goes on after a request that failed', async () => {
    const client = await connected(serve());
    await expect(client.status()).rejects.toMatchObject({ code: 'CONTROL_FAILED' });
    await expect(client.addCapture({ netns: '/proc/1/ns/net', interface: '*' })).rejects.toMatchObject({
      code: 'CONTROL_BAD_REQUEST',
    });
    await client.reload();
  });

  it('starts and stops experiments, and has flows written', async () => {
    const server = serve();
    const client = await connected(server);
    const started = { id: 3, name: 'a', number: 2, netns: 'lab-*', startedNs: 1_700_000_000_123_000_000n };
    expect(await client.changeExperiment({ type: 'start', name: 'a', netns: 'lab-*' })).toEqual({
      ...started,
      endedNs: null,
    });
    const stop = { type: 'stop', name: 'a', id: null } as const;
    const ended = { ...started, netns: null, endedNs: 1_700_000_001_999_999_999n };
    expect(await client.changeExperiment(stop)).toEqual(ended);
    const latest = { type: 'stop', name: null, id: null } as const;
    await expect(client.changeExperiment(latest)).rejects.toMatchObject({ code: 'CONTROL_NOT_FOUND' });
    await client.changeExperiment({ type: 'start', name: 'b', netns: null });
    await client.changeExperiment({ type: 'stop', name: null, id: 2 ** 40 });
    expect(server.backend.experiments.slice(1)).toEqual([
      stop,
      latest,
      { type: 'start', name: 'b', netns: null },
      { type: 'stop', name: null, id: 2 ** 40 },
    ]);
    await client.checkpoint();
    expect(server.backend.checkpoints).toBe(1);
  });

  it('gets long answers in pieces that are joined', async () => {
    const server = serve();
    const client = await connected(server);
    expect((await client.routes('a')).join('')).toBe(`${'x'.repeat(600_000)}end`);
    const row: LiveInterface = {
      netns: 'a',
      netnsId: '4:1',
      interface: 'v0',
      ifIndex: 1,
      up: true,
      captured: true,
      reason: '',
    };
    server.backend.rows = Array.from({ length: 1234 }, (_, ifIndex) => ({ ...row, ifIndex }));
    expect(await client.interfaces()).toEqual(server.backend.rows);
    server.backend.rows = [];
    expect(await client.interfaces()).toEqual([]);
  });

  it('is told when the daemon ends', async () => {
    const server = serve();
    const client = await connected(server);
    const stream = client.packets();
    const next = stream.next();
    await until('it is watched', () => server.backend.feeds.length === 1);
    server.server.close();
    await expect(next).rejects.toMatchObject({ code: 'CONTROL_STOPPING' });
    expect(server.backend.feeds).toEqual([]);
  });
});

describe('a stream', () => {
  it('brings the packets of its selection, ends when the client has enough, and is off then', async () => {
    const server = serve();
    const client = await connected(server);
    const node: FilterNode = { kind: 'port', side: 'any', comparator: '=', values: [53] };
    const asked = { netns: 'a', interface: 'v*', filter: node, snapLength: 96 };
    const stream = client.packets(asked);
    const first = stream.next();
    await until('it is watched', () => server.backend.feeds.length === 1);
    const [feed] = server.backend.feeds;
    const selection = { netns: 'a', interface: 'v*' };
    expect(feed!.wanted).toEqual({ selection, filter: node, snapLen: 96 });
    const list = [{ ...livePacket(61), routeIndex: 1 }, livePacket(62)];
    feed!.routes.push(ROUTE);
    feed!.give(list, 5);
    expect((await first).value).toEqual({
      packets: list,
      routes: [ROUTE],
      matched: 7,
      skippedClient: 0,
      skipped: 5,
    });
    await stream.return();
    expect(server.backend.feeds).toEqual([]);
    // The connection is as good as before.
    await client.reload();
  });

  it('of records with the longest names is sent in messages that are not too long', async () => {
    const server = serve();
    const client = await connected(server);
    const stream = client.packets();
    const first = stream.next();
    await until('it is watched', () => server.backend.feeds.length === 1);
    const long = { ...livePacket(256, `/${'n'.repeat(4094)}`), route: 'r'.repeat(192) };
    server.backend.feeds[0]!.give(Array.from({ length: 1000 }, () => long));
    let told = (await first).value!.packets.length;
    while (told < 1000) told += (await stream.next()).value!.packets.length;
    expect(told).toBe(1000);
    await stream.return();
  });

  it('that is ended by a signal brings what was copied by then, and the last counts', async () => {
    const server = serve();
    const client = await connected(server);
    const over = new AbortController();
    let isBegun = false;
    const stream = client.packets({}, () => (isBegun = true), over.signal);
    const messages: PacketsMessage[] = [];
    const reading = (async () => {
      for await (const message of stream) messages.push(message);
    })();
    await until('it has begun', () => isBegun);
    server.backend.feeds[0]!.give(
      Array.from({ length: 900 }, () => livePacket(60)),
      40,
    );
    over.abort();
    await reading;
    const sum = (of: (message: PacketsMessage) => number): number =>
      messages.reduce((total, message) => total + of(message), 0);
    expect(sum(({ packets }) => packets.length)).toBe(900);
    expect(sum(({ skipped, skippedClient }) => skipped + skippedClient)).toBe(40);
    expect(sum(({ matched }) => matched)).toBe(940);
    expect(server.backend.feeds).toEqual([]);
    await client.reload();
  });

  it('is refused with a filter that is none, one that only a flow can be asked, a snap length that is too large, and when there is no room', async () => {
    const server = serve();
    const client = await raw(server);
    client.send(2, 'packets', { ...ANY, filter: 'nonsense' });
    client.send(3, 'packets', { ...ANY, filter: encodeFilter({ kind: 'state', states: ['SF'] }) });
    client.send(4, 'packets', { ...ANY, snapLength: 65_536 });
    client.send(5, 'packets', { ...ANY, netns: 'a/b' });
    await until('all are answered', () => client.responses.length === 4);
    server.backend.refusal = new ControlError('CONTROL_BUSY', 'no room');
    client.send(6, 'packets', ANY);
    await until('it is answered', () => client.responses.length === 5);
    expect(client.responses.map(({ error }) => `${error?.code}: ${error?.message.slice(0, 30)}`)).toEqual([
      'CONTROL_BAD_REQUEST: filter: no JSON',
      'CONTROL_BAD_REQUEST: filter: "state" cannot be aske',
      'CONTROL_BAD_REQUEST: snap_length 65536: at most 655',
      'CONTROL_BAD_REQUEST: netns "a/b": a name or pattern',
      'CONTROL_BUSY: no room',
    ]);
    server.backend.refusal = null;
    client.send(7, 'packets', ANY);
    await until('it begins', () => server.backend.feeds.length === 1);
  });

  it('with a filter is not asked of a daemon that is too old to see it', async () => {
    const server = serve();
    const client = await connected(server);
    client.welcome.revision = 0;
    const filtered = client.packets({ filter: { kind: 'ipVersion', version: 4 } });
    await expect(filtered.next()).rejects.toMatchObject({ code: 'CONTROL_VERSION' });
    const whole = client.packets({ snapLength: 1500 });
    await expect(whole.next()).rejects.toMatchObject({ code: 'CONTROL_VERSION' });
    expect(server.backend.feeds).toEqual([]);
  });

  it('of a kind is one a connection, and its id is not used again while it goes on', async () => {
    const server = serve();
    const client = await raw(server);
    client.send(5, 'packets', ANY);
    client.send(6, 'packets', ANY);
    client.send(5, 'flows', { netns: '', interface: '' });
    client.send(7, 'flows', { netns: '', interface: '' });
    client.send(8, 'cancel', { id: 4 });
    client.send(9, 'cancel', { id: 5 });
    client.send(10, 'packets', ANY);
    // The last counts of the stream that is cancelled come as well.
    const answers = (): ControlResponse[] => client.responses.filter(({ packets }) => packets === undefined);
    await until('all are answered', () => answers().length === 7);
    expect(answers().map(({ id, end, error }) => [id, end, error?.code ?? null])).toEqual([
      [5, false, null],
      [6, true, 'CONTROL_BUSY'],
      [5, true, 'CONTROL_BAD_REQUEST'],
      [7, false, null],
      [8, true, 'CONTROL_NOT_FOUND'],
      [9, true, null],
      [10, false, null],
    ]);
    expect(server.backend.watchesFlows).toBe(true);
    client.socket.destroy();
    await until('nobody watches', () => !server.backend.watchesFlows && server.backend.feeds.length === 0);
  });

  it('of a client that does not read is cut and counted, while others get all of it', async () => {
    const queueBytes = 100_000;
    const server = serve({ queueBytes });
    const slow = await raw(server);
    slow.send(2, 'packets', ANY);
    await until('it is watched', () => slow.responses.length === 1);
    slow.responses.length = 0;
    slow.socket.pause();
    const fast = await connected(server);
    let got = 0;
    const reading = (async () => {
      for await (const { packets, skipped, skippedClient } of fast.packets()) {
        expect([skipped, skippedClient]).toEqual([0, 0]);
        got += packets.length;
        if (got === 30_000) break;
      }
    })();
    await until('both watch', () => server.backend.feeds.length === 2);
    for (let i = 0; i < 100; i++) {
      for (const feed of server.backend.feeds) feed.give(Array.from({ length: 300 }, () => livePacket(200)));
      // It has gone with the last of them.
      await until('the fast one has taken them', () => !server.backend.feeds[1]?.waiting.length);
    }
    await reading;
    expect(got).toBe(30_000);

    slow.socket.resume();
    const read = (): number =>
      slow.responses.reduce((n, { packets }) => n + (packets?.packets.length ?? 0), 0);
    await until('it is told of what it has missed', () => read() + skippedOf(slow) === 30_000);
    // What the kernel holds for the client, it reads in the end: a host's setting, which trafgen raises and may leave so.
    const held = 2 * (Number(readFileSync('/proc/sys/net/core/wmem_default', 'utf8')) + queueBytes);
    expect(skippedOf(slow)).toBeGreaterThan(Math.max(0, 30_000 - held / 200));
    expect(slow.responses.reduce((n, { packets }) => n + (packets?.skipped ?? 0), 0)).toBe(0);
    expect(slow.responses.reduce((n, { packets }) => n + (packets?.matched ?? 0), 0)).toBe(30_000);
  });

  it('of a client that reads nothing at all is closed after its time', async () => {
    const server = serve({ stallMs: 300, queueBytes: 100_000 });
    const client = await raw(server);
    client.send(2, 'packets', ANY);
    await until('it is watched', () => server.backend.feeds.length === 1);
    client.socket.pause();
    await until('it is closed', () => {
      for (const feed of server.backend.feeds) feed.give(Array.from({ length: 300 }, () => livePacket(200)));
      return server.reasons.length === 1;
    });
    expect(server.reasons).toEqual(['the client has read nothing for 0.3 s']);
    expect(server.backend.feeds).toEqual([]);
  });
});

describe('hostile clients', () => {
  it('that send random octets, lengths of nothing and half frames cost nobody else an answer', async () => {
    const server = serve();
    const good = await connected(server);
    for (let round = 0; round < 40; round++) {
      const client = await raw(server, round % 2 === 1);
      const octets =
        round % 4 === 0
          ? randomBytes(100_000)
          : Buffer.concat([Buffer.from([0x80 + round]), randomBytes(500)]);
      client.socket.write(octets);
      if (round % 3 === 0) client.socket.destroy();
      else client.socket.end();
      await good.reload();
    }
    await until('all are gone', () => server.server.size === 1);
    await good.reload();
  });
});

describe('a ranking', () => {
  const BODY: RankBody = {
    view: 'flows',
    filter: '',
    sort: 'rate',
    ascending: false,
    limit: 50,
    intervalS: 2,
  };
  const NOTHING: LiveRanking = {
    intervalS: 1,
    windowS: 10,
    matched: 0,
    bytesPerS: 0,
    packetsPerS: 0,
    rows: 0,
    flows: [],
    groups: [],
    routes: [],
    cpuS: 0,
  };

  it('is asked for as it was meant, comes again and again, and ends', async () => {
    const server = serve();
    const client = await connected(server);
    const filter = encodeFilter(parseFilter('tcp and net 10.0.0.0/8')!);
    const change = new AbortController();
    const got: number[] = [];
    const watching = (async () => {
      for await (const { rows } of client.rankings({ ...BODY, filter, ascending: true }, change.signal))
        got.push(rows);
    })();
    await until('it is watched', () => server.backend.ranked.size === 1);
    const [{ question, deliver }] = [...server.backend.ranked] as [RankedBy];
    expect(question).toEqual({
      view: 'flows',
      filter: parseFilter('tcp and net 10.0.0.0/8'),
      sort: 'rate',
      isAscending: true,
      limit: 50,
      ticks: 2,
    });
    deliver({ ...NOTHING, rows: 1 });
    deliver({ ...NOTHING, rows: 2 });
    await until('both came', () => got.length === 2);
    change.abort();
    await watching;
    expect(got).toEqual([1, 2]);
    await until('nobody ranks any more', () => server.backend.ranked.size === 0);
  });

  it('has decisions whole, and leaves out of flows what is not known of them', async () => {
    const server = serve();
    const client = await connected(server);
    const next = client.rankings(BODY).next();
    await until('it is watched', () => server.backend.ranked.size === 1);
    const decision = { ...UNKNOWN_DECISION, type: 'local', rule: 0, table: 'local' } as const;
    for (const { deliver } of server.backend.ranked) deliver({ ...NOTHING, routes: [decision] });
    expect((await next).value).toEqual({ ...NOTHING, routes: [decision] });
  });

  it.each([
    [{ view: 'packets' }, /view "packets": one of flows, talkers/],
    [{ sort: 'colour' }, /sort "colour": one of rate/],
    [{ limit: 0 }, /limit 0: 1 to 500/],
    [{ limit: 501 }, /limit 501/],
    [{ intervalS: 0 }, /interval_s 0: 1 to 10/],
    [{ filter: '{}' }, /filter/],
    [{ filter: encodeFilter(parseFilter('experiment x')!) }, /"experiment" cannot be asked here/],
  ])('of %j is refused', async (wrong, message) => {
    const client = await connected(serve());
    await expect(client.rankings({ ...BODY, ...wrong }).next()).rejects.toMatchObject({
      code: 'CONTROL_BAD_REQUEST',
      message: expect.stringMatching(message),
    });
  });

  it('is one a connection, and so many of all', async () => {
    const server = serve({ rankings: 2 });
    const first = await connected(server);
    const second = await connected(server);
    void first
      .rankings(BODY)
      .next()
      .catch(() => {}); // it is closed with the test
    await until('one is watched', () => server.backend.ranked.size === 1);
    await expect(first.rankings(BODY).next()).rejects.toMatchObject({ code: 'CONTROL_BUSY' });
    void second
      .rankings(BODY)
      .next()
      .catch(() => {});
    await until('two are', () => server.backend.ranked.size === 2);
    const third = await connected(server);
    await expect(third.rankings(BODY).next()).rejects.toMatchObject({ code: 'CONTROL_BUSY' });
    second.close();
    await until('its ranking ends with a client', () => server.backend.ranked.size === 1);
  });

  it('that cannot be made any more ends with the reason', async () => {
    const server = serve();
    const client = await connected(server);
    const next = client.rankings(BODY).next();
    await until('it is watched', () => server.backend.ranked.size === 1);
    for (const { deliver } of server.backend.ranked) deliver(new ControlError('CONTROL_FAILED', 'no memory'));
    await expect(next).rejects.toMatchObject({
      code: 'CONTROL_FAILED',
      message: expect.stringMatching(/no memory/),
    });
  });
});

/** Packets that a client was told it missed by reading slowly. */
function skippedOf({ responses }: RawClient): number {
  return responses.reduce((n, { packets }) => n + (packets?.skippedClient ?? 0), 0);
}
