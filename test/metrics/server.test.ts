import { randomBytes, randomInt } from 'node:crypto';
import { once } from 'node:events';
import { request, type Server } from 'node:http';
import { type AddressInfo, connect, createServer } from 'node:net';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { CAPTURE_FAMILIES, ENGINE_FAMILIES, ROUTE_FAMILIES } from '../../daemon/metrics/families.ts';
import { createLogger } from '../../daemon/logger.ts';
import { metricsRegistry } from '../../daemon/metrics/registry.ts';
import { metricsServer, serveMetrics } from '../../daemon/metrics/server.ts';
import { MetricsStore } from '../../daemon/metrics/store.ts';
import { type CaptureCounters, zeroCounters } from '../../storage/messages.ts';
import { captureInfo } from '../storage/records.ts';

const MINUTE_MS = 60_000;

function counters(counts: Partial<CaptureCounters>): CaptureCounters {
  return { ...zeroCounters(), ...counts };
}

/** Lines of one metric, in order. */
async function series(store: MetricsStore, name: string): Promise<string[]> {
  const text = await metricsRegistry(store).metrics();
  return text.split('\n').filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `));
}

describe('the metrics', () => {
  test('are named as Prometheus asks for, and each says what it is', async () => {
    const names = [...CAPTURE_FAMILIES, ...ROUTE_FAMILIES, ...Object.values(ENGINE_FAMILIES)];
    expect(new Set(names.map(({ name }) => name)).size).toBe(names.length);
    const text = await metricsRegistry(new MetricsStore()).metrics();
    for (const { name, help } of names) {
      expect(name).toMatch(/^nstap_[a-z_]+$/);
      expect(text).toContain(`# HELP ${name} ${help}\n`);
      expect(text).toContain(`# TYPE ${name} ${name.endsWith('_total') ? 'counter' : 'gauge'}\n`);
    }
    expect(text).toMatch(/^process_resident_memory_bytes \d/m);
    expect(text).toMatch(/^nodejs_eventloop_lag_seconds /m);
  });

  test('have every counter of a capture but those that are the protocols again', () => {
    const shown = CAPTURE_FAMILIES.flatMap(({ parts }) => Object.values(parts));
    const left = ['tcp', 'udp', 'icmp', 'sctp', 'otherL4', 'fragments', 'tunnelled'];
    expect([...shown, ...left].sort()).toEqual(Object.keys(zeroCounters()).sort());
  });

  test('show the latest counts, and what an interface that was made again counted before', async () => {
    const store = new MetricsStore();
    store.addCapture(captureInfo(0));
    store.addCapture(captureInfo(1, { interface: 'a"b\\c\nd' }));
    store.setCounters(0, counters({ packets: 5, decodedIpv4: 3, decodedArp: 2, aliveFlows: 4, cpuNs: 2e9 }));
    store.setCounters(0, counters({ packets: 7, decodedIpv4: 5, decodedArp: 2, aliveFlows: 1, cpuNs: 3e9 }));
    expect(await series(store, 'nstap_packets_received_total')).toEqual([
      'nstap_packets_received_total{netns="blue",interface="veth0"} 7',
      'nstap_packets_received_total{netns="blue",interface="a\\"b\\\\c\\nd"} 0',
    ]);
    expect((await series(store, 'nstap_packets_decoded_total')).slice(0, 4)).toEqual([
      'nstap_packets_decoded_total{netns="blue",interface="veth0",protocol="ipv4"} 5',
      'nstap_packets_decoded_total{netns="blue",interface="veth0",protocol="ipv6"} 0',
      'nstap_packets_decoded_total{netns="blue",interface="veth0",protocol="arp"} 2',
      'nstap_packets_decoded_total{netns="blue",interface="veth0",protocol="other"} 0',
    ]);
    expect((await series(store, 'nstap_capture_cpu_seconds_total'))[0]).toMatch(/ 3$/);
    expect((await series(store, 'nstap_flows_alive'))[0]).toMatch(/ 1$/);
    store.endCapture(0, counters({ packets: 8 }));
    store.addCapture(captureInfo(2));
    store.setCounters(2, counters({ packets: 100 }));
    expect((await series(store, 'nstap_packets_received_total'))[0]).toBe(
      'nstap_packets_received_total{netns="blue",interface="veth0"} 108',
    );
  });

  test('of routes, queue and database are there', async () => {
    const store = new MetricsStore();
    const of = { netns: 'blue', netnsId: '4:1' };
    store.setRoutes({ type: 'routeMirror', ...of, resyncs: 1, reloads: 2, applied: 3, interrupted: 4 });
    store.setRoutes({ type: 'routeAudit', ...of, asked: 9, agreed: 8, disagreed: 1, unasked: 0 });
    store.load = { queued: 3, queueSize: 64, cpuNs: 1.5e9 };
    store.isInTrouble = true;
    expect(await series(store, 'nstap_route_changes_applied_total')).toEqual([
      'nstap_route_changes_applied_total{netns="blue"} 3',
    ]);
    expect(await series(store, 'nstap_route_disagreements_total')).toEqual([
      'nstap_route_disagreements_total{netns="blue"} 1',
    ]);
    expect(await series(store, 'nstap_storage_queue_batches')).toEqual(['nstap_storage_queue_batches 3']);
    expect(await series(store, 'nstap_capture_thread_cpu_seconds_total')).toEqual([
      'nstap_capture_thread_cpu_seconds_total 1.5',
    ]);
    expect(await series(store, 'nstap_storage_trouble')).toEqual(['nstap_storage_trouble 1']);
  });

  test('of what is gone stay for some minutes, and of the latest thousand', () => {
    const store = new MetricsStore();
    const of = { netns: 'blue', netnsId: '4:1' };
    store.addCapture(captureInfo(0));
    store.setRoutes({ type: 'routeAudit', ...of, asked: 9, agreed: 8, disagreed: 1, unasked: 0 });
    store.endCapture(0, counters({ kernelDrops: 3 }), 0);
    store.endRoutes('4:1', 0);
    expect(store.captures(4 * MINUTE_MS)).toMatchObject([{ counters: { kernelDrops: 3 } }]);
    expect(store.routes(4 * MINUTE_MS)).toHaveLength(1);
    expect([store.captures(5 * MINUTE_MS), store.routes(5 * MINUTE_MS)]).toEqual([[], []]);
    for (let i = 1; i <= 5000; i++) {
      store.addCapture(captureInfo(i));
      store.endCapture(i, counters({ packets: i }), 5 * MINUTE_MS);
    }
    const kept = store.captures(5 * MINUTE_MS);
    expect(kept).toHaveLength(1000);
    expect(kept[0]!.counters!.packets).toBe(4001);
    // One that could not be opened leaves nothing behind, however often it is tried.
    store.addCapture(captureInfo(6000));
    expect(store.openCaptures).toBe(1);
    store.endCapture(6000);
    expect(store.openCaptures).toBe(0);
    // Told of one that never was, or is gone: nothing.
    store.setCounters(77, counters({}));
    store.endCapture(77);
    expect(store.captures(5 * MINUTE_MS)).toHaveLength(1000);
  });
});

describe('the server', () => {
  let server: Server;
  let port: number;

  beforeEach(async () => {
    server = metricsServer(metricsRegistry(new MetricsStore()));
    await once(server.listen(0, '127.0.0.1'), 'listening');
    ({ port } = server.address() as AddressInfo);
  });
  afterEach(async () => {
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
  });

  async function ask(method: string, path: string, body = ''): Promise<[number, string, string?]> {
    const sent = request({ host: '127.0.0.1', port, method, path, agent: false });
    sent.end(body);
    const [answer] = await once(sent, 'response');
    let text = '';
    for await (const chunk of answer.setEncoding('utf8')) text += chunk;
    return [answer.statusCode, text, answer.headers['content-type']];
  }

  /** Sends octets, and waits for the end of the connection. @returns what came back */
  async function raw(octets: Uint8Array | string, isEnd: boolean): Promise<string> {
    const socket = connect(port, '127.0.0.1');
    let text = '';
    socket.setEncoding('latin1').on('data', (chunk: string) => {
      text += chunk;
    });
    // A reset is an end as well.
    socket.on('error', () => {});
    const closed = new Promise((resolve) => socket.on('close', resolve));
    if (isEnd) socket.end(octets);
    else socket.write(octets);
    await closed;
    return text;
  }

  test('answers GET and HEAD of /metrics, and nothing else', async () => {
    const [status, text, type] = await ask('GET', '/metrics?x=1');
    expect([status, type]).toEqual([200, 'text/plain; version=0.0.4; charset=utf-8']);
    expect(text).toContain('nstap_build_info{version="');
    expect((await ask('HEAD', '/metrics')).slice(0, 2)).toEqual([200, '']);
    expect((await ask('GET', '/')).slice(0, 2)).toEqual([404, 'not found; GET /metrics\n']);
    expect((await ask('GET', '/metrics/../etc/passwd'))[0]).toBe(404);
    expect((await ask('GET', '//metrics'))[0]).toBe(404);
    expect((await ask('POST', '/metrics', 'x'.repeat(100_000)))[0]).toBe(405);
    expect((await ask('DELETE', '/metrics'))[0]).toBe(405);
  });

  test('ends connections that bring rubbish, and goes on', { timeout: 60_000 }, async () => {
    const start = 'GET /metrics HTTP/1.1\r\nHost: x\r\n';
    const rubbish = [
      '\r\n\r\n\r\n',
      'GET\r\n\r\n',
      'GET /metrics HTTP/9.9\r\n\r\n',
      `GET /${'a'.repeat(100_000)} HTTP/1.1\r\n\r\n`,
      `${start}X: ${'a'.repeat(100_000)}\r\n\r\n`,
      `${start}${'X: y\r\n'.repeat(10_000)}\r\n`,
      `${start}Content-Length: -1\r\n\r\n`,
      `${start}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\nzz`,
      `${start}Transfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n`,
      `${start}Upgrade: h2c\r\nConnection: Upgrade\r\n\r\n`,
      'CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n',
      'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
      Buffer.from('1603010200010001fc0303', 'hex'),
      ...Array.from({ length: 150 }, () => randomBytes(randomInt(1, 4096))),
      ...Array.from({ length: 50 }, () => {
        const octets = Buffer.from(`${start}Accept: */*\r\n\r\n`);
        octets[randomInt(octets.length)] = randomInt(256);
        return octets;
      }),
    ];
    for (const octets of rubbish) await raw(octets, true);
    expect((await ask('GET', '/metrics'))[0]).toBe(200);
  });

  test('waits for a request only so long', { timeout: 60_000 }, async () => {
    expect(await raw('GET /metrics HTTP/1.1\r\nHost: x\r\n', false)).not.toContain('nstap_');
    expect((await ask('GET', '/metrics'))[0]).toBe(200);
  });

  test('has room for some scrapers and turns others away, and has room again', async () => {
    const silent = Array.from({ length: 16 }, () => connect(port, '127.0.0.1').on('error', () => {}));
    await Promise.all(silent.map((socket) => once(socket, 'connect')));
    expect(await raw('GET /metrics HTTP/1.0\r\n\r\n', false)).toBe('');
    for (const socket of silent) socket.destroy();
    await expect
      .poll(async () => (await ask('GET', '/metrics').catch(() => [0]))[0], { timeout: 30_000 })
      .toBe(200);
  });
});

test('an address that is in use is told once, and taken when it is free', { timeout: 60_000 }, async () => {
  const other = createServer();
  await once(other.listen(0, '127.0.0.1'), 'listening');
  const { port } = other.address() as AddressInfo;
  const lines: Record<string, unknown>[] = [];
  const log = createLogger('engine', 'info', { write: (line) => lines.push(JSON.parse(line)) });
  const server = serveMetrics(new MetricsStore(), `127.0.0.1:${port}`, log);
  try {
    await expect.poll(() => lines.length, { timeout: 30_000 }).toBe(1);
    expect(lines[0]).toMatchObject({ event: 'metrics-failed', address: `127.0.0.1:${port}` });
    expect(lines[0]!.reason).toMatch(/EADDRINUSE/);
    other.close();
    await expect.poll(() => lines.length, { timeout: 30_000 }).toBe(2);
    expect(lines[1]).toMatchObject({ event: 'metrics-listening', url: `http://127.0.0.1:${port}/metrics` });
  } finally {
    server.close();
  }
});
